"""Find the main content of a page among menus, banners and footers. Pure.

trafilatura knows well what is main text, but returns it without much of its structure: headings, the columns of tables,
the language of code. So its text only says what to keep of the page's own elements.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from headwater.html.tree import is_boilerplate, remove_boilerplate

MAX_EXTRACTED_CHARS, MAX_EXTRACTED_ELEMENTS = 1_500_000, 50_000
"""Of longer pages only menus and the like are removed: trafilatura needs up to 200 times their size in memory."""
_REGION_SHARE = 0.97
_MIN_SHARE = 0.05
_DROPPED_SHARE = 0.3
_BOILERPLATE_SHARE = 0.5
_KEPT = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "figure", "img", "br", "hr", "code"))
_GRAM = 3
_WORDS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]|[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")
"""Words; characters of languages that are written without spaces."""


class _Count(NamedTuple):
    """Words of an element, and those of them that trafilatura has found too."""

    words: int
    found: int


def find_main_content(tree: Any, size: int) -> Any:
    """Return an element with the main content of a page of `size` characters. Removes other content of the tree."""
    body = tree.find("body")
    root = tree if body is None else body
    is_small = size <= MAX_EXTRACTED_CHARS and sum(1 for _ in tree.iter()) <= MAX_EXTRACTED_ELEMENTS
    found = _extract(tree) if is_small else ""
    counts = _count(root, found)
    marked = _marked_content(root)
    content = root if marked is None or counts[marked].found < counts[root].found / 2 else marked
    if counts[content].found <= _MIN_SHARE * counts[content].words:
        remove_boilerplate(content)
        return content
    region = _region(root, counts)
    _drop_unlike(region, counts)
    return region


def _marked_content(root: Any) -> Any:
    """Return the element that a page marks as its main content, if it is one."""
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = root.xpath(path)
        if len(found) == 1:
            return found[0]
    return None


def _extract(tree: Any) -> str:
    """Return the main text of a page as trafilatura finds it."""
    import trafilatura

    found: str | None = trafilatura.extract(
        tree, output_format="txt", favor_recall=True, include_comments=False, include_tables=True
    )
    return found or ""


def _count(root: Any, found: str) -> dict[Any, _Count]:
    """Count the words of all elements below one, in their texts and those below them."""
    from lxml import etree

    grams = set(_grams(_WORDS.findall(found)))
    counts: dict[Any, _Count] = {}
    open_counts: list[list[int]] = []

    def add(text: str | None) -> None:
        words = _WORDS.findall(text) if text else []
        known = sum(gram in grams for gram in _grams(words))
        if len(words) >= _GRAM:  # fewer may be anywhere
            open_counts[-1][0] += len(words)
            open_counts[-1][1] += known + _GRAM - 1 if known else 0

    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            open_counts.append([0, 0])
            add(element.text)
            continue
        words, matched = open_counts.pop()
        counts[element] = _Count(words, matched)
        if element is not root:
            open_counts[-1][0] += words
            open_counts[-1][1] += matched
            add(element.tail)
    return counts


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], strict=False)


def _region(root: Any, counts: dict[Any, _Count]) -> Any:
    """Return the innermost element that has nearly all of what trafilatura found."""
    region, least = root, _REGION_SHARE * counts[root].found
    while True:
        inner = next((child for child in region if child in counts and counts[child].found >= least), None)
        if inner is None:
            return region
        region = inner


def _drop_unlike(region: Any, counts: dict[Any, _Count]) -> None:
    """Drop elements of which trafilatura has found next to nothing."""
    todo = [region]
    while todo:
        for child in list(todo.pop()):
            if child.tag in _KEPT or child not in counts:
                continue
            words, found = counts[child]
            share = found / words if words else 0.0
            if (words and share < _DROPPED_SHARE) or (share < _BOILERPLATE_SHARE and is_boilerplate(child)):
                child.drop_tree()
            elif found < words:
                todo.append(child)
