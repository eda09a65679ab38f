"""The main text of a web page, cut into passages. Pure.

The text is plain: markup, addresses of links and hidden elements are left out.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from headwater.errors import PermanentError
from headwater.words.analysis import DEFAULT_LANGUAGE, STEMMERS, count_words

MIN_WORDS = 50
"""A page with fewer words of main text is not used."""

MAX_TEXT_CHARS = 100_000
"""What is read of a page's main text."""

MAX_PASSAGE_CHARS = 1_000
MAX_TITLE_CHARS = 300

HTML = ("text/html", "application/xhtml+xml")
TEXT = ("text/plain", "text/markdown")

_BLOCKS = frozenset(("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div"))
_BLOCKS |= {"dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
_BLOCKS |= {"header", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead"}
_BLOCKS |= {"tr", "ul"}
_CELLS = ("td", "th")
_HEADING = re.compile("h([1-6])")
_SENTENCE_ENDS = (". ", "! ", "? ", "\n", "\u3002", "\uff01", "\uff1f")


class PagePassage(msgspec.Struct, frozen=True, array_like=True):
    """A part of a page: its `text[start:end]`, the headings above it, and how often it has which words."""

    start: int
    end: int
    heading_path: list[str]
    words: dict[int, int]


class PageText(msgspec.Struct, frozen=True, array_like=True):
    """A page's main text and its passages, in order."""

    title: str
    language: str
    text: str
    passages: list[PagePassage]


class _Block(msgspec.Struct, frozen=True):
    """A paragraph, or a heading of some level."""

    text: str
    level: int = 0


def read_page(content: bytes, media_type: str) -> PageText:
    """Read a page. Raises PermanentError if it is binary, has too little text, or is of another kind."""
    from headwater.html.decode import decode_html
    from headwater.html.main_content import find_main_content
    from headwater.html.metadata import read_metadata
    from headwater.html.tree import read_tree, remove_hidden, remove_scripts

    kind = media_type.partition(";")[0].strip().lower()
    if kind not in (*HTML, *TEXT):
        raise PermanentError(f"it is not a web page ({kind or 'no media type'})")
    text = decode_html(content, media_type)
    if kind in TEXT:
        blocks = [_Block(part.strip()) for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
        return _cut("", DEFAULT_LANGUAGE, blocks)
    tree = read_tree(text, [])
    if tree is None:
        raise PermanentError("it has no text")
    metadata = read_metadata(tree, "")
    remove_scripts(tree)
    remove_hidden(tree)
    root = find_main_content(tree, len(text))
    language = metadata.get("lang", "").partition("-")[0].lower()
    title = metadata.get("title", "")[:MAX_TITLE_CHARS]
    return _cut(title, language if language in STEMMERS else DEFAULT_LANGUAGE, _blocks(root))


def _blocks(root: Any) -> Iterator[_Block]:
    """Yield the blocks of an element. Cells of a table's row are separated by tabs."""
    from lxml import etree

    pieces: list[str] = []
    preformatted = 0

    def take(level: int = 0) -> Iterator[_Block]:
        text = "".join(pieces)
        pieces.clear()
        text = text.strip("\n") if preformatted else _collapse(text)
        if text.strip():
            yield _Block(text, level)

    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if event == "start":
            if tag in _BLOCKS:
                yield from take()
            preformatted += tag == "pre"
            pieces.append(element.text or "")
            continue
        if tag in _CELLS:
            pieces.append("\t")
        elif tag in _BLOCKS:
            heading = _HEADING.fullmatch(tag)
            yield from take(int(heading[1]) if heading else 0)
            preformatted -= tag == "pre"
        elif tag == "br":
            pieces.append("\n" if preformatted else " ")
        if element is not root:
            pieces.append(element.tail or "")
    yield from take()


def _collapse(text: str) -> str:
    cells = [" ".join(cell.split()) for cell in text.split("\t")]
    return "\t".join(cell for cell in cells if cell)


def _cut(title: str, language: str, blocks: "Iterator[_Block] | list[_Block]") -> PageText:
    """Join blocks to a text, and neighbouring blocks below one heading to passages. Raises PermanentError for few."""
    text: list[str] = []
    spans: list[tuple[int, int, list[str]]] = []
    headings: dict[int, str] = {}
    at, may_join = 0, False
    for block in blocks:
        content = block.text[: max(MAX_TEXT_CHARS - at, 0)]
        if not content:
            break
        if block.level:
            headings = {level: one for level, one in headings.items() if level < block.level}
            headings[block.level] = content[:MAX_TITLE_CHARS]
            may_join = False
        else:
            for start, end in _pieces(content):
                path = [*headings.values()]
                if may_join and at + end - spans[-1][0] <= MAX_PASSAGE_CHARS:
                    spans[-1] = spans[-1][0], at + end, path
                else:
                    spans.append((at + start, at + end, path))
                may_join = True
        text.append(content)
        at += len(content) + 2
    whole = "\n\n".join(text)
    passages = [
        PagePassage(start, end, path, count_words("\n".join((title, *path, whole[start:end])), language))
        for start, end, path in spans
    ]
    words = sum(sum(count_words(whole[start:end], language).values()) for start, end, _ in spans)
    if words < MIN_WORDS:
        raise PermanentError(f"it has too little text ({words} words)")
    return PageText(title, language, whole, passages)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) of the parts of a paragraph, cut after sentences if possible, else between words."""
    start = 0
    while len(text) - start > MAX_PASSAGE_CHARS:
        last = start + MAX_PASSAGE_CHARS
        ends = [found + len(end) for end in _SENTENCE_ENDS if (found := text.rfind(end, start + 200, last)) >= 0]
        space = text.rfind(" ", start + 200, last) + 1
        cut = max(ends, default=0) or space or last
        yield start, cut
        start = cut
    if start < len(text):
        yield start, len(text)
