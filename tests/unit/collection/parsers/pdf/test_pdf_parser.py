"""PDF files of seven programs as Markdown, and files that can't be read. `handbook.md` is what all of them print."""

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from functions.collection.parsers.pdf.parser import parse
from functions.collection.parsers.pdf.tables import find_grids
from functions.collection.parsers.pdf.words import join_hyphenated
from headwater.errors import PermanentError
from headwater.parsers import Parsed, check_parsed
from headwater.passages import excerpt
from tests.harness.handbook import DOCUMENTS, headings, share_in_order, words
from tests.harness.pdfs import looping_pdfs, make_pdf


def read(path: Path) -> Parsed:
    parsed = parse(path.name, path.read_bytes(), "application/pdf")
    check_parsed(parsed)
    return parsed


def parse_text(*pages: str, **options: str) -> str:
    parsed = parse("a.pdf", make_pdf(*pages, **options), "application/pdf")
    check_parsed(parsed)
    return excerpt(parsed.text, [offset for pair in parsed.markup or () for offset in pair])


@pytest.mark.parametrize("program", ["chromium", "fpdf2", "latex", "libreoffice", "pdfkit", "reportlab", "weasyprint"])
def test_pdf_of_a_program_is_read_as_it_was_written(program: str) -> None:
    expected = (DOCUMENTS / "handbook.md").read_text()
    parsed = read(DOCUMENTS / f"handbook.{program}.pdf")
    assert share_in_order(words(expected), words(parsed.text)) >= 0.99
    assert headings(parsed.text) == headings(expected)
    assert (
        "| Pump | Rated flow | Maximum pressure |\n| --- | --- | --- |\n| North | 120 litres a second |" in parsed.text
    )
    assert "confidential" not in parsed.text
    assert re.search(r"```\nconnect /dev/ttyS0 9600\nread state\n", parsed.text)
    first, second = parsed.pages
    assert (first, 1_500 < second < 3_500) == (0, True)


@pytest.mark.parametrize("program", ["chromium", "latex", "weasyprint"])
def test_two_columns_with_hyphens_are_read_one_after_the_other(program: str) -> None:
    expected = (DOCUMENTS / "handbook.md").read_text()
    parsed = read(DOCUMENTS / f"columns.{program}.pdf")
    assert share_in_order(words(expected), words(parsed.text)) >= 0.99
    assert set(headings(expected)) <= set(headings(parsed.text))
    [valves] = [line for line in parsed.text.split("\n") if line.startswith("Open the suction valve")]
    assert valves in expected
    assert not re.search(r"\w[-\u2010\u00ad] \w", parsed.text)


def test_letters_of_right_to_left_words_are_in_the_order_of_reading() -> None:
    heading, arabic, hebrew, table = read(DOCUMENTS.parent / "arabic.chromium.pdf").text.split("\n\n")
    assert heading == "# سياسة الإجازات"
    assert arabic.startswith("يحق لكل موظف في المكتب إجازة سنوية مدتها 25 يوما")
    assert arabic.endswith("لا يعمل المكتب يوم الجمعة. السلام عليكم لا إله.")
    assert hebrew == "שלום לכל העובדים בחברה שלנו, 25 ימים."
    assert table.split("\n")[2] == "| 02-555 | مكتب القاهرة الجديد |"


@pytest.mark.parametrize("name", sorted(looping_pdfs()))
def test_parts_that_contain_themselves_are_read_once_or_the_file_is_refused(name: str) -> None:
    is_refused = name in ("pages", "pages-of-pages", "contents", "reference")
    reason = "none of its pages can be read" if name.startswith("pages") else "it has no text"
    with pytest.raises(PermanentError, match=reason) if is_refused else nullcontext():
        assert parse("a.pdf", looping_pdfs()[name], "").text == "Some text."


def test_page_of_a_passage_is_the_one_it_is_printed_on() -> None:
    pages = [f"BT /F1 12 Tf 72 700 Td (Page {page} says {word}.) Tj ET" for page, word in enumerate("abc", start=1)]
    parsed = parse("a.pdf", make_pdf(*pages[:2], "", pages[2]), "")
    assert [parsed.text[start:].split("\n")[0][-7:] for start in parsed.pages] == [
        "says a.",
        "says b.",
        "says c.",
        "says c.",
    ]


def test_paragraph_goes_on_after_a_page_with_its_page_break() -> None:
    line = "(This line is as long as the column is wide and has no end at all, so) Tj 0 -14 Td"
    parsed = parse(
        "a.pdf",
        make_pdf(f"BT /F1 12 Tf 72 100 Td {line} {line} ET", f"BT /F1 12 Tf 72 700 Td {line} (it ends.) Tj ET"),
        "",
    )
    assert "\n" not in parsed.text
    assert parsed.text[parsed.pages[1] :].split()[:2] == ["This", "line"]


def test_columns_that_are_written_line_by_line_are_read_one_after_the_other() -> None:
    rows = [
        f"BT /F1 10 Tf 72 {700 - 12 * row} Td (left column has line {row:02} of many) Tj ET "
        f"BT /F1 10 Tf 320 {700 - 12 * row} Td (right column has line {row:02} too) Tj ET"
        for row in range(12)
    ]
    text = parse_text(" ".join(rows))
    assert text.index("left column has line 11") < text.index("right column has line 00")


def test_running_lines_and_page_numbers_are_removed() -> None:
    page = "BT /F1 9 Tf 72 780 Td (Handbook, part {0}) Tj 0 -100 Td (Body of {0}.) Tj 150 -650 Td (- {0} -) Tj ET"
    assert parse_text(*(page.format(number) for number in (1, 2, 3))).split("\n\n") == [
        "Body of 1.",
        "Body of 2.",
        "Body of 3.",
    ]


def test_rotated_page_is_read_as_it_is_shown() -> None:
    lines = "BT 0 1 -1 0 100 72 Tm /F1 12 Tf (First line of it.) Tj ET BT 0 1 -1 0 160 72 Tm /F1 12 Tf (Second.) Tj ET"
    assert parse_text(lines, rotate="90") == "First line of it.\n\nSecond."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not a PDF document"),
        (b"PK\x03\x04 a ZIP file", "it is not a PDF document"),
        (b"%PDF-1.7\n" + b"\0" * 500, "it is damaged"),
        (make_pdf("")[:300], "it is damaged"),
        (make_pdf("", ""), "it has no text$"),
        (make_pdf("q 500 0 0 700 50 50 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xff EI Q"), "its pages are images"),
        ((DOCUMENTS / "encrypted.pdf").read_bytes(), "it is encrypted and opens only with a password"),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.pdf", content, "application/pdf")


def test_pages_without_text_are_named_in_a_warning() -> None:
    image = "q 500 0 0 700 50 50 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xff EI Q"
    parsed = parse("a.pdf", make_pdf("BT /F1 12 Tf 72 700 Td (Text.) Tj ET", image, image), "")
    assert parsed.warnings == ("without text, as they are images: pages 2, 3",)


@pytest.mark.parametrize(
    ("text", "line", "vocabulary", "expected"),
    [
        ("a com-", "pany", set(), "a company"),
        ("well-", "known", {"well-known"}, "well-known"),
        ("", "search\ufffeable and", set(), "searchable and"),
        ("1914-", "18", set(), "1914-18"),
        ("see https://a.b/", "c", set(), "see https://a.b/c"),
        ("a -", "b", set(), "a - b"),
    ],
)
def test_hyphenated_words_are_joined(text: str, line: str, vocabulary: set[str], expected: str) -> None:
    assert join_hyphenated(text, line, frozenset(vocabulary)) == expected


def test_grid_has_cells_that_span_columns() -> None:
    across = [(0.0, y, 300.0, y) for y in (0.0, 20.0, 40.0)]
    down = [(x, 0.0, x, 40.0) for x in (0.0, 200.0, 300.0)] + [(100.0, 20.0, 100.0, 40.0)]
    [grid] = find_grids([*across, *down])
    assert grid.firsts == [[0, 0, 2], [0, 1, 2]]
    assert grid.find(150, 10) == (0, 0)
    assert grid.find(150, 30) == (1, 1)
