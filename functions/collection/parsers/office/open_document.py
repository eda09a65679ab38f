"""ODT and ODP: headings, lists, tables, notes and slides (OpenDocument 1.3, part 3)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from functions.collection.parsers.office.ooxml import local_name, read_properties
from functions.collection.parsers.writer import Inline, InlineLink, MarkdownWriter, plain_text
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_HREF = "{http://www.w3.org/1999/xlink}href"

_SKIPPED = frozenset({"tracked-changes", "table-of-content", "alphabetical-index", "illustration-index", "table-index"})
_SKIPPED |= {"sequence-decls", "forms", "annotation", "bibliography", "settings", "desc", "title", "page-number"}
_CODE = re.compile(r".*(?:Preformatted|Code|Listing|Source).*", re.IGNORECASE)
_HEADING = re.compile(r"Heading(?:_20_| )([1-9])")
_QUOTE = re.compile(r".*Quot.*", re.IGNORECASE)
_MAX_DEPTH = 50
_MAX_REPEATED = 100


def write_open_document(archive: ZipReader, writer: MarkdownWriter) -> Parsed:
    """Write a text document or presentation."""
    manifest = archive.read("META-INF/manifest.xml")
    if b"encryption-data" in manifest:
        raise PermanentError("it is encrypted with a password")
    root = archive.xml("content.xml")
    if root is None:
        raise PermanentError("it is damaged: it has no content")
    styles = _read_styles(root) | _read_styles(archive.xml("styles.xml"))
    _Document(writer, styles).write(root)
    title, front_matter = read_properties(archive.xml("meta.xml"))
    return writer.finish(title, front_matter)


class _Document:
    def __init__(self, writer: MarkdownWriter, styles: dict[str, tuple[str, str]]) -> None:
        self._writer = writer
        self._styles = styles
        self._notes: list[str] = []
        self._code: list[str] = []
        self._slides = 0
        self._has_title = False

    def write(self, root: "_Element") -> None:
        """Write the body, then the notes that it refers to."""
        for body in root.iter("{*}body"):
            self._write_blocks(body, 0)
        self._end_code()
        for number, note in enumerate(self._notes, start=1):
            self._writer.item(note, number=number)

    def _write_blocks(self, parent: "_Element", depth: int) -> None:
        for child in parent:
            name = local_name(child)
            if name in _SKIPPED or not name or depth > _MAX_DEPTH:
                continue
            if name == "p":
                self._write_paragraph(child)
                continue
            self._end_code()
            if name == "h":
                level = child.get(f"{_TEXT}outline-level", "1")
                level_number = int(level) if level.isdecimal() and len(level) < 3 else 1
                self._writer.heading(level_number + self._has_title, list(self._inlines(child)))
            elif name == "list":
                self._write_list(child, 0)
            elif name == "table":
                self._write_table(child, depth)
            elif name == "page":
                self._write_slide(child, depth)
            elif name == "notes" and child.tag.startswith(_PRESENTATION):
                self._write_notes(child)
            else:
                self._write_blocks(child, depth + 1)

    def _write_paragraph(self, paragraph: "_Element") -> None:
        names = list(self._style_names(paragraph.get(f"{_TEXT}style-name", "")))
        text = list(self._inlines(paragraph))
        if any(map(_CODE.fullmatch, names)):
            self._code.append(plain_text(text))
            return
        self._end_code()
        if "Title" in names:
            self._has_title = True
            self._writer.heading(1, text)
        elif heading := next(filter(None, map(_HEADING.fullmatch, names)), None):
            self._writer.heading(int(heading[1]) + self._has_title, text)
        elif any(map(_QUOTE.fullmatch, names)):
            self._writer.quote(text)
        else:
            self._writer.paragraph(text)
        for box in paragraph.iter("{*}text-box"):
            self._write_blocks(box, _MAX_DEPTH - 5)

    def _end_code(self) -> None:
        if self._code:
            self._writer.code("\n".join(self._code))
            self._code.clear()

    def _style_names(self, name: str) -> Iterator[str]:
        for _ in range(20):
            if not name:
                return
            yield name
            shown, name = self._styles.get(name, ("", ""))
            yield shown

    def _write_list(self, element: "_Element", depth: int, style: str = "") -> None:
        style = element.get(f"{_TEXT}style-name", "") or style
        is_numbered = (f"{style}/{depth + 1}") in self._styles
        number = 0
        for item in element:
            if local_name(item) not in ("list-item", "list-header"):
                continue
            number += 1
            inlines: list[Inline] = []
            nested: list[_Element] = []
            headings = [child for child in item if local_name(child) == "h"]
            for child in item:
                if local_name(child) == "p":
                    inlines += [*self._inlines(child), "\n"]
                elif local_name(child) == "list":
                    nested.append(child)
            if headings:
                self._write_blocks(item, depth + 1)
                continue
            self._writer.item(inlines, depth=depth, number=number if is_numbered else None)
            for child in nested:
                if depth < _MAX_DEPTH:
                    self._write_list(child, depth + 1, style)

    def _write_table(self, table: "_Element", depth: int) -> None:
        rows = [row for row in table.iter(f"{_TABLE}table-row") if next(row.iterancestors(f"{_TABLE}table")) is table]
        grid = [list(self._cells(row)) for row in rows]
        if max(map(len, grid), default=0) <= 1:
            for cell in table.iter(f"{_TABLE}table-cell"):
                self._write_blocks(cell, depth + 1)
            return
        self._writer.table(grid)

    def _cells(self, row: "_Element") -> Iterator[list[Inline]]:
        for cell in row:
            name = local_name(cell)
            if name not in ("table-cell", "covered-table-cell"):
                continue
            inlines: list[Inline] = []
            for paragraph in cell.iter(f"{_TEXT}p", f"{_TEXT}h"):
                inlines += [*self._inlines(paragraph), "\n"]
            repeated = cell.get(f"{_TABLE}number-columns-repeated", "1")
            count = min(int(repeated) if repeated.isdecimal() and len(repeated) < 6 else 1, _MAX_REPEATED)
            yield from [inlines] * count

    def _write_slide(self, page: "_Element", depth: int) -> None:
        self._slides += 1
        self._writer.page()
        frames = list(page.iter(f"{_DRAW}frame"))
        titles = [frame for frame in frames if frame.get(f"{_PRESENTATION}class") == "title"]
        words = " ".join("".join(text.itertext()) for frame in titles for text in frame.iter(f"{_TEXT}p")).strip()
        self._writer.heading(2 if self._slides > 1 else 1, words or f"Slide {self._slides}")
        for child in page:
            if child not in titles:
                if local_name(child) == "notes":
                    self._write_notes(child)
                else:
                    self._write_blocks(child, depth + 1)

    def _write_notes(self, notes: "_Element") -> None:
        for paragraph in notes.iter(f"{_TEXT}p"):
            self._writer.quote(list(self._inlines(paragraph)))

    def _inlines(self, element: "_Element", depth: int = 0) -> Iterator[Inline]:
        yield _spaces(element.text)
        for child in element:
            name = local_name(child)
            if name == "s":
                count = child.get(f"{_TEXT}c", "1")
                yield " " * (min(int(count), 200) if count.isdecimal() and len(count) < 4 else 1)
            elif name == "tab":
                yield " "
            elif name == "line-break":
                yield "\n"
            elif name == "note":
                yield self._note(child)
            elif name == "a" and (target := child.get(_HREF, "")):
                label = plain_text(list(self._inlines(child, depth + 1)))
                yield label if target.startswith("#") else InlineLink(label, target)
            elif name and name not in _SKIPPED and name != "text-box" and depth < _MAX_DEPTH:
                yield from self._inlines(child, depth + 1)
            yield _spaces(child.tail)

    def _note(self, note: "_Element") -> str:
        body = next(note.iter(f"{_TEXT}note-body"), None)
        text = "" if body is None else " ".join("".join(body.itertext()).split())
        if not text:
            return ""
        self._notes.append(text)
        return f" [{len(self._notes)}]"


def _read_styles(root: "_Element | None") -> dict[str, tuple[str, str]]:
    """Return the shown name and the parent of each style, and for numbered levels of lists `name/level`."""
    styles: dict[str, tuple[str, str]] = {}
    for style in root.iter(f"{_STYLE}style") if root is not None else ():
        name = style.get(f"{_STYLE}name", "")
        styles[name] = style.get(f"{_STYLE}display-name", ""), style.get(f"{_STYLE}parent-style-name", "")
    for level in root.iter(f"{_TEXT}list-level-style-number") if root is not None else ():
        list_style = level.getparent()
        if level.get(f"{_STYLE}num-format") and list_style is not None:
            styles[f"{list_style.get(f'{_STYLE}name', '')}/{level.get(f'{_TEXT}level', '')}"] = "", ""
    return styles


def _spaces(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
