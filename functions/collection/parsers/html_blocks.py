"""Write the blocks of an HTML tree as Markdown: headings, paragraphs, lists, tables, code and links. Pure.

For formats that are, or become, HTML. The whole tree is written; a page's navigation is for the caller to remove.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from functions.collection.parsers.writer import Inline, InlineCode, InlineLink, MarkdownWriter, plain_text

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MAX_DEPTH = 100
"""The text of deeper elements is one paragraph."""

_MAX_SPAN = 100
"""Columns of a cell that are taken into account."""

_HIDDEN = frozenset({"script", "style", "template", "noscript", "head", "object", "iframe", "svg", "canvas", "audio"})
_HIDDEN |= {"video", "select", "textarea", "button", "datalist", "dialog"}
_INLINE = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i"}
)
_INLINE |= {"img", "ins", "kbd", "label", "mark", "meter", "nobr", "output", "picture", "q", "ruby", "rb", "rp", "rt"}
_INLINE |= {"s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "math"}
_INLINE |= {
    "annotation",
    "annotation-xml",
    "semantics",
    "menclose",
    "merror",
    "mfrac",
    "mi",
    "mn",
    "mo",
    "mover",
    "mpadded",
}
_INLINE |= {"mphantom", "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd"}
_INLINE |= {"mtext", "mtr", "munder", "munderover"}
_HEADING = re.compile(r"h([1-6])")
_CODE_LANGUAGE = re.compile(
    r"(?:^|\s)(?:(?:language|lang|highlight-source|brush:?)[-\s]|highlight-(?!source|default))([\w+#.-]+)"
)

_WORD_LIST = re.compile(r"MsoList(?!.*Continue)")
_WORD_LEVEL = re.compile(r"\blevel([1-9])\b")
_WORD_NUMBER = re.compile(r"\s*(\d{1,9})[.)]\s")
_WORD_BULLET = re.compile(r"\s*(?:[^\w\s]|o)\s")
"""Word writes the marks of lists as text, and spaces after them."""


def write_html(root: "HtmlElement", writer: MarkdownWriter) -> None:
    """Write an element and everything in it."""
    _HtmlWriter(writer).write(root, 0)


class _HtmlWriter:
    def __init__(self, writer: MarkdownWriter) -> None:
        self._writer = writer
        self._is_quote = False

    def write(self, element: "HtmlElement", depth: int) -> None:
        """Write an element that is a block, or has blocks."""
        tag = _tag(element)
        if tag in _HIDDEN or not tag:
            return
        if depth > _MAX_DEPTH:
            self._paragraph([_text(element)])
        elif heading := _HEADING.fullmatch(tag):
            self._writer.heading(int(heading[1]), list(_inlines(element)))
        elif tag in ("pre", "listing", "xmp"):
            self._writer.code(_preformatted(element), _language(element))
        elif tag in ("ul", "ol", "menu", "dir"):
            self._list(element, 0)
        elif tag == "table":
            self._table(element, depth)
        elif tag == "blockquote":
            outer, self._is_quote = self._is_quote, True
            self._children(element, depth)
            self._is_quote = outer
        elif tag == "p" and (item := _item_of_word(element)):
            self._writer.item(item[0], depth=item[1], number=item[2])
        else:
            self._children(element, depth)

    def _children(self, element: "HtmlElement", depth: int) -> None:
        """Write the blocks of an element, and the text between them as paragraphs."""
        inlines: list[Inline] = [element.text or ""]
        for child in element:
            if _is_inline(child):
                inlines += _inline(child)
            else:
                self._paragraph(inlines)
                inlines = []
                self.write(child, depth + 1)
            inlines.append(_spaces(child.tail))
        inlines[:1] = [_spaces(inlines[0])] if isinstance(inlines[0], str) else inlines[:1]
        self._paragraph(inlines)

    def _paragraph(self, inlines: list[Inline]) -> None:
        write = self._writer.quote if self._is_quote else self._writer.paragraph
        write(inlines)

    def _list(self, element: "HtmlElement", depth: int) -> None:
        number = _integer(element.get("start"), 1) if _tag(element) == "ol" else None
        for child in element:
            if _tag(child) in ("ul", "ol"):  # invalid, but common: a list directly in a list
                self._list(child, depth + 1)
                continue
            if _tag(child) in _HIDDEN or not _tag(child):
                continue
            self._item(child, depth, number)
            number = None if number is None else number + 1

    def _item(self, item: "HtmlElement", depth: int, number: int | None) -> None:
        """Write an item with the blocks in it: paragraphs are joined, lists are nested, others follow."""
        inlines: list[Inline] = [_spaces(item.text)]
        later: list[HtmlElement] = []
        for child in item:
            if _tag(child) in ("ul", "ol", "pre", "table"):
                later.append(child)
            elif _tag(child) in ("p", "div") and (nested := child.xpath(".//pre | .//table | .//ul | .//ol")):
                inlines += ["\n", *_inlines(child, without=nested)]
                within = set(nested)
                later += [one for one in nested if within.isdisjoint(one.iterancestors())]
            else:
                separator = [] if _tag(child) in _INLINE else ["\n"]
                inlines += [*separator, *_inline(child), *separator]
            inlines.append(_spaces(child.tail))
        self._writer.item(inlines, depth=depth, number=number)
        for child in later:
            if _tag(child) in ("ul", "ol") and depth < _MAX_DEPTH:
                self._list(child, depth + 1)
            else:
                self.write(child, depth + 1)

    def _table(self, table: "HtmlElement", depth: int) -> None:
        rows = [row for row in table.iter("tr") if _closest_table(row) is table]
        captions = [child for child in table if _tag(child) == "caption"]
        for caption in captions:
            self._paragraph(list(_inlines(caption)))
        cells = [[cell for cell in row if _tag(cell) in ("td", "th")] for row in rows]
        if max(map(len, cells), default=0) <= 1 or any(
            cell.find(".//table") is not None for row in cells for cell in row
        ):
            for row in cells:  # a layout, not a table
                for cell in row:
                    self._children(cell, depth + 1)
            return
        self._writer.table(_grid(cells))


def _grid(rows: list[list["HtmlElement"]]) -> Iterator[list[list[Inline]]]:
    """Yield the cells of a table. A cell of several columns or rows is followed, or repeated below, by empty ones."""
    below: dict[int, int] = {}
    for row in rows:
        cells: list[list[Inline]] = []
        for cell in row:
            while below.get(len(cells), 0) > 0:
                below[len(cells)] -= 1
                cells.append([])
            columns = min(_integer(cell.get("colspan"), 1), _MAX_SPAN)
            more_rows = min(_integer(cell.get("rowspan"), 1), _MAX_SPAN) - 1
            for column in range(max(columns, 1)):
                below[len(cells)] = more_rows
                cells.append(list(_inlines(cell, is_cell=True)) if column == 0 else [])
        while below.get(len(cells), 0) > 0:
            below[len(cells)] -= 1
            cells.append([])
        yield cells


def _inlines(
    element: "HtmlElement", *, is_cell: bool = False, without: "list[HtmlElement] | None" = None
) -> Iterator[Inline]:
    """Yield the text, code and links in an element."""
    yield _spaces(element.text)
    for child in element:
        if not (without and child in without):
            is_block = _tag(child) not in _INLINE
            if is_block:
                yield " " if is_cell else "\n"
            yield from _inline(child)
            if is_block:
                yield " " if is_cell else "\n"
        yield _spaces(child.tail)


def _inline(element: "HtmlElement") -> Iterator[Inline]:
    tag = _tag(element)
    if tag in _HIDDEN or tag in ("", "rp"):
        return
    if tag == "br":
        yield "\n"
    elif tag == "img":
        yield _spaces(element.get("alt"))
    elif tag == "math":
        yield _formula(element)
    elif tag in ("code", "kbd", "samp", "tt") and element.find(".//a") is None:
        yield InlineCode(_text(element))
    elif tag == "a" and (target := element.get("href")) and not target.startswith(("#", "javascript:", "data:")):
        yield InlineLink(_text(element), target)
    elif sum(1 for _ in element.iterancestors()) > 2 * _MAX_DEPTH:
        yield _text(element)
    else:
        yield from _inlines(element)


def _item_of_word(paragraph: "HtmlElement") -> tuple[list[Inline], int, int | None] | None:
    """Return the text, depth and number of a paragraph that Word has written for an item of a list."""
    if not _WORD_LIST.match(paragraph.get("class", "")):
        return None
    inlines = list(_inlines(paragraph))
    at = next((index for index, one in enumerate(inlines) if isinstance(one, str) and one.strip()), None)
    if at is None:
        return None
    number = _WORD_NUMBER.match(plain_text(inlines))
    if not number and not _WORD_BULLET.match(plain_text(inlines)):
        return None
    first = inlines[at]
    assert isinstance(first, str)
    inlines[at] = re.sub(r"^\s*(?:\d+[.)]|[^\w\s]|o(?=\s|$))", "", first)
    level = _WORD_LEVEL.search(paragraph.get("style", ""))
    return inlines, int(level[1]) - 1 if level else 0, int(number[1]) if number else None


def _formula(math: "HtmlElement") -> Inline:
    """Return a formula of MathML: its TeX, if it has that, else its characters."""
    for one in math.iter():
        if _tag(one) == "annotation" and "tex" in one.get("encoding", "").lower():
            return InlineCode(_text(one))
    return _text(math)


def _text(element: "HtmlElement") -> str:
    return plain_text([_spaces(text) for text in _texts(element)])


def _texts(element: "HtmlElement") -> Iterator[str]:
    for one in element.iter():
        if _tag(one) == "br":
            yield " "
        if _tag(one) == "img" and one.get("alt"):
            yield one.get("alt", "")
        if _tag(one) and _tag(one) not in _HIDDEN and one.text:
            yield one.text
        if one is not element and one.tail:
            yield one.tail


def _preformatted(element: "HtmlElement") -> str:
    """Return code with its line breaks."""
    pieces: list[str] = []
    for one in element.iter():
        if _tag(one) == "br":
            pieces.append("\n")
        pieces.append(one.text or "" if _tag(one) else "")
        if one is not element:
            if _tag(one) in ("div", "p", "li", "tr") and not (pieces and "".join(pieces[-2:]).endswith("\n")):
                pieces.append("\n")
            pieces.append(one.tail or "")
    return "".join(pieces)


def _language(element: "HtmlElement") -> str:
    """Return the language of code, as highlighters name it in a class."""
    around = [element, *element.iter("code"), *list(element.iterancestors())[:2]]
    for one in around:
        if (language := one.get("data-lang") or one.get("data-language")) and language.isprintable():
            return str(language)
        if found := _CODE_LANGUAGE.search(one.get("class", "")):
            return found[1]
    return ""


def _tag(element: "HtmlElement") -> str:
    """Return an element's name without its namespace, "" for a comment."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _is_inline(element: "HtmlElement") -> bool:
    """Return True for a part of a paragraph. A link around a card is none: it has blocks in it."""
    return all(not (tag := _tag(one)) or tag in _INLINE or tag in _HIDDEN for one in element.iter())


def _closest_table(element: "HtmlElement") -> "HtmlElement | None":
    return next(element.iterancestors("table"), None)


def _spaces(text: str | None) -> str:
    """Collapse the spaces of HTML, where a line break is a space."""
    return re.sub(r"[ \t\n\r\f]+", " ", text or "")


def _integer(value: str | None, default: int) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else default
