"""Write Markdown with its blocks, links and pages: for parsers of other formats. Pure.

Text that would be Markdown syntax is escaped, and the backslashes are markup: the reading view shows the text as it
was, and what is searched and quoted has no backslash.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from headwater.errors import PermanentError
from headwater.parsers import Block, BlockKind, Link, Parsed

MAX_TEXT_CHARS = 30_000_000
"""Longest text of one file. A small compressed file may have any."""

_MAX_LIST_DEPTH = 10

_LONG_TARGET_CHARS = 200
"""Addresses of this length are markup, as in Markdown files."""

_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SYNTAX = (
    r"[\\`*\[~]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)"
    r"|^(?:#(?=#{0,5}(?:[ \t]|$))|>|[-+](?=[-\s|:]|$)|=(?==*[ \t]*$)|\|(?=[ \t]*:?-)|:(?=-)|\d{1,9}[.)](?=\s|$))"
)
"""Characters that are Markdown syntax where they are; the last character of a match is escaped."""
_IN_TEXT = re.compile(_SYNTAX, re.MULTILINE)
_IN_CELL = re.compile(rf"\||{_SYNTAX}", re.MULTILINE)
_IN_LABEL = re.compile(rf"[\]|]|{_SYNTAX}", re.MULTILINE)
_UNSAFE_IN_TARGET = re.compile(r"[\x00-\x20<>\\|]")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


class InlineLink(msgspec.Struct, frozen=True):
    """A link in a paragraph."""

    label: str
    target: str


class InlineCode(msgspec.Struct, frozen=True):
    """Code in a paragraph."""

    text: str


class PageBreak(msgspec.Struct, frozen=True):
    """The next page begins here, within a paragraph."""


class _OpenList(msgspec.Struct):
    """The list that the next item belongs to. `depth` is that of its last item."""

    start: int
    is_numbered: bool
    depth: int = -1


Inline = str | InlineLink | InlineCode | PageBreak
Text = str | Sequence[Inline]


class MarkdownWriter:
    """Writes a document block by block, separated by blank lines. Items of one list are one block."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._links: list[Link] = []
        self._markup: list[tuple[int, int]] = []
        self._headings: list[tuple[int, str]] = []
        self._pages: list[int] = []
        self._pending_pages = 0
        self._list: _OpenList | None = None
        self.warnings: list[str] = []

    @property
    def is_empty(self) -> bool:
        """True if nothing has been written."""
        return not self._length

    def page(self) -> None:
        """Begin the next page with the next block."""
        self._pending_pages += 1

    def heading(self, level: int, text: Text) -> None:
        """Write a heading of level 1 to 6, in one line."""
        title = " ".join(plain_text(text).split())
        if not title:
            return
        level = min(max(level, 1), 6)
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        start = self._begin()
        self._headings.append((level, title))
        self._write("#" * level + " ")
        self._write_inlines([title])
        self._end("heading", start)

    def paragraph(self, text: Text, *, kind: BlockKind = "text") -> None:
        """Write a paragraph. Its line breaks are kept, empty lines are not."""
        inlines = _tidy(text)
        if inlines:
            start = self._begin()
            self._write_inlines(inlines)
            self._end(kind, start)

    def quote(self, text: Text) -> None:
        """Write a quoted paragraph."""
        inlines = _tidy(text)
        if inlines:
            start = self._begin()
            self._write("> ")
            self._write_inlines([one.replace("\n", " ") if isinstance(one, str) else one for one in inlines])
            self._end("quote", start)

    def item(self, text: Text, *, depth: int = 0, number: int | None = None) -> None:
        """Write an item of a list. `depth` is the number of lists around its list."""
        inlines = _tidy(text)
        if not inlines:
            return
        if self._list and depth == 0 and self._list.is_numbered != (number is not None):
            self._close_list()
        if self._list is None:
            self._list = _OpenList(self._begin(), number is not None)
        else:
            self._write("\n")
            self._mark_pages()
        self._list.depth = min(depth, self._list.depth + 1, _MAX_LIST_DEPTH)
        marker = "-" if number is None else f"{number}."
        indent = " " * (4 * self._list.depth)
        self._write(f"{indent}{marker} ")
        continued = indent + " " * (len(marker) + 1)
        self._write_inlines([one.replace("\n", "\n" + continued) if isinstance(one, str) else one for one in inlines])

    def code(self, text: str, language: str = "") -> None:
        """Write a block of code."""
        text = _clean(text).expandtabs(4).strip("\n").rstrip()
        if not text.strip():
            return
        start = self._begin()
        ticks = max((len(run) for run in re.findall("`+", text)), default=0)
        fence = "`" * max(3, ticks + 1)
        self._write(f"{fence}{language if _LANGUAGE.fullmatch(language) else ''}\n{text}\n{fence}")
        self._end("code", start)

    def table(self, rows: Iterable[Sequence[Text]]) -> None:
        """Write a table. The first row is its header; short rows are filled."""
        cells = [[_one_line(cell) for cell in row] for row in rows]
        cells = [row for row in cells if any(row)]
        width = max(map(len, cells), default=0)
        while width and not any(row[width - 1 : width] and row[width - 1] for row in cells):
            width -= 1
        if not width:
            return
        start = self._begin()
        for index, row in enumerate(cells):
            self._write("\n|" if index else "|")
            for column in range(width):
                self._write(" ")
                if column < len(row):
                    self._write_inlines(row[column], _IN_CELL)
                self._write(" |")
            if index == 0:
                self._write("\n|" + " --- |" * width)
        self._end("table", start)

    def finish(self, title: str | None = None, front_matter: dict[str, Any] | None = None) -> Parsed:
        """Return what was written."""
        self._close_list()
        self._mark_pages()
        return Parsed(
            text="".join(self._parts),
            title=_clean(title).strip() if title else None,
            front_matter=front_matter or {},
            blocks=tuple(self._blocks),
            links=tuple(self._links),
            warnings=tuple(dict.fromkeys(self.warnings)),
            markup=tuple(self._markup),
            pages=tuple(self._pages),
        )

    def _begin(self) -> int:
        self._close_list()
        if self._length:
            self._write("\n\n")
        self._mark_pages()
        return self._length

    def _mark_pages(self) -> None:
        self._pages += [self._length] * self._pending_pages
        self._pending_pages = 0

    def _close_list(self) -> None:
        if self._list:
            start, self._list = self._list.start, None
            self._end("list", start)

    def _end(self, kind: BlockKind, start: int) -> None:
        self._blocks.append(Block(kind, start, self._length, tuple(title for _, title in self._headings)))

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > MAX_TEXT_CHARS:
            raise PermanentError(f"its text has more than {MAX_TEXT_CHARS:,} characters")

    def _write_inlines(self, inlines: Sequence[Inline], syntax: re.Pattern[str] = _IN_TEXT) -> None:
        for inline in inlines:
            match inline:
                case str():
                    self._write_escaped(inline, syntax)
                case InlineCode(text):
                    self._write_code(text, is_cell=syntax is _IN_CELL)
                case InlineLink():
                    self._write_link(inline)
                case PageBreak():
                    self._pages.append(self._length)

    def _write_escaped(self, text: str, syntax: re.Pattern[str]) -> None:
        position = 0
        for match in syntax.finditer(text):
            at = match.end() - 1
            self._write(text[position:at])
            self._write_markup("\\")
            position = at
        self._write(text[position:])

    def _write_markup(self, text: str) -> None:
        self._write(text)
        self._markup.append((self._length - len(text), self._length))

    def _write_code(self, text: str, *, is_cell: bool) -> None:
        ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
        space = " " if text.startswith("`") or text.endswith("`") else ""
        self._write(ticks + space)
        pieces = text.split("|") if is_cell else [text]
        for index, piece in enumerate(pieces):
            if index:
                self._write_markup("\\")
                self._write("|")
            self._write(piece)
        self._write(space + ticks)

    def _write_link(self, link: InlineLink) -> None:
        start = self._length
        target = _UNSAFE_IN_TARGET.sub(lambda match: f"%{ord(match[0]):02X}", link.target)
        target = f"<{target}>" if "(" in target or ")" in target else target
        self._write("[")
        self._write_escaped(link.label, _IN_LABEL)
        if len(target) < _LONG_TARGET_CHARS:
            self._write(f"]({target})")
        else:
            self._write("]")
            self._write_markup(f"({target})")
        self._links.append(Link("link", link.target, start, self._length))


def plain_text(text: Text) -> str:
    """Return a text without links and code marks."""
    if isinstance(text, str):
        return _clean(text)
    return "".join(_plain(inline) for inline in text)


def _plain(inline: Inline) -> str:
    match inline:
        case str():
            return _clean(inline)
        case InlineCode(text):
            return _clean(text)
        case InlineLink(label):
            return _clean(label)
    return ""


def _clean(text: str) -> str:
    """Remove what is not text: control characters and halves of surrogate pairs. NUL separates words."""
    return _CONTROLS.sub("", text.replace("\0", " "))


def _tidy(text: Text) -> list[Inline]:
    """Collapse spaces, and drop them at both ends and around line breaks; drop empty lines. [] for no text."""
    tidy: list[Inline] = []
    ends_with = "\n"
    for inline in [text] if isinstance(text, str) else _with_spaces_outside(text):
        piece = _tidy_inline(inline, ends_with)
        if piece is None:
            continue
        tidy.append(piece)
        if not isinstance(piece, PageBreak):
            ends_with = piece[-1] if isinstance(piece, str) else "."
    for index in reversed(range(len(tidy))):
        piece = tidy[index]
        if isinstance(piece, str):
            tidy[index] = piece.rstrip()
        if tidy[index] and not isinstance(piece, PageBreak):
            return tidy
    return []


def _with_spaces_outside(inlines: Sequence[Inline]) -> Iterator[Inline]:
    """Put the spaces at the ends of links around them."""
    for inline in inlines:
        if isinstance(inline, InlineLink) and inline.label != inline.label.strip():
            yield from (" ", inline, " ")
        else:
            yield inline


def _tidy_inline(inline: Inline, ends_with: str) -> Inline | None:
    """Collapse the spaces of an inline that follows a character. None for no text."""
    match inline:
        case str():
            piece = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", _clean(inline)))
            piece = piece.lstrip() if ends_with == "\n" else piece
            piece = piece[1:] if ends_with == " " and piece.startswith(" ") else piece
            return piece or None
        case InlineCode(code):
            words = " ".join(_clean(code).split())
            return InlineCode(words) if words else None
        case InlineLink(label, target):
            words = " ".join(_clean(label).split())
            return (InlineLink(words, _clean(target).strip()) if target.strip() else words) if words else None
    return inline


def _one_line(text: Text) -> list[Inline]:
    return [one.replace("\n", " ") if isinstance(one, str) else one for one in _tidy(text)]
