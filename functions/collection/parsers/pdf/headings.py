"""Find the headings among paragraphs by the outline, the size and the weight of their fonts. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from functions.collection.parsers.pdf.paragraph import Paragraph

_MAX_CHARS = 200
_MAX_BOLD_CHARS = 120
_MAX_LINES = 4
_LARGER = 1.08
"""A heading's size in multiples of the body's."""
_SAME = 0.04

_IGNORED = re.compile(r"[\W_]+")


def find_levels(
    paragraphs: Sequence[Paragraph], outline: Sequence[tuple[int, str, int | None]], body_size: float
) -> None:
    """Set the levels of headings. `outline` has levels from 0, titles and pages."""
    by_title: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for level, title, page in outline:
        by_title[_letters(title)].append((level, page))
    listed: list[tuple[Paragraph, int]] = []
    styled: list[Paragraph] = []
    for index, paragraph in enumerate(paragraphs):
        if paragraph.is_code or len(paragraph.lines) > _MAX_LINES or len(paragraph.text) > _MAX_CHARS:
            continue
        listed_level = _level_in_outline(paragraph, by_title)
        if listed_level is not None:
            listed.append((paragraph, listed_level))
        elif not paragraph.bullet and paragraph.number is None:
            after = paragraphs[index + 1] if index + 1 < len(paragraphs) else None
            if _is_styled(paragraph, after, body_size):
                styled.append(paragraph)
    _set_levels(listed, styled)


def _level_in_outline(paragraph: Paragraph, by_title: dict[str, list[tuple[int, int | None]]]) -> int | None:
    """Return the level of the entry that a paragraph is the heading of."""
    number = "" if paragraph.number is None else str(paragraph.number)
    letters = _letters(number + paragraph.text)
    for title in (letters, letters.lstrip("0123456789")):
        entries = by_title.get(title, ()) if title else ()
        for level, page in entries:
            if page is None or page == paragraph.lines[0].page:
                return level
    return None


def _is_styled(paragraph: Paragraph, after: Paragraph | None, body_size: float) -> bool:
    line, text = paragraph.lines[0], paragraph.text
    if not any(map(str.isalpha, text)):
        return False
    if line.size >= _LARGER * body_size:
        return True
    is_bold = all(one.is_bold for one in paragraph.lines) and line.size >= 0.75 * body_size
    is_before_text = after is not None and not after.lines[0].is_bold
    return is_bold and is_before_text and len(text) <= _MAX_BOLD_CHARS and text[-1] not in ".,;:"


def _set_levels(listed: list[tuple[Paragraph, int]], styled: list[Paragraph]) -> None:
    """Set levels: of entries of the outline theirs; of others by size, larger ones above smaller ones."""
    sizes_by_level: dict[int, list[float]] = defaultdict(list)
    for paragraph, level in listed:
        sizes_by_level[level].append(paragraph.lines[0].size)
    of_outline = {level: median(sizes) for level, sizes in sorted(sizes_by_level.items())}
    largest = max(of_outline.values(), default=0.0)
    above = 1 if of_outline and any(one.lines[0].size > largest * (1 + _SAME) for one in styled) else 0
    for paragraph, level in listed:
        paragraph.level = level + 1 + above
    styles: list[tuple[float, bool]] = []
    for size, is_bold in sorted({_style(one) for one in styled}, reverse=True):
        if not any(abs(size - other) <= _SAME * other and is_bold == bold for other, bold in styles):
            styles.append((size, is_bold))
    for paragraph in styled:
        size, is_bold = _style(paragraph)
        rank = next(
            index
            for index, (other, bold) in enumerate(styles)
            if abs(size - other) <= _SAME * other and is_bold == bold
        )
        if not of_outline:
            paragraph.level = min(rank + 1, 6)
            continue
        same = [level for level, other in of_outline.items() if abs(size - other) <= _SAME * other]
        larger = [level for level, other in of_outline.items() if other > size]
        if same:
            paragraph.level = same[0] + 1 + above
        else:
            paragraph.level = min(max(larger) + 2 + above, 6) if larger else 1


def _style(paragraph: Paragraph) -> tuple[float, bool]:
    return paragraph.lines[0].size, paragraph.lines[0].is_bold


def _letters(text: str) -> str:
    return _IGNORED.sub("", text.replace("\ufffe", "")).lower()
