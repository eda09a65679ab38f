"""PPTX: a section for each slide, with its text, tables, charts and notes (ECMA-376, part 1, sections 19 and 21)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from functions.collection.parsers.office.ooxml import RELATIONSHIP, Relationship, local_name, properties, relationships
from functions.collection.parsers.writer import Inline, InlineLink, MarkdownWriter, plain_text
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

_TITLES = frozenset({"title", "ctrTitle"})
_IGNORED = frozenset({"dt", "ftr", "sldNum", "hdr"})
"""Placeholders of dates, footers and numbers."""
_MARKS = frozenset({"buChar", "buAutoNum", "buBlip"})
_UNSTATED = re.compile(
    r"pptxgenjs presentation|(?:.* )?powerpoint[ -]pr[äa]sentation|(?:.* )?powerpoint|powerpoint .*", re.IGNORECASE
)
"""Titles that programs write without being asked."""
_MAX_DEPTH = 20
_MAX_POINTS = 500
"""Rows of a chart."""


def write_slides(archive: ZipReader, writer: MarkdownWriter) -> Parsed:
    """Write a presentation. Hidden slides are left out, with a warning."""
    root = archive.xml("ppt/presentation.xml")
    targets = relationships(archive, "ppt/presentation.xml")
    ids = [] if root is None else [one.get(f"{RELATIONSHIP}id", "") for one in root.iter("{*}sldId")]
    parts = [targets[one].target for one in ids if one in targets]
    if not parts:
        raise PermanentError("it has no slides")
    hidden = 0
    title = None
    for number, part in enumerate(parts, start=1):
        slide = archive.xml(part)
        writer.page()
        if slide is None:
            continue
        if slide.get("show") == "0":
            hidden += 1
            continue
        name = _Slide(archive, part, writer).write(slide, number)
        title = title or (name if number == 1 else None)
    if hidden:
        writer.warnings.append(f"hidden slides are not read: {hidden:,}")
    stated, front_matter = properties(archive)
    is_stated = stated and not _UNSTATED.fullmatch(stated)
    return writer.finish(stated if is_stated else title, front_matter)


class _Slide:
    def __init__(self, archive: ZipReader, part: str, writer: MarkdownWriter) -> None:
        self._archive = archive
        self._writer = writer
        self._related = relationships(archive, part)

    def write(self, slide: "_Element", number: int) -> str:
        """Write a slide and its notes. Returns its title."""
        shapes = [shape for tree in slide.iter("{*}spTree") for shape in _shapes(tree, 0)]
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        title = " ".join(plain_text(text) for shape in titles for _, text in self.paragraphs(shape)).strip()
        self._writer.heading(2 if number > 1 else 1, title or f"Slide {number}")
        for shape in shapes:
            if shape not in titles and _placeholder(shape) not in _IGNORED:
                self._write_shape(shape)
        for notes in (one.target for one in self._related.values() if one.kind == "notesSlide"):
            self._write_notes(notes)
        return title

    def _write_shape(self, shape: "_Element") -> None:
        if local_name(shape) == "graphicFrame":
            for table in shape.iter("{*}tbl"):
                self._write_table(table)
            for chart in shape.iter("{*}chart"):
                self._write_chart(chart.get(f"{RELATIONSHIP}id", ""))
            for diagram in shape.iter("{*}relIds"):
                self._write_diagram(diagram.get(f"{RELATIONSHIP}dm", ""))
            return
        is_list = _placeholder(shape) in ("body", "obj", "")
        numbers: dict[int, int] = {}
        for paragraph, text in self.paragraphs(shape):
            level, mark = _level_and_mark(paragraph)
            is_numbered = mark == "buAutoNum"
            numbers = {at: number for at, number in numbers.items() if at < level or (at == level and is_numbered)}
            if is_numbered and plain_text(text).strip():
                numbers[level] = numbers.get(level, 0) + 1
            if mark in _MARKS or (is_list and mark != "buNone"):
                self._writer.item(text, depth=level, number=numbers.get(level) if is_numbered else None)
            else:
                self._writer.paragraph(text)

    def paragraphs(self, shape: "_Element") -> Iterator[tuple["_Element", list[Inline]]]:
        """Yield the paragraphs in a shape with their texts."""
        for body in shape.iter("{*}txBody"):
            for paragraph in body.iter("{*}p"):
                yield paragraph, list(self._inlines(paragraph))

    def _inlines(self, paragraph: "_Element") -> Iterator[Inline]:
        for run in paragraph:
            if local_name(run) == "br":
                yield "\n"
            text = "".join(one.text or "" for one in run.iter("{*}t"))
            link = next(run.iter("{*}hlinkClick"), None)
            target = None if link is None else self._related.get(link.get(f"{RELATIONSHIP}id", ""))
            yield InlineLink(text, target.target) if target and target.is_external and text.strip() else text

    def _write_table(self, table: "_Element") -> None:
        rows = []
        for row in table.iter("{*}tr"):
            cells = [cell for cell in row if local_name(cell) == "tc"]
            rows.append([_cell(self, cell) for cell in cells])
        self._writer.table(rows)

    def _write_chart(self, relationship: str) -> None:
        """Write a chart's title, and a table of its categories and series."""
        chart = self._read(relationship)
        if chart is None:
            return
        title = next((one for one in chart.iter("{*}title")), None)
        if title is not None:
            self._writer.paragraph("".join(one.text or "" for one in title.iter("{*}t")))
        columns: list[list[str]] = []
        for series in chart.iter("{*}ser"):
            names = [list(_values(one)) for one in series if local_name(one) == "tx"]
            categories = [list(_values(one)) for one in series if local_name(one) in ("cat", "xVal")]
            values = [list(_values(one)) for one in series if local_name(one) in ("val", "yVal")]
            if not columns:
                columns.append(["", *(categories[0] if categories else [])])
            columns.append([" ".join(names[0]) if names else "", *(values[0] if values else [])])
        height = min(max(map(len, columns), default=0), _MAX_POINTS)
        self._writer.table([[column[row] if row < len(column) else "" for column in columns] for row in range(height)])

    def _write_diagram(self, relationship: str) -> None:
        diagram = self._read(relationship)
        for point in diagram.iter("{*}pt") if diagram is not None else ():
            self._writer.item("".join(one.text or "" for one in point.iter("{*}t")))

    def _write_notes(self, part: str) -> None:
        notes = self._archive.xml(part)
        for tree in notes.iter("{*}spTree") if notes is not None else ():
            for shape in _shapes(tree, 0):
                if _placeholder(shape) == "body":
                    for _, text in self.paragraphs(shape):
                        self._writer.quote(text)

    def _read(self, relationship: str) -> "_Element | None":
        related: Relationship | None = self._related.get(relationship)
        return None if related is None or related.is_external else self._archive.xml(related.target)


def _cell(slide: _Slide, cell: "_Element") -> list[Inline]:
    if cell.get("hMerge") == "1" or cell.get("vMerge") == "1":
        return []
    return [inline for _, text in slide.paragraphs(cell) for inline in (*text, "\n")]


def _level_and_mark(paragraph: "_Element") -> tuple[int, str]:
    """Return the level of a paragraph, and the kind of mark before it: `buNone`, `buChar` or "" for the layout's."""
    properties_of = next((one for one in paragraph if local_name(one) == "pPr"), None)
    if properties_of is None:
        return 0, ""
    level = properties_of.get("lvl", "0")
    marks = (local_name(one) for one in properties_of)
    mark = next((one for one in marks if one == "buNone" or one in _MARKS), "")
    return int(level) if level.isdecimal() and len(level) < 3 else 0, mark


def _shapes(tree: "_Element", depth: int) -> Iterator["_Element"]:
    """Yield the shapes of a tree, also those in groups."""
    for child in tree:
        name = local_name(child)
        if name in ("grpSp", "AlternateContent", "Choice") and depth < _MAX_DEPTH:
            yield from _shapes(child, depth + 1)
        elif name in ("sp", "graphicFrame", "cxnSp"):
            yield child


def _placeholder(shape: "_Element") -> str | None:
    """Return the kind of a placeholder, "" for one without a kind, None for another shape."""
    for properties_of in shape:
        if local_name(properties_of).startswith("nv"):
            for place in properties_of.iter("{*}ph"):
                return str(place.get("type", ""))
    return None


def _values(element: "_Element") -> Iterator[str]:
    return (one.text or "" for one in element.iter("{*}v"))
