"""DOCX: headings by style, lists by numbering, tables, links, footnotes (ECMA-376, part 1, section 17)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from functions.collection.parsers.office.ooxml import (
    MONOSPACED,
    RELATIONSHIP,
    Relationship,
    local_name,
    properties,
    relationships,
)
from functions.collection.parsers.writer import Inline, InlineLink, MarkdownWriter, plain_text
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_CONTENTS = re.compile(r"toc (?:heading|\d)|table of (?:figures|authorities)|index \d", re.IGNORECASE)
_CODE = re.compile(r".*\b(?:preformatted|code|listing|source)\b.*", re.IGNORECASE)
_QUOTE = re.compile(r".*\bquot(?:e|ation)s?\b.*", re.IGNORECASE)
_SKIPPED = frozenset(
    {"del", "moveFrom", "Fallback", "pPr", "rPr", "sectPr", "tblPr", "instrText", "delText", "commentRangeStart"}
)
_MAX_DEPTH = 50


class _Style(NamedTuple):
    name: str
    based_on: str
    outline_level: int | None
    numbering: tuple[str, int] | None
    font: str


class _List(NamedTuple):
    number_id: str
    level: int


def write_document(archive: ZipReader, writer: MarkdownWriter) -> Parsed:
    """Write a document."""
    part = next(
        (one.target for one in relationships(archive, "").values() if one.kind == "officeDocument"), "word/document.xml"
    )
    root = archive.xml(part)
    body = None if root is None else next((child for child in root if local_name(child) == "body"), None)
    if body is None:
        raise PermanentError("it is damaged: it has no document")
    _Document(archive, part, writer).write(body)
    title, front_matter = properties(archive)
    return writer.finish(title, front_matter)


class _Document:
    def __init__(self, archive: ZipReader, part: str, writer: MarkdownWriter) -> None:
        folder = part.rpartition("/")[0]
        self._writer = writer
        self._links = relationships(archive, part)
        self._styles = _read_styles(archive.xml(f"{folder}/styles.xml"))
        self._numbers = _Numbering(archive.xml(f"{folder}/numbering.xml"))
        self._notes = _read_notes(archive, folder)
        self._used_notes: list[tuple[int, str]] = []
        self._code: list[str] = []
        self._has_title = False
        self._is_typed = False
        self._fonts: dict[str, str] = {}

    def write(self, body: "_Element") -> None:
        """Write the blocks, then the footnotes that they refer to."""
        self._is_typed = self._is_monospaced(list(body.iter("{*}p")), share=0.8)
        self._write_blocks(body, 0)
        self._end_code()
        for number, text in self._used_notes:
            self._writer.item(text, number=number)

    def _write_blocks(self, parent: "_Element", depth: int) -> None:
        for child in parent:
            name = local_name(child)
            if name == "p":
                self._write_paragraph(child)
            elif name == "tbl":
                self._end_code()
                self._write_table(child, depth)
            elif name not in _SKIPPED and depth < _MAX_DEPTH:  # a content control, an insertion
                self._write_blocks(child, depth + 1)

    def _write_paragraph(self, paragraph: "_Element") -> None:
        style_id = _value(paragraph, "pPr", "pStyle")
        names = [style.name for style in self._style_chain(style_id)]
        if any(_CONTENTS.fullmatch(name) for name in names):
            return
        text = list(self._inlines(paragraph))
        level = self._heading_level(paragraph, style_id)
        item = self._list_of(paragraph, style_id)
        is_code = any(_CODE.fullmatch(name) for name in names) or (
            not item and not self._is_typed and self._is_monospaced([paragraph])
        )
        if level is None and is_code:
            self._code.append(plain_text(text))
            return
        self._end_code()
        if level is not None:
            self._writer.heading(level, text)
        elif item:
            if plain_text(text).strip():
                self._writer.item(text, depth=item.level, number=self._numbers.next(item))
        elif any(_QUOTE.fullmatch(name) for name in names):
            self._writer.quote(text)
        else:
            self._writer.paragraph(text)
        for box in _text_boxes(paragraph):
            self._write_blocks(box, _MAX_DEPTH - 5)

    def _end_code(self) -> None:
        if self._code:
            self._writer.code("\n".join(self._code))
            self._code.clear()

    def _style_chain(self, style_id: str) -> Iterator[_Style]:
        for _ in range(20):
            style = self._styles.get(style_id)
            if style is None:
                return
            yield style
            style_id = style.based_on

    def _heading_level(self, paragraph: "_Element", style_id: str) -> int | None:
        outline = _value(paragraph, "pPr", "outlineLvl")
        if outline.isdecimal() and len(outline) == 1 and int(outline) < 9:
            return int(outline) + 1 + self._has_title
        for style in self._style_chain(style_id):
            if style.name.lower() == "title":
                self._has_title = True
                return 1
            if named := _HEADING.fullmatch(style.name):
                return int(named[1]) + self._has_title
            if style.outline_level is not None and style.outline_level < 9:
                return style.outline_level + 1 + self._has_title
        return None

    def _is_monospaced(self, paragraphs: "list[_Element]", share: float = 1.0) -> bool:
        """Return True if a share of the text of paragraphs is monospaced."""
        typed = total = 0
        for paragraph in paragraphs:
            inherited = self._font_of_style(_value(paragraph, "pPr", "pStyle"))
            for run in paragraph.iter("{*}r"):
                length = sum(len(one.text or "") for one in _children(run, "t"))
                total += length
                font = (_font(run) or self._font_of_style(_value(run, "rPr", "rStyle")) or inherited) if length else ""
                typed += length if MONOSPACED.fullmatch(font) else 0
        return 0 < typed >= share * total

    def _font_of_style(self, style_id: str) -> str:
        if style_id not in self._fonts:
            self._fonts[style_id] = next((style.font for style in self._style_chain(style_id) if style.font), "")
        return self._fonts[style_id]

    def _list_of(self, paragraph: "_Element", style_id: str) -> _List | None:
        number_id = _value(paragraph, "pPr", "numPr", "numId")
        level = _value(paragraph, "pPr", "numPr", "ilvl")
        if number_id:
            return None if number_id == "0" else _List(number_id, _integer(level))
        for style in self._style_chain(style_id):
            if style.numbering:
                return _List(*style.numbering)
        return None

    def _inlines(self, element: "_Element", depth: int = 0) -> Iterator[Inline]:
        for child in element:
            name = local_name(child)
            if name in _SKIPPED or depth > _MAX_DEPTH or name == "txbxContent":
                continue
            if name == "t":
                yield child.text or ""
            elif name in ("br", "cr"):
                yield "\n"
            elif name in ("tab", "ptab"):
                yield " "
            elif name == "noBreakHyphen":
                yield "-"
            elif name in ("footnoteReference", "endnoteReference"):
                yield self._note(name.removesuffix("Reference"), child.get(f"{child.tag.partition('}')[0]}}}id", ""))
            elif name == "hyperlink":
                yield from self._link(child, depth)
            elif name == "r" and _is_hidden(child):
                continue
            else:
                yield from self._inlines(child, depth + 1)

    def _link(self, element: "_Element", depth: int) -> Iterator[Inline]:
        relationship = self._links.get(element.get(f"{RELATIONSHIP}id", ""), Relationship("", "", False))
        text = list(self._inlines(element, depth + 1))
        if relationship.is_external and all(isinstance(one, str) for one in text):
            yield InlineLink(plain_text(text), relationship.target)
        else:
            yield from text

    def _note(self, kind: str, note_id: str) -> str:
        text = self._notes.get((kind, note_id), "")
        if not text:
            return ""
        number = len(self._used_notes) + 1
        self._used_notes.append((number, text))
        return f" [{number}]"

    def _write_table(self, table: "_Element", depth: int) -> None:
        """Write a table, and those that follow without a paragraph between them, which Word shows as one."""
        cells = _cells(table)
        before, after = table.getprevious(), table.getnext()
        if before is not None and _continues(_cells(before), cells):
            return
        while after is not None and _continues(cells, more := _cells(after)):
            cells += more
            after = after.getnext()
        if max(map(len, cells), default=0) <= 1 or depth > 10:
            for row in cells:  # a frame around text
                for cell in row:
                    self._write_blocks(cell, depth + 1)
            return
        self._writer.table([self._row(row) for row in cells])

    def _row(self, cells: "list[_Element]") -> list[list[Inline]]:
        row: list[list[Inline]] = []
        for cell in cells:
            properties = next(_children(cell, "tcPr"), None)
            merge = None if properties is None else next(_children(properties, "vMerge"), None)
            is_continued = merge is not None and _attribute(merge, "val") != "restart"
            inlines: list[Inline] = []
            for paragraph in () if is_continued else cell.iter("{*}p"):
                inlines += [*self._inlines(paragraph), "\n"]
            row += [inlines, *[[]] * min(_integer(_value(cell, "tcPr", "gridSpan"), 1) - 1, 100)]
        return row


class _Numbering:
    """The formats of lists, and the numbers of their items."""

    def __init__(self, root: "_Element | None") -> None:
        self._formats: dict[tuple[str, int], tuple[str, int]] = {}
        self._abstract: dict[str, str] = {}
        self._counts: dict[tuple[str, int], int] = {}
        for one in root if root is not None else ():
            if local_name(one) == "abstractNum":
                for level in _children(one, "lvl"):
                    start = _integer(_value(level, "start"), 1)
                    place = _attribute(one, "abstractNumId"), _integer(_attribute(level, "ilvl"))
                    self._formats[place] = _value(level, "numFmt"), start
            elif local_name(one) == "num":
                self._abstract[_attribute(one, "numId")] = _value(one, "abstractNumId")

    def next(self, item: _List) -> int | None:
        """Return the number of an item, None if its list has bullets."""
        kind, start = self._formats.get((self._abstract.get(item.number_id, ""), item.level), ("bullet", 1))
        if kind in ("bullet", "none", ""):
            return None
        place = item.number_id, item.level
        for other in [one for one in self._counts if one[0] == item.number_id and one[1] > item.level]:
            del self._counts[other]
        self._counts[place] = self._counts.get(place, start - 1) + 1
        return self._counts[place]


def _read_styles(root: "_Element | None") -> dict[str, _Style]:
    styles: dict[str, _Style] = {}
    for one in _children(root, "style") if root is not None else ():
        level, number = _value(one, "pPr", "outlineLvl"), _value(one, "pPr", "numPr", "numId")
        styles[_attribute(one, "styleId")] = _Style(
            _value(one, "name"),
            _value(one, "basedOn"),
            int(level) if level.isdecimal() and len(level) == 1 else None,
            (number, _integer(_value(one, "pPr", "numPr", "ilvl"))) if number and number != "0" else None,
            _font(one),
        )
    return styles


def _cells(table: "_Element") -> "list[list[_Element]]":
    """Return the cells of a table's rows, [] for another element."""
    rows = _children(table, "tr") if local_name(table) == "tbl" else ()
    return [list(_children(row, "tc")) for row in rows]


def _continues(before: "list[list[_Element]]", after: "list[list[_Element]]") -> bool:
    return bool(before and after) and len(before[-1]) == len(after[0]) > 1


def _read_notes(archive: ZipReader, folder: str) -> dict[tuple[str, str], str]:
    notes: dict[tuple[str, str], str] = {}
    for kind in ("footnote", "endnote"):
        root = archive.xml(f"{folder}/{kind}s.xml")
        for note in root if root is not None else ():
            text = " ".join("".join(one.text or "" for one in p.iter("{*}t")) for p in note.iter("{*}p")).strip()
            if _attribute(note, "type") in ("", "normal"):
                notes[kind, _attribute(note, "id")] = text
    return notes


def _text_boxes(paragraph: "_Element") -> Iterator["_Element"]:
    for box in paragraph.iter("{*}txbxContent"):
        ancestors = [local_name(one) for one in box.iterancestors()]
        if "Fallback" not in ancestors and "txbxContent" not in ancestors:
            yield box


def _font(element: "_Element") -> str:
    """Return the font that a run or style states, "" for none."""
    properties = next(_children(element, "rPr"), None)
    fonts = None if properties is None else next(_children(properties, "rFonts"), None)
    return "" if fonts is None else _attribute(fonts, "ascii")


def _is_hidden(run: "_Element") -> bool:
    properties = next(_children(run, "rPr"), None)
    hidden = None if properties is None else next(_children(properties, "vanish"), None)
    return hidden is not None and _attribute(hidden, "val") not in ("0", "false", "off")


def _children(element: "_Element", name: str) -> Iterator["_Element"]:
    return (child for child in element if local_name(child) == name)


def _attribute(element: "_Element", name: str) -> str:
    """Return an attribute in the element's own namespace."""
    return str(element.get(f"{element.tag.partition('}')[0]}}}{name}", ""))


def _value(element: "_Element", *path: str) -> str:
    """Return the attribute `val` of the element at a path below, "" if there is none."""
    for name in path:
        child = next(_children(element, name), None)
        if child is None:
            return ""
        element = child
    return _attribute(element, "val")


def _integer(text: str, default: int = 0) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default
