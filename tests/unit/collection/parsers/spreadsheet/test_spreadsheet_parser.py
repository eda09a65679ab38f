"""Spreadsheets as sections with tables; delimiters of CSV files; limits."""

import pytest

from functions.collection.parsers.spreadsheet.parser import MAX_ROWS, parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.archives import make_zip
from tests.harness.paths import ROOT

DOCUMENTS = ROOT / "tests/data/documents"


@pytest.mark.parametrize("name", ["sheets.openpyxl.xlsx", "sheets.libreoffice.ods", "sheets.libreoffice.xls"])
def test_workbook_has_a_section_for_each_shown_sheet_and_tables_with_headers(name: str) -> None:
    parsed = parse(name, (DOCUMENTS / name).read_bytes(), "")
    check_parsed(parsed)
    assert parsed.text.replace("| 1 |\n", "| yes |\n").replace("| 0 |", "| no |") == (
        "# Pumps\n\nStation north\n\n| Pump | Flow | Since | Active |\n| --- | --- | --- | --- |\n"
        "| North | 120 | 2024-03-01 | yes |\n| South | 95.5 | 2024-03-01 12:30:00 | no |\n\n"
        "| Fault | Times |\n| --- | --- |\n| 17 | 3 |"
    )
    assert parsed.warnings == ("hidden sheets are not read: 1",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ('a;b\n"1,5";"2\n3"\n', "| a | b |\n| --- | --- |\n| 1,5 | 2 3 |"),
        ("a\tb\n1\t2,3\n", "| a | b |\n| --- | --- |\n| 1 | 2,3 |"),
        ("Title\n\na|b\n1|2\n", "Title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("one\ntwo\n", "one\n\ntwo"),
        ("sep=;\na,b;c\n1;2\n", "| a,b | c |\n| --- | --- |\n| 1 | 2 |"),
        ("", ""),
    ],
)
def test_text_is_split_at_its_delimiter(text: str, expected: str) -> None:
    assert parse("a.csv", text.encode(), "text/csv").text == expected


def test_rows_beyond_the_limit_are_left_out_with_a_warning() -> None:
    parsed = parse("a.csv", b"a,b\n" * (MAX_ROWS + 5), "")
    assert parsed.text.count("\n") == MAX_ROWS
    assert parsed.warnings == (f"only the first {MAX_ROWS:,} rows of a sheet are read",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((DOCUMENTS / "sheets.openpyxl.xlsx").read_bytes()[:3_000], "not a complete ZIP archive"),
        (make_zip({"a": "b"}), "it is damaged and can't be opened as a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "it is damaged"),
        (b"%PDF-1.7", "the file is a PDF document, not text"),
        (b"\x00\x01\x02", "looks like a binary file"),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.xlsx", content, "")


def xlsb(*records: tuple[int, bytes]) -> bytes:
    """Write a workbook of one sheet, with these records in its first row."""

    def stream(*all_records: tuple[int, bytes]) -> bytes:
        return b"".join(
            (bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])) + bytes([len(body)]) + body
            for kind, body in all_records
        )

    def text(value: str) -> bytes:
        return len(value).to_bytes(4, "little") + value.encode("utf-16-le")

    row = (0, bytes(25))
    sheet = stream((129, b""), (148, bytes(16)), (145, b""), row, *records, (146, b""), (130, b""))
    book = stream((131, b""), (143, b""), (156, bytes(8) + text("r1") + text("S")), (144, b""), (132, b""))
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="worksheets/sheet1.bin"/></Relationships>'
    )
    parts = {"xl/workbook.bin": book, "xl/worksheets/sheet1.bin": sheet}
    return make_zip({"xl/_rels/workbook.bin.rels": relations, **parts})


def test_lost_columns_of_xlsb_are_named_in_a_warning() -> None:
    def cell(value: str) -> bytes:
        return bytes(4) + len(value).to_bytes(4, "little") + value.encode("utf-16-le")

    whole = parse("a.xlsb", xlsb((6, bytes(4) + cell("Pump")), (6, b"\1" + bytes(3) + cell("Flow"))), "")
    assert whole.text == "# S\n\n| Pump | Flow |\n| --- | --- |"
    assert whole.warnings == ()
    short = parse("a.xlsb", xlsb((6, bytes(4) + cell("Pump")), (17, cell("Flow"))), "")
    assert short.text == "# S\n\nPump"
    assert [one.partition(":")[0] for one in short.warnings] == ["columns are missing"]
