"""Files that a listing leaves out: when a run says so, and how."""

import pytest

from functions.collection.runs.unmatched import MAX_KINDS, UnmatchedFiles, left_out


@pytest.mark.parametrize(
    ("listed", "unmatched", "notice"),
    [
        (0, {}, "The source has no documents. Check its settings, such as branch, folder and patterns."),
        (0, {".py": 3}, "No file matches the source's patterns. 3 files are left out: 3 .py."),
        (0, {".py": 3, ".rst": 1}, "No file matches the source's patterns. 1 file is left out: 1 .rst."),
        (10, {".rst": 759}, "759 files are left out: 759 .rst. Add patterns to the source to collect them."),
        (1, {".mdx": 1}, "1 file is left out: 1 .mdx. Add patterns to the source to collect them."),
        (10, {".rst": 9}, None),
        (10, {".py": 9_000, "": 70}, None),
        (
            1,
            {f".{kind}": 1 for kind in ("md", "rst", "txt", "pdf", "org", "tex", "html")},
            "7 files are left out: 1 .html, 1 .md, 1 .org, 1 .pdf, 1 .rst, 2 others. "
            "Add patterns to the source to collect them.",
        ),
    ],
)
def test_notice_says_how_many_documents_are_left_out(
    listed: int, unmatched: dict[str, int], notice: str | None
) -> None:
    assert left_out(listed, unmatched).notice == notice


def test_rare_and_hostile_extensions_are_bounded() -> None:
    many = {f".{n:03}": 1 for n in range(100)} | {".md\n\x1b" + "x" * 900: 5}
    files = left_out(1, many).files
    assert len(files) == MAX_KINDS + 1
    assert files[-1] == UnmatchedFiles(None, 101 - MAX_KINDS)
    assert files[0].extension is not None
    assert (len(files[0].extension) <= 30, files[0].extension.isprintable()) == (True, True)
