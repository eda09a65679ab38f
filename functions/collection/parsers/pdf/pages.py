"""Read the pages of a PDF with PDFium: lines of text with their fonts and places, tables and images.

Places are in points from the top left corner of the page as it is shown. PDFium is called once for each line, not for
each character: a call costs a microsecond.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from functions.collection.parsers.pdf.right_to_left import order_letters
from functions.collection.parsers.pdf.tables import Box, Grid, find_grids, is_table

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

MAX_PATHS = 20_000
"""Drawings of a page that are read for the rulings of tables."""

_THIN = 3.5
"""A path of this width or height, in points, is a line of a table."""
_GAP = 1.5
"""Space between two parts of a line, in multiples of the font's size, at which they may belong to two columns."""

_BOLD = re.compile(r"bold|black|heavy|demi|cmbx|sfbx|sfsx|[,-]bd\b", re.IGNORECASE)
_MONOSPACED = re.compile(r"mono(?!type)|courier|consol|menlo|typewriter|cmtt|sftt|lmtt|\bcode", re.IGNORECASE)
_FIXED_PITCH = 1
"""Flag of a font's descriptor: PDF 32000-1, table 123."""

_LIGATURES = {0x1B: "ff", 0x1C: "fi", 0x1D: "fl", 0x1E: "ffi", 0x1F: "ffl"}
_LIGATURES |= {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
"""Ligatures of Unicode, and of LaTeX's bitmap fonts in T1 encoding."""
_TRANSLATED = {
    **_LIGATURES,
    0x02: "\ufffe",
    0xAD: "\ufffe",
    0x2010: "-",
    0x15: "\u2013",
    0x16: "\u2014",
    0x10: "\u201c",
    0x11: "\u201d",
}
_TRANSLATED |= {0xF0B7: "\u2022", 0xF0A7: "\u25aa", 0x88: "\u2022"}

_MARKERS = re.compile(r"(?:(?:[•‣▪◦●○■□]|\d{1,3}[.)])(?:\s|$))+")
_SPACES = " \t\xa0"
_SPACE_CODES = frozenset(map(ord, _SPACES))
"""White space of lines. `str.isspace` includes LaTeX's ligatures."""


class Line(msgspec.Struct, gc=False):
    """A line of text, or several that PDFium has joined at a hyphen (U+FFFE).

    `right`, `last_top` and `bottom` are those of the last of them. `parts` are the texts of a line that has a wide gap,
    with their left and right ends. `first` and `last` are the indexes of PDFium's characters.
    """

    text: str
    page: int
    size: float
    left: float
    top: float
    right: float
    last_top: float
    bottom: float
    is_bold: bool = False
    is_monospaced: bool = False
    first: int = 0
    last: int = 0
    has_gap: bool = False
    parts: tuple[tuple[float, float, str], ...] = ()


class Table(msgspec.Struct, gc=False):
    """A table with rulings, and the place of its first line among the page's lines."""

    rows: list[list[str]]
    at: int = -1


class Page(msgspec.Struct):
    """The lines of a page that are not in tables, in the order of its content, and its tables."""

    lines: list[Line]
    tables: list[Table]
    has_image: bool
    height: float = 0.0
    is_damaged: bool = False


def read_outline(document: "PdfDocument") -> list[tuple[int, str, int | None]]:
    """Return the entries of the outline: level from 0, title, and index of the page."""
    entries: list[tuple[int, str, int | None]] = []
    for bookmark in document.get_toc(max_depth=6):
        destination = bookmark.get_dest()
        entries.append((bookmark.level, bookmark.get_title(), destination.get_index() if destination else None))
        if len(entries) == 5_000:
            break
    return entries


def read_page(document: "PdfDocument", index: int) -> Page:
    """Read a page. A damaged one has no lines."""
    import pypdfium2

    try:
        page = document[index]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return Page([], [], has_image=False, is_damaged=True)
    place = _Placement(page)
    lines = _read_lines(text, index, place)
    rulings, has_image = _read_objects(page, place)
    kept, tables = _take_tables(text, place, lines, list(find_grids(rulings)))
    for line in kept:
        if line.has_gap:
            line.parts = _split_at_gaps(text, place, line)
    text.close()
    page.close()
    return Page(kept, tables, has_image, place.height)


def _take_tables(
    text: "PdfTextPage", place: "_Placement", lines: list[Line], grids: list[Grid]
) -> tuple[list[Line], list[Table]]:
    """Take the lines that are in tables out of the lines of a page."""
    within: dict[int, list[Line]] = {}
    for line in lines if grids else ():
        inside = next((index for index, grid in enumerate(grids) if _is_in(line, grid.box)), None)
        if inside is not None:
            within.setdefault(inside, []).append(line)
    table_of: dict[int, Table] = {}
    for index, inside_lines in within.items():
        table = _read_table(text, place, grids[index], inside_lines)
        if is_table(table.rows):
            table_of |= dict.fromkeys(map(id, inside_lines), table)
    kept: list[Line] = []
    tables: list[Table] = []
    for line in lines:
        if (found := table_of.get(id(line))) is None:
            kept.append(line)
        elif found.at < 0:
            found.at = len(kept)
            tables.append(found)
    return kept, tables


def _read_table(text: "PdfTextPage", place: "_Placement", grid: Grid, lines: list[Line]) -> Table:
    table = Table([[""] * (len(grid.lefts) - 1) for _ in grid.firsts])
    for line in lines:
        for x, y, word in _words(text, place, line):
            row, column = grid.find(x, y)
            table.rows[row][column] += word
    return table


def _words(text: "PdfTextPage", place: "_Placement", line: Line) -> Iterator[tuple[float, float, str]]:
    """Yield the words of a line with the places of their first characters, and the space after each."""
    import pypdfium2.raw as pdfium

    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    x = y = 0.0
    start = 0
    word = ""
    for char in range(line.first, line.last + 1):
        character = chr(pdfium.FPDFText_GetUnicode(text, char)).translate(_TRANSLATED)
        if character.isspace():
            if word:
                yield x, y, _ordered(text, place, word, start) + " "
            word = ""
            continue
        if not word:
            start = pdfium.FPDFText_GetTextIndexFromCharIndex(text, char)
            pdfium.FPDFText_GetCharBox(text, char, left, right, bottom, top)
            box = place.box(left.value, bottom.value, right.value, top.value)
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        word += character
    if word:
        yield x, y, _ordered(text, place, word, start) + "\n"


class _Placement:
    """Turns PDFium's coordinates into points from the top left corner of the page as it is shown."""

    def __init__(self, page: "PdfPage") -> None:
        self.turns = (page.get_rotation() // 90) % 4
        width, height = page.get_size()
        self.width, self.height = (height, width) if self.turns % 2 else (width, height)

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """Place a box."""
        match self.turns:
            case 1:
                return bottom, left, top, right
            case 2:
                return self.width - right, bottom, self.width - left, top
            case 3:
                return self.height - top, self.width - right, self.height - bottom, self.width - left
        return left, self.height - top, right, self.height - bottom


def _read_lines(text: "PdfTextPage", index: int, place: _Placement) -> list[Line]:
    import pypdfium2.raw as pdfium

    lines: list[Line] = []
    at = 0
    for raw in text.get_text_range().split("\r\n"):
        start, at = at, at + len(raw) + 2
        shown = _ordered(text, place, raw, start).translate(_TRANSLATED).strip()
        if not shown:
            continue
        start += len(raw) - len(raw.lstrip(_SPACES))
        first = pdfium.FPDFText_GetCharIndexFromTextIndex(text, start)
        last = pdfium.FPDFText_GetCharIndexFromTextIndex(text, start + max(len(raw.strip(_SPACES)), 1) - 1)
        if first < 0 or last < first:
            continue
        rects = _rects(text, first, last - first + 1, place)
        if not rects:
            continue
        middle = _character_near(text, (first + last) // 2, last)
        size = _font_size(text, middle)
        if _MARKERS.fullmatch(shown) and len(rects) == len(shown.split()):
            lines += _markers(shown.split(), index, size, rects)
            continue
        names = {_font_name(text, char) for char in (middle, last)}
        line = Line(
            shown,
            index,
            size,
            left=min(rect[0] for rect in rects),
            top=rects[0][1],
            right=rects[-1][2],
            last_top=rects[-1][1],
            bottom=max(rect[3] for rect in rects),
            is_bold=all(_BOLD.search(name) for name, _ in names),
            first=first,
            last=last,
            is_monospaced=all(flags & _FIXED_PITCH or _MONOSPACED.search(name) for name, flags in names),
        )
        line.has_gap = "\ufffe" not in shown and any(
            after[0] - before[2] > _GAP * size for before, after in pairwise(rects) if after[1] < before[3]
        )
        lines.append(line)
    return lines


def _ordered(text: "PdfTextPage", place: _Placement, part: str, start: int) -> str:
    """Put the letters of a part of a line, which begins at an index of the page's text, in the order of reading."""
    import pypdfium2.raw as pdfium

    left, right, bottom, top = (ctypes.c_double() for _ in range(4))

    def left_of(at: int) -> float:
        char = pdfium.FPDFText_GetCharIndexFromTextIndex(text, start + at)
        pdfium.FPDFText_GetCharBox(text, char, left, right, bottom, top)
        return place.box(left.value, bottom.value, right.value, top.value)[0]

    return order_letters(part, left_of)


def _character_near(text: "PdfTextPage", char: int, last: int) -> int:
    """Return the first character from one on that is no space: PDFium adds spaces, which have no font."""
    import pypdfium2.raw as pdfium

    while char < last and pdfium.FPDFText_GetUnicode(text, char) in _SPACE_CODES:
        char += 1
    return char


def _markers(tokens: Sequence[str], index: int, size: float, rects: Sequence[Box]) -> Iterator[Line]:
    """Yield a line for each marker of a list: some programs draw them after all text."""
    for token, (left, top, right, bottom) in zip(tokens, rects, strict=True):
        yield Line(token, index, size, left, top, right, top, bottom)


def _rects(text: "PdfTextPage", first: int, count: int, place: _Placement) -> list[Box]:
    """Return the boxes of the parts of a line, at most the first 100; parts of one line have its top."""
    import pypdfium2.raw as pdfium

    rects: list[Box] = []
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    for index in range(min(pdfium.FPDFText_CountRects(text, first, count), 100)):
        pdfium.FPDFText_GetRect(text, index, left, top, right, bottom)
        box = place.box(left.value, bottom.value, right.value, top.value)
        if rects and box[1] < rects[-1][3] and rects[-1][1] < box[3]:
            box = box[0], min(box[1], rects[-1][1]), box[2], max(box[3], rects[-1][3])
        rects.append(box)
    return rects


def _font_size(text: "PdfTextPage", char: int) -> float:
    """Return the size in points: the font's, scaled by the text's matrix."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(text, char, matrix):
        scale = (matrix.b * matrix.b + matrix.d * matrix.d) ** 0.5 or 1.0
    return round(float(pdfium.FPDFText_GetFontSize(text, char)) * scale, 1) or 1.0


def _font_name(text: "PdfTextPage", char: int) -> tuple[str, int]:
    import pypdfium2.raw as pdfium

    flags = ctypes.c_int()
    buffer = ctypes.create_string_buffer(100)
    pdfium.FPDFText_GetFontInfo(text, char, buffer, len(buffer), flags)
    return buffer.value.decode("utf-8", "replace"), flags.value


def _split_at_gaps(text: "PdfTextPage", place: _Placement, line: Line) -> tuple[tuple[float, float, str], ...]:
    """Split a line where a wide gap is between two characters."""
    import pypdfium2.raw as pdfium

    parts: list[tuple[float, float, str]] = []
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    for char in range(line.first, min(line.last, line.first + 2_000) + 1):
        character = chr(pdfium.FPDFText_GetUnicode(text, char)).translate(_TRANSLATED)
        pdfium.FPDFText_GetCharBox(text, char, left, right, bottom, top)
        begin, _, end, _ = place.box(left.value, bottom.value, right.value, top.value)
        if parts and (character.isspace() or begin - parts[-1][1] <= _GAP * line.size):
            before = parts[-1]
            parts[-1] = before[0], before[1] if character.isspace() else end, before[2] + character
        elif not character.isspace():
            parts.append((begin, end, character))
    return tuple((begin, end, part.strip()) for begin, end, part in parts)


def _read_objects(page: "PdfPage", place: _Placement) -> tuple[list[Box], bool]:
    """Return the places of thin lines and of the sides of rectangles, and whether the page has an image."""
    import pypdfium2.raw as pdfium

    rulings: list[Box] = []
    has_image = False
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for index in range(min(pdfium.FPDFPage_CountObjects(page), MAX_PATHS)):
        item = pdfium.FPDFPage_GetObject(page, index)
        kind = pdfium.FPDFPageObj_GetType(item)
        has_image = has_image or kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM)
        if kind != pdfium.FPDF_PAGEOBJ_PATH or not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            continue
        segments = pdfium.FPDFPath_CountSegments(item)
        if segments > 5:
            rulings += _rulings_of_path(item, segments, place)
            continue
        box = place.box(left.value, bottom.value, right.value, top.value)
        if min(box[2] - box[0], box[3] - box[1]) <= _THIN:
            rulings.append(box)
        elif segments >= 4 and _is_stroked(item):
            rulings += _sides(box)
    return rulings, has_image


def _is_stroked(item: object) -> bool:
    import pypdfium2.raw as pdfium

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(pdfium.FPDFPath_GetDrawMode(item, fill, stroke) and stroke.value)


def _rulings_of_path(item: object, segments: int, place: _Placement) -> list[Box]:
    """Return the straight lines of a path of many segments: the whole grid of a table may be one."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    if segments > MAX_PATHS or not pdfium.FPDFPageObj_GetMatrix(item, matrix):
        return []
    rulings: list[Box] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    before: tuple[float, float] | None = None
    for index in range(segments):
        segment = pdfium.FPDFPath_GetPathSegment(item, index)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        here = matrix.a * x.value + matrix.c * y.value + matrix.e, matrix.b * x.value + matrix.d * y.value + matrix.f
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if before and kind == pdfium.FPDF_SEGMENT_LINETO:
            (left, right), (bottom, top) = sorted((before[0], here[0])), sorted((before[1], here[1]))
            if min(right - left, top - bottom) <= _THIN:
                rulings.append(place.box(left, bottom, right, top))
        before = here
    return rulings


def _sides(box: Box) -> list[Box]:
    left, top, right, bottom = box
    across = [(left, y, right, y) for y in (top, bottom)]
    return [*across, *((x, top, x, bottom) for x in (left, right))]


def _is_in(line: Line, box: Box) -> bool:
    middle = (line.top + line.bottom) / 2
    return box[1] <= middle <= box[3] and box[0] - 2 <= line.left and line.left < box[2]
