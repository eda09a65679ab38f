"""Real documentation, collected: the numbers are Git's own."""

import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness.databases import FreshDatabase
from tests.harness.git_server import serve
from tests.harness.pipeline import Pipeline, Repository

DATA = Path(os.environ.get("HEADWATER_DATA", "/nonexistent"))

pytestmark = [
    pytest.mark.skipif(not shutil.which("git"), reason="needs git: clones bundles with it"),
    pytest.mark.skipif(not DATA.is_dir(), reason="needs HEADWATER_DATA: it names no folder"),
]


def clone(bundle: str, folder: Path) -> Repository:
    subprocess.run(["git", "clone", "-q", str(DATA / bundle), str(folder)], check=True)
    return Repository(folder)


def commits_of(repository: Repository) -> list[str]:
    return repository.git("rev-list", "--reverse", "HEAD").split()


def check_out(repository: Repository, commit: str) -> None:
    repository.git("update-ref", "refs/heads/now", commit)


def changes(repository: Repository, before: str, after: str) -> dict[str, int]:
    """Count what Git says of the Markdown files between two commits."""
    patterns = ["*.md", "*.mdx"]
    said = repository.git("diff", "--name-status", "--no-renames", before, after, "--", *patterns).split("\n")
    letters = [line[0] for line in said if line]
    return {"added": letters.count("A"), "changed": letters.count("M"), "removed": letters.count("D")}


def test_three_commits_one_after_another(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = clone("cpp-build-docs.bundle", tmp_path / "docs")
    first, *later = commits_of(repository)
    check_out(repository, first)
    source = pipeline.add_source(repository.url, branch="now")
    run = pipeline.collect(source)
    assert (run.state, run.snapshot) == ("succeeded", first)
    listed = [
        name for name in repository.git("ls-tree", "-r", "--name-only", first).split("\n") if name.endswith(".md")
    ]
    assert run.counts.added == run.total == len(listed)
    before = first
    for commit in later:
        seen = set(pipeline.rows("select input_hash from vectors"))
        check_out(repository, commit)
        run = pipeline.collect(source)
        counts = run.counts
        expected = changes(repository, before, commit)
        assert {"added": counts.added, "changed": counts.changed, "removed": counts.removed} == expected
        assert counts.embedded == len(set(pipeline.rows("select input_hash from vectors")) - seen)
        assert counts.embedded + counts.reused == counts.chunks
        again = pipeline.collect(source)
        assert (again.counts.unchanged, again.counts.embedded, again.counts.chunks) == (run.total, 0, 0)
        before = commit


def test_partial_clone_and_its_fallback_give_what_the_files_give(
    pipeline: Pipeline, database: FreshDatabase, tmp_path: Path
) -> None:
    repository = clone("cpp-build-docs.bundle", tmp_path / "docs")
    pipeline.collect(pipeline.add_source(repository.url))
    expected = pipeline.contents()
    for partial in (True, False):
        with serve(tmp_path, partial=partial) as server:
            pipeline.rows("with gone as (delete from sources returning id) select count(*) from gone")
            blobs = (tmp_path / f"blobs{partial}").as_uri()
            other = Pipeline(database, blob_url=blobs)
            run = other.collect(other.add_source(f"{server.url}/docs"))
            assert run.state == "succeeded"
            assert other.contents() == expected
            other.database.close()


def test_progress_never_goes_back(pipeline: Pipeline, tmp_path: Path) -> None:
    repository = clone("cpp-build-docs.bundle", tmp_path / "docs")
    source = pipeline.add_source(repository.url)
    run_id = pipeline.start(source)
    seen: list[tuple[int, ...]] = []

    def look() -> bool:
        counts = pipeline.read(run_id).counts
        seen.append((counts.listed, counts.added + counts.failed, counts.chunks, counts.embedded + counts.reused))
        return False

    pipeline.drain(stop=look)
    run = pipeline.read(run_id)
    assert (run.state, run.counts.added) == ("succeeded", run.total)
    for earlier, later in pairwise(seen):
        assert all(a <= b for a, b in zip(earlier, later, strict=True))
