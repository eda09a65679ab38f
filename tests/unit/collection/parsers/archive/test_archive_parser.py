"""ZIP archives as one document with a section for each file."""

import pytest

from functions.collection.parsers.archive.parser import MAX_FILES, parse
from functions.collection.parsers.choose import true_parser
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.archives import make_docx, make_zip
from tests.harness.paths import ROOT
from tests.harness.pdfs import make_pdf

DOCUMENTS = ROOT / "tests/data/documents"
DOCX = make_docx("<w:p><w:r><w:t>Word *text*</w:t></w:r></w:p>")
PDF = make_pdf("BT /F1 12 Tf 72 700 Td (PDF text.) Tj ET")
NESTED = make_zip({"a.md": "x"})
for _ in range(3):
    NESTED = make_zip({"a.zip": NESTED})


def test_files_are_sections_with_their_own_headings_below() -> None:
    members: dict[str, str | bytes] = {"docs/a.md": "# A\n\n[b](b.docx) text", "b.docx": DOCX, "c.pdf": PDF, "e/": ""}
    others = {"d.png": b"\x89PNG\r\n\x1a\n", "__MACOSX/x.md": b"no"}
    parsed = parse("a.zip", make_zip({**members, **others}), "")
    check_parsed(parsed)
    assert parsed.text == (
        "# docs/a.md\n\n# A\n\n[b](b.docx) text\n\n# b.docx\n\nWord \\*text\\*\n\n# c.pdf\n\nPDF text.\n\n"
    )
    paths = [block.heading_path for block in parsed.blocks or ()]
    assert paths == [("docs/a.md",), ("docs/a.md", "A"), ("docs/a.md", "A"), *[("b.docx",)] * 2, *[("c.pdf",)] * 2]
    assert [parsed.text[link.start : link.end] for link in parsed.links or ()] == ["[b](b.docx)"]
    assert parsed.warnings == ("d.png: the file is a PNG image, not text",)


def test_archives_in_archives_are_read_with_their_names_and_misnamed_files_as_what_they_are() -> None:
    inner = make_zip({"x/a.md": "# A", "b.txt": PDF, "c.zip": make_zip({"d.csv": "a,b\n1,2"}), "broken.zip": "no"})
    parsed = parse("a.zip", make_zip({"in.zip": inner, "e.md": "text"}), "")
    check_parsed(parsed)
    headings = [line for line in parsed.text.split("\n") if line.startswith("# ")]
    assert headings == ["# in.zip/x/a.md", "# A", "# in.zip/b.txt", "# in.zip/c.zip/d.csv", "# e.md"]
    assert "PDF text." in parsed.text
    assert parsed.warnings == ("in.zip/broken.zip: it is damaged: it is not a complete ZIP archive",)


def test_files_of_all_archives_together_are_limited() -> None:
    parsed = parse(
        "a.zip", make_zip({f"{at}.zip": make_zip({f"{n}.md": "a" for n in range(400)}) for at in range(4)}), ""
    )
    assert parsed.text.count(".md\n") == MAX_FILES - 3
    assert parsed.warnings == ("only the first 1,000 of 1,204 files were read",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "it is not a ZIP archive"),
        (make_zip({"a.md": "text"})[:40], "not a complete ZIP archive"),
        (make_zip({}), "none of its 0 files"),
        (make_zip({"a.zip": make_zip({})}), "only archives without files"),
        (NESTED, "a.zip/a.zip/a.zip: archives in more than 2 others are not read"),
        (make_zip({"a.md": b" " * 11_000_000}), "would unpack to 11,000,000 bytes"),
    ],
)
def test_archive_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.zip", content, "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PDF, "pdf"),
        (DOCX, "office"),
        ((DOCUMENTS / "slides.libreoffice.odp").read_bytes(), "office"),
        ((DOCUMENTS / "sheets.libreoffice.ods").read_bytes(), "spreadsheet"),
        ((DOCUMENTS / "sheets.openpyxl.xlsx").read_bytes(), "spreadsheet"),
        ((DOCUMENTS / "book.epub").read_bytes(), "epub"),
        (make_zip({"a.md": "text"}), "archive"),
        (b"# Text", "markdown"),
    ],
)
def test_parser_of_a_misnamed_file_is_that_of_its_content(content: bytes, expected: str) -> None:
    assert true_parser("markdown", content) == expected
