"""Rules of .gitignore files, as `git check-ignore` decides."""

import subprocess
import time
from pathlib import Path

import pytest

from functions.collection.connectors.folder.gitignore import is_ignored, read_gitignore

RULES = b"""# comment
*.tmp
!keep.tmp
/top.md
build/
docs/*.draft.md
a/**/z.md
/sub/
!
[
\\#odd.md
spaced.md   \r
"""
PATHS = ["a.tmp", "b/a.tmp", "keep.tmp", "top.md", "b/top.md", "docs/x.draft.md", "b/docs/x.draft.md", "a/z.md"]
PATHS += ["a/b/c/z.md", "z.md", "#odd.md", "spaced.md", "x.md", "Build", "docs/y.md", "[", "build"]


@pytest.mark.parametrize("path", PATHS)
def test_decisions_are_gits(path: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_bytes(RULES)
    asked = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=tmp_path, check=False)
    assert is_ignored([read_gitignore("", RULES)], path) == (asked.returncode == 0)


def test_folders_and_inner_files_decide() -> None:
    outer, inner = read_gitignore("", RULES), read_gitignore("sub/a", b"!b.tmp\n/c.md\n")
    assert is_ignored([outer], "x/build", is_folder=True)
    assert not is_ignored([outer], "x/build")
    assert not is_ignored([outer, inner], "sub/a/b.tmp")
    assert is_ignored([outer, inner], "sub/a/c.md")
    assert not is_ignored([outer, inner], "sub/a/d/c.md")


def test_patterns_that_would_backtrack_take_linear_time() -> None:
    rules = read_gitignore("", b"**/a" * 200 + b"/b\n" + b"*a" * 400 + b"b\n")
    started = time.process_time()
    assert not is_ignored([rules], "a/" * 900 + "a" * 200)
    assert time.process_time() - started < 5
