"""Differences of versions: as `diff -u` has them, and bounded for hostile files."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.files import diff
from functions.chat.files.diff import compare

LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30).map("\n".join)


def test_difference_of_two_versions() -> None:
    found = compare(b"one\ntwo\nthree\n", b"one\n2\nthree\nfour")
    assert found.diff == "@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n\\ No newline at end of file\n"
    assert (found.kind, found.added, found.removed, found.is_cut) == ("text", 2, 1, False)


def test_new_and_equal_files() -> None:
    assert compare(b"", b"one\n").diff == "@@ -0,0 +1 @@\n+one\n"
    assert compare(b"one\n", b"").diff == "@@ -1 +0,0 @@\n-one\n"
    assert compare(b"one\n", b"one\n").diff == ""


def test_binary_files_are_not_compared() -> None:
    assert compare(b"one", b"\xff\xfe\x00\xd8").kind == "binary"
    assert compare(b"\0", b"").kind == "binary"


@given(LINES, LINES)
def test_difference_is_that_of_difflib(old: str, new: str) -> None:
    expected = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in list(difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True)))[2:]
    )
    found = compare(old.encode(), new.encode())
    shown = found.diff.splitlines()
    assert sum(line[0] == "+" for line in shown) == found.added
    assert sum(line[0] == "-" for line in shown) == found.removed
    # Both are right, but equal lines at the beginning and the end are matched first here.
    assert (found.diff == "") == (expected == "")


def test_position_of_a_change_in_a_long_file() -> None:
    lines = [f"{n}\n" for n in range(1, 100_001)]
    changed = [*lines[:49_999], "changed\n", *lines[50_000:]]
    found = compare("".join(lines).encode(), "".join(changed).encode())
    assert found.diff.splitlines() == [
        "@@ -49997,7 +49997,7 @@",
        *(f" {n}" for n in range(49_997, 50_000)),
        "-50000",
        "+changed",
        *(f" {n}" for n in range(50_001, 50_004)),
    ]


def test_large_differences_and_long_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(f"{n}\n" for n in range(diff.MAX_LINES)).encode()
    found = compare(many, b"x" + many)
    assert found.added == 1
    found = compare(b"", many + b"more\n")
    assert (found.kind, found.diff, found.added) == ("too large", "", diff.MAX_LINES + 1)
    assert len(compare(b"", b"x" * 1_000_000).diff) < 1_000
    monkeypatch.setattr(diff, "MAX_DIFF_CHARS", 20)
    found = compare(b"", b"one\n" * 100)
    assert (found.is_cut, len(found.diff)) == (True, 20)
