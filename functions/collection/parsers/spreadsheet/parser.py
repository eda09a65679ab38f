"""The parser of spreadsheets: a section for each sheet, with its tables. The first row of a table is its header."""

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import MarkdownWriter
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

READS = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
    "application/vnd.ms-excel",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.oasis.opendocument.spreadsheet",
    "text/csv",
    "text/tab-separated-values",
    *(".xlsx", ".xlsm", ".xltx", ".xls", ".xlsb", ".ods", ".csv", ".tsv", ".tab"),
)
VERSION = 2

MAX_ROWS = 50_000
MAX_COLUMNS = 500

_DELIMITERS = ",;\t|"
_STATED_DELIMITER = re.compile(r"sep=([,;\t|])\n")
"""A first line for Excel."""
_DAMAGED = "it is damaged and can't be opened as a spreadsheet"
_INDENTATION = re.compile(rb"(?<=>)\s+(?=</?table:)")
_SHORT_CELLS = range(13, 19)
"""Records of XLSB for a cell beside the last one (MS-XLSB 2.4, BrtShort…). calamine leaves them out."""
_CHECKED_BYTES = 100_000
"""Of each sheet. A program that writes such records begins with them."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

Row = list[str]


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a spreadsheet. Raises PermanentError if it is damaged, encrypted or binary."""
    writer = MarkdownWriter()
    if content.startswith((b"PK", _OLE)):
        _write_workbook(content, writer)
        return writer.finish()
    text, warnings = decode_text(content)
    stated = _STATED_DELIMITER.match(text)
    text = text[stated.end() :] if stated else text
    is_tabbed = name.lower().endswith((".tsv", ".tab")) or "tab-separated" in media_type
    writer.warnings += warnings
    csv.field_size_limit(10_000_000)
    delimiter = stated[1] if stated else "\t" if is_tabbed else _find_delimiter(text)
    try:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter)
        _write_tables(([cell.strip() for cell in row] for row in rows), writer)
    except csv.Error as error:
        raise PermanentError(f"it can't be read as a table: {error}") from error
    return writer.finish()


def _write_workbook(content: bytes, writer: MarkdownWriter) -> None:
    from python_calamine import CalamineError

    if content.startswith(b"PK"):
        archive = ZipReader(content)
        content = _without_indentation(archive, content)
        if _has_short_cells(archive):
            writer.warnings.append(
                "columns are missing: cells in the short form of XLSB are not read. Save the file as .xlsx"
            )
    elif "EncryptedPackage".encode("utf-16-le") in content:
        raise PermanentError("it is encrypted with a password")
    try:
        hidden = _write_sheets(content, writer)
    except CalamineError as error:
        if "password" in str(error).lower():
            raise PermanentError("it is encrypted with a password") from error
        raise PermanentError(_DAMAGED) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException" or "pointer is null" in str(error):  # that is a lack of memory
            raise
        raise PermanentError(_DAMAGED) from error
    if hidden:
        writer.warnings.append(f"hidden sheets are not read: {hidden:,}")


def _without_indentation(archive: ZipReader, content: bytes) -> bytes:
    """Return an ODS file without spaces between cells: Gnumeric writes them, and calamine refuses them."""
    text = archive.read("content.xml")
    tidy = _INDENTATION.sub(b"", text)
    if len(tidy) == len(text):
        return content
    with io.BytesIO() as copy:
        with zipfile.ZipFile(copy, "w") as written:
            for name in ("mimetype", "META-INF/manifest.xml", "styles.xml"):
                written.writestr(name, archive.read(name))
            written.writestr("content.xml", tidy)
        return copy.getvalue()


def _has_short_cells(archive: ZipReader) -> bool:
    """Return True if an XLSB file has cells that calamine leaves out: SheetJS writes all but the first column so."""
    sheets = (name for name in archive.names() if name.startswith("xl/worksheets/") and name.endswith(".bin"))
    return any(kind in _SHORT_CELLS for name in sheets for kind in _records(archive.read_head(name, _CHECKED_BYTES)))


def _records(content: bytes) -> Iterator[int]:
    """Yield the types of the records of an XLSB file. Each has its type, its size and its content."""
    at = 0
    while at < len(content):
        kind, at = _read_number(content, at, 2)
        size, at = _read_number(content, at, 4)
        yield kind
        at += size


def _read_number(content: bytes, at: int, most_bytes: int) -> tuple[int, int]:
    """Read a number with 7 bits in each byte, the lowest first. Return it with the place after it."""
    value = 0
    for position, byte in enumerate(content[at : at + most_bytes]):
        value |= (byte & 0x7F) << 7 * position
        at += 1
        if byte < 0x80:
            break
    return value, at


def _write_sheets(content: bytes, writer: MarkdownWriter) -> int:
    """Write the sheets that are shown. Returns the number of the others."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    hidden = 0
    for sheet in workbook.sheets_metadata:
        if sheet.visible != SheetVisibleEnum.Visible:
            hidden += 1
        elif sheet.typ == SheetTypeEnum.WorkSheet:
            writer.heading(1, sheet.name)
            rows = workbook.get_sheet_by_name(sheet.name).iter_rows()
            _write_tables(([_cell(value) for value in row] for row in rows), writer)
    return hidden


def _write_tables(rows: Iterable[Row], writer: MarkdownWriter) -> None:
    """Write rows as tables. Empty rows end a table; a row of one cell above it is a paragraph."""
    table: list[Row] = []
    read = 0
    for row in islice(rows, MAX_ROWS):
        read += 1
        if len(row) > MAX_COLUMNS:
            writer.warnings.append(f"only the first {MAX_COLUMNS} columns are read")
        if any(row[:MAX_COLUMNS]):
            table.append(row[:MAX_COLUMNS])
        else:
            _write_table(table, writer)
            table = []
    if read == MAX_ROWS:
        writer.warnings.append(f"only the first {MAX_ROWS:,} rows of a sheet are read")
    _write_table(table, writer)


def _write_table(rows: list[Row], writer: MarkdownWriter) -> None:
    if not rows:
        return
    while len(rows) > 1 and sum(map(bool, rows[0])) == 1 < max(sum(map(bool, row)) for row in rows[1:3]):
        writer.paragraph(next(filter(None, rows.pop(0))))
    filled = [index for row in rows for index, cell in enumerate(row) if cell]
    first = min(filled)
    if max(filled) == first:
        for row in rows:
            writer.paragraph(row[first])
    else:
        writer.table(row[first:] for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _find_delimiter(text: str) -> str:
    """Return the delimiter that the most of the first lines have equally often."""
    lines = [line for line in text[:20_000].split("\n")[:30] if line.strip()]

    def regularity(delimiter: str) -> tuple[int, int]:
        counts = [len(row) for row in _rows(lines, delimiter)]
        most = max(set(counts), key=counts.count, default=1)
        return (counts.count(most), most) if most > 1 else (0, 0)

    return max(_DELIMITERS, key=regularity)


def _rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return
