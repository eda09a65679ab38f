"""Write the lines of a PDF's pages as headings, paragraphs, lists and code. Pure.

A PDF has no paragraphs: they follow from the places, sizes and ends of lines. `layout` puts lines into reading order.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from functions.collection.parsers.pdf.headings import find_levels
from functions.collection.parsers.pdf.layout import attach_markers, order_columns, remove_running_lines, right_margins
from functions.collection.parsers.pdf.pages import Line, Page, Table
from functions.collection.parsers.pdf.paragraph import Paragraph
from functions.collection.parsers.pdf.words import join_hyphenated, vocabulary
from functions.collection.parsers.writer import Inline, MarkdownWriter, PageBreak

_BULLET = re.compile(r"([•‣▪◦●○■□⁃·∙–-])\s+(?=\S)|([•‣▪◦●○■□⁃])(?=\w)")  # noqa: RUF001 (bullets of PDFs)
_NUMBER = re.compile(r"(\d{1,3})[.)]\s+(?=\S)")
_ENDS_SENTENCE = re.compile(r"[.!?:;…][\"'”’)\]]*$")  # noqa: RUF001


@dataclass(slots=True)
class _Layout:
    """What the whole document has in common."""

    body_size: float
    is_typed: bool
    """All text is monospaced, so that this doesn't tell code."""
    leading: float
    """Distance of lines in a paragraph, in multiples of the font's size."""
    margins: dict[int, float] = field(default_factory=dict)
    """The right margin of each line, by its `id`."""


def write_pages(pages: Sequence[Page], outline: Sequence[tuple[int, str, int | None]], writer: MarkdownWriter) -> None:
    """Write the text of the pages."""
    remove_running_lines(pages)
    for page in pages:
        attach_markers(page)
        order_columns(page)
    lines = [line for page in pages for line in page.lines]
    layout = _measure(pages, lines)
    parts = [list(_paragraphs(page, layout)) for page in pages]
    _join_across_pages(parts, layout)
    paragraphs = [part for page in parts for part in page if isinstance(part, Paragraph)]
    find_levels(paragraphs, outline, layout.body_size)
    _Writer(writer, vocabulary(lines)).write(parts)


def _measure(pages: Sequence[Page], lines: Sequence[Line]) -> _Layout:
    sizes: Counter[float] = Counter()
    typed = total = 0
    for line in lines:
        total += len(line.text)
        typed += len(line.text) if line.is_monospaced else 0
        sizes[round(line.size * 2) / 2] += len(line.text) if not line.is_monospaced else 0
    steps = [
        (after.top - before.last_top) / before.size
        for page in pages
        for before, after in pairwise(page.lines)
        if abs(before.size - after.size) < 0.2 and 0.8 < (after.top - before.last_top) / before.size < 2.6
    ]
    layout = _Layout(
        body_size=max(sizes, key=lambda size: sizes[size], default=10.0) if any(sizes.values()) else 10.0,
        is_typed=typed > 0.7 * total,
        leading=median(steps) if steps else 1.2,
    )
    for page in pages:
        layout.margins.update(right_margins(page.lines))
    return layout


def _paragraphs(page: Page, layout: _Layout) -> Iterator[Paragraph | Table]:
    """Yield the paragraphs and tables of a page."""
    tables = page.tables[::-1]
    open_paragraph: Paragraph | None = None
    for index, line in enumerate(page.lines):
        if tables and tables[-1].at <= index:
            if open_paragraph:
                yield open_paragraph
            open_paragraph = None
            while tables and tables[-1].at <= index:
                yield tables.pop()
        if open_paragraph and _continues(open_paragraph, line, layout):
            open_paragraph.lines.append(line)
            continue
        if open_paragraph:
            yield open_paragraph
        open_paragraph = _begin(line, layout)
    if open_paragraph:
        yield open_paragraph
    yield from tables[::-1]


def _begin(line: Line, layout: _Layout) -> Paragraph:
    if line.is_monospaced and not layout.is_typed:
        return Paragraph([line], is_code=True)
    if bullet := _BULLET.match(line.text):
        line.text = line.text[bullet.end() :]
        return Paragraph([line], bullet=bullet[1] or bullet[2])
    if (number := _NUMBER.match(line.text)) and line.size < 1.1 * layout.body_size and not line.is_bold:
        line.text = line.text[number.end() :]
        return Paragraph([line], number=int(number[1]))
    return Paragraph([line])


def _continues(paragraph: Paragraph, line: Line, layout: _Layout) -> bool:
    """Return True if a line belongs to the paragraph before it."""
    before = paragraph.lines[-1]
    is_other_font = line.is_bold != before.is_bold and layout.margins[id(before)] - before.right > 4 * line.size
    if abs(line.size - before.size) > 0.08 * before.size or is_other_font:
        return False
    is_code = line.is_monospaced and not layout.is_typed
    step = (line.top - before.last_top) / before.size
    if paragraph.is_code or is_code:
        return paragraph.is_code and is_code and -0.2 < step < 3 * layout.leading
    is_item = bool(paragraph.bullet) or paragraph.number is not None
    is_next_column = step < -0.2 or line.left > layout.margins[id(before)]
    if _BULLET.match(line.text) or (_NUMBER.match(line.text) and paragraph.number is not None):
        continues = False
    elif is_next_column:
        continues = not _ends_paragraph(before, line, layout)
    elif step < 0.3:  # the same line
        continues = line.left >= before.right - before.size
    elif step > 1.25 * layout.leading:
        continues = False
    elif line.size > 1.08 * layout.body_size:  # a heading of several lines
        continues = True
    elif _is_indented(paragraph, line, is_item=is_item):
        continues = not _ends_paragraph(before, line, layout)
    else:
        continues = not _has_room_for(before, line, layout) or not _ENDS_SENTENCE.search(before.text)
    return continues


def _is_indented(paragraph: Paragraph, line: Line, *, is_item: bool) -> bool:
    """Return True if a line is not where those of the paragraph are. The text of an item is indented."""
    if is_item:
        return line.left - paragraph.lines[0].left < 0.3 * line.size
    indent = line.left - min(one.left for one in paragraph.lines)
    return indent > 0.7 * line.size or (len(paragraph.lines) > 1 and indent < -0.7 * line.size)


def _ends_paragraph(before: Line, line: Line, layout: _Layout) -> bool:
    return bool(_ENDS_SENTENCE.search(before.text)) or _has_room_for(before, line, layout)


def _has_room_for(before: Line, line: Line, layout: _Layout) -> bool:
    """Return True if the first word of a line would have fitted at the end of the line before."""
    word = len(line.text.split(maxsplit=1)[0]) + 1
    width = (line.right - line.left) / max(len(line.text), 1) if line.top == line.last_top else 0.5 * line.size
    return layout.margins[id(before)] - before.right > word * width + line.size


def _join_across_pages(parts: list[list[Paragraph | Table]], layout: _Layout) -> None:
    """Join a table with the one that continues it at the start of the next page, and a paragraph likewise."""
    last: tuple[list[Paragraph | Table], Paragraph | Table] | None = None
    for page in parts:
        if page and last:
            before, first = last[1], page[0]
            if isinstance(before, Table) and isinstance(first, Table) and len(before.rows[0]) == len(first.rows[0]):
                before.rows += first.rows[1:] if first.rows[0] == before.rows[0] else first.rows
                page.pop(0)
            elif isinstance(before, Paragraph) and isinstance(first, Paragraph) and _goes_on(before, first, layout):
                before.lines += first.lines
                page.pop(0)
        if page:
            last = page, page[-1]


def _goes_on(before: Paragraph, after: Paragraph, layout: _Layout) -> bool:
    if before.is_code or after.is_code or after.bullet or after.number is not None:
        return False
    line, first = before.lines[-1], after.lines[0]
    is_alike = abs(line.size - first.size) < 0.5 and line.is_bold == first.is_bold
    return is_alike and abs(line.size - layout.body_size) < 1 and not _ends_paragraph(line, first, layout)


class _Writer:
    def __init__(self, writer: MarkdownWriter, words: frozenset[str]) -> None:
        self._writer = writer
        self._words = words
        self._page = -1
        self._lefts: list[float] = []

    def write(self, parts: list[list[Paragraph | Table]]) -> None:
        for index, page in enumerate(parts):
            self._turn_to(index)
            for part in page:
                if isinstance(part, Table):
                    self._lefts.clear()
                    self._writer.table([[self._cell(cell) for cell in row] for row in part.rows])
                else:
                    self._write_paragraph(part)

    def _turn_to(self, page: int) -> None:
        while self._page < page:
            self._writer.page()
            self._page += 1

    def _write_paragraph(self, paragraph: Paragraph) -> None:
        if paragraph.is_code:
            self._lefts.clear()
            self._writer.code(_code(paragraph.lines))
        elif paragraph.level:
            self._lefts.clear()
            self._writer.heading(paragraph.level, self._text(paragraph.lines))
        elif paragraph.bullet or paragraph.number is not None:
            left = paragraph.lines[0].left
            while self._lefts and self._lefts[-1] > left - 3:
                self._lefts.pop()
            self._writer.item(self._text(paragraph.lines), depth=len(self._lefts), number=paragraph.number)
            self._lefts.append(left)
        else:
            self._lefts.clear()
            self._writer.paragraph(self._text(paragraph.lines))

    def _text(self, lines: Sequence[Line]) -> list[Inline]:
        """Join lines to one, with the breaks of pages."""
        inlines: list[Inline] = []
        joined = ""
        for line in lines:
            before, joined = joined, join_hyphenated(joined, line.text, self._words)
            if line.page > self._page:
                turns = [PageBreak()] * (line.page - self._page)
                inlines += [before, *turns] if joined.startswith(before) else [*turns]
                joined = joined.removeprefix(before)
                self._page = line.page
        return [*inlines, joined]

    def _cell(self, text: str) -> str:
        joined = ""
        for line in text.split("\n"):
            joined = join_hyphenated(joined, line.strip(), self._words)
        return joined


def _code(lines: Sequence[Line]) -> str:
    """Return code with its indentation and empty lines, from the places of its lines."""
    left = min(line.left for line in lines)
    widths = [(line.right - line.left) / len(line.text) for line in lines if len(line.text) > 3]
    width = median(widths) if widths else 0.6 * lines[0].size
    steps = [after.top - before.top for before, after in pairwise(lines) if after.top > before.top]
    step = min(steps, default=0) or 1.0
    rows: list[str] = []
    for index, line in enumerate(lines):
        if index and line.top > lines[index - 1].top:
            rows += [""] * min(round((line.top - lines[index - 1].top) / step) - 1, 2)
        rows.append(" " * min(round((line.left - left) / (width or 1)), 100) + line.text.replace("\ufffe", "-\n"))
    return "\n".join(rows)
