"""Put the lines of a page into reading order, and remove running headers and footers. Pure."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from functions.collection.parsers.pdf.pages import Line, Page

_EDGE_LINES = 3
"""Lines at the top and bottom of a page that may be running ones."""
_MARGIN = 0.13
"""Part of a page's height in which they are."""
_MIN_REPEATS = 3
_MIN_SHARE = 0.3
"""A running line is on three pages and three tenths of them, or on both of two."""

_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|p\.|seite|página|pagina|стр\.?)\s*)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:/|\||of|von|de|sur|из)\s*\d{1,5})?[\W_]*",
    re.IGNORECASE,
)
_MARKER = re.compile(r"[•‣▪◦●○■□]|\d{1,3}[.)]")
_MIN_COLUMN_LINES = 6
_MIN_COLUMN_CHARS = 18
"""Average of a line in a column: cells of tables are shorter."""


def remove_running_lines(pages: Sequence[Page]) -> None:
    """Remove headers and footers that pages share, and page numbers."""
    edges = [_edge_lines(page) for page in pages]
    counts = Counter(key for lines in edges for key in {_key(line) for line in lines})
    least = max(min(_MIN_REPEATS, len(pages)), _MIN_SHARE * len(pages), 2)
    for page, lines in zip(pages, edges, strict=True):
        outermost = {id(line) for line in (*_by_top(page.lines)[:1], *_by_top(page.lines)[-1:])}
        removed = {
            id(line)
            for line in lines
            if counts[_key(line)] >= least
            or (len(pages) > 1 and id(line) in outermost and _PAGE_NUMBER.fullmatch(line.text))
        }
        if removed:
            _keep(page, [line for line in page.lines if id(line) not in removed])


def attach_markers(page: Page) -> None:
    """Put markers of lists that are lines of their own before the text at their right."""
    markers = [line for line in page.lines if _MARKER.fullmatch(line.text)]
    if not markers:
        return
    texts = sorted((line for line in page.lines if not _MARKER.fullmatch(line.text)), key=lambda line: line.top)
    tops = [line.top for line in texts]
    attached = set()
    for marker in markers:
        middle = (marker.top + marker.bottom) / 2
        around = texts[bisect_left(tops, middle - 3 * marker.size) : bisect_left(tops, middle + 3 * marker.size)]
        at_right = [line for line in around if line.top <= middle <= line.bottom and line.left >= marker.right - 1]
        if at_right:
            nearest = min(at_right, key=lambda line: line.left)
            if nearest.left - marker.right < 5 * nearest.size:
                nearest.text = f"{marker.text} {nearest.text}"
                nearest.left = marker.left
                attached.add(id(marker))
    _keep(page, [line for line in page.lines if id(line) not in attached])


def order_columns(page: Page) -> None:
    """Put the columns of a page one after another, if its content has them line by line."""
    gutter = _find_gutter(page.lines)
    if gutter is None:
        return
    ordered: list[Line] = []
    right_column: list[Line] = []
    for line in page.lines:
        left, right = _split(line, gutter)
        if right:
            ordered += left
            right_column += right
        elif line.right > gutter + line.size:  # across both columns
            ordered += [*right_column, line]
            right_column = []
        else:
            ordered += left
    _keep(page, [*ordered, *right_column])


def right_margins(lines: Sequence[Line]) -> dict[int, float]:
    """Return, for the id of each line, the right end of the longest line that begins near and on the same page."""
    by_left: dict[int, float] = {}
    for line in lines:
        column = round(line.left / 10)
        by_left[column] = max(by_left.get(column, 0.0), line.right)
    margins: dict[int, float] = {}
    for line in lines:
        column = round(line.left / 10)
        near = [by_left[other] for other in range(column - 6, column + 7) if other in by_left]
        margins[id(line)] = max(near)
    return margins


def _edge_lines(page: Page) -> list[Line]:
    """Return the outermost lines in the margins at the top and bottom of a page."""
    margin = _MARGIN * page.height
    top = [line for line in page.lines if line.bottom < margin]
    bottom = [line for line in page.lines if line.top > page.height - margin]
    return [*_by_top(top)[:_EDGE_LINES], *_by_top(bottom)[-_EDGE_LINES:]]


def _by_top(lines: Sequence[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.top)


def _key(line: Line) -> tuple[str, int]:
    """Return what running lines of several pages have in common: the text without numbers, and the height."""
    return re.sub(r"\d+", "#", line.text), round(line.top / 4)


def _keep(page: Page, lines: list[Line]) -> None:
    """Replace the lines of a page, and move its tables with the lines that follow them."""
    places = {id(line): index for index, line in enumerate(lines)}
    for table in page.tables:
        after = (places[id(line)] for line in page.lines[table.at :] if id(line) in places)
        table.at = next(after, len(lines))
    page.lines[:] = lines


def _find_gutter(lines: Sequence[Line]) -> float | None:
    """Return the middle of the gap that many lines have at the same place, if they are the lines of two columns."""
    gaps: Counter[int] = Counter()
    for line in lines:
        for before, after in pairwise(line.parts):
            gaps[round((before[1] + after[0]) / 20)] += 1
    if not gaps:
        return None
    place, _ = gaps.most_common(1)[0]
    gutter = place * 10.0
    split = [line for line in lines if any(_is_across(line, gutter, index) for index in range(1, len(line.parts)))]
    halves = [half for line in split for side in _split(line, gutter) for half in side]
    if len(split) < max(_MIN_COLUMN_LINES, 0.4 * len(lines)) or not halves:
        return None
    average = sum(len(half.text) for half in halves) / len(halves)
    return gutter if average >= _MIN_COLUMN_CHARS else None


def _is_across(line: Line, gutter: float, index: int) -> bool:
    return line.parts[index - 1][1] <= gutter + 8 and line.parts[index][0] >= gutter - 8


def _split(line: Line, gutter: float) -> tuple[list[Line], list[Line]]:
    """Split a line at the gutter. A line that is on one side is whole, one across both is on neither."""
    for index in range(1, len(line.parts)):
        if _is_across(line, gutter, index):
            return [_part(line, line.parts[:index])], [_part(line, line.parts[index:])]
    if line.right <= gutter + 8:
        return [line], []
    return ([], [line]) if line.left >= gutter - 8 else ([], [])


def _part(line: Line, parts: Sequence[tuple[float, float, str]]) -> Line:
    text = " ".join(text for _, _, text in parts)
    return msgspec.structs.replace(line, text=text, left=parts[0][0], right=parts[-1][1], parts=())
