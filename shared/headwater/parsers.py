"""The parser contract: turn the bytes of a file into Markdown text.

Markdown has a built-in parser. An installed package adds one with entry points in the group `headwater.parsers`, each
named by the media type (`application/pdf`) or file extension (`.pdf`) that it reads (docs/extending.md). Every format
becomes Markdown with headings, so that chunking, citing and reading are the same for all of them.
"""

from itertools import pairwise
from typing import Any, Literal, Protocol

import msgspec

from headwater.errors import PermanentError
from headwater.schemas import has_nul

SCANNED_PDF = "application/x-scanned-pdf"
"""The media type of PDF files whose pages are images. No built-in parser reads it; an extension may."""

BlockKind = Literal["heading", "text", "code", "table", "list", "quote", "html", "rule", "jsx"]


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block of a document: `text[start:end]`, without white space at either end.

    `heading_path` has the headings above it, outermost first; a heading's own text is the last of its path.
    """

    kind: BlockKind
    start: int
    end: int
    heading_path: tuple[str, ...]


class Link(msgspec.Struct, frozen=True, gc=False):
    """A link as written: `text[start:end]` is its markup, `target` where it points, with its `#fragment`."""

    kind: Literal["link", "wikilink"]
    target: str
    start: int
    end: int


class Parsed(msgspec.Struct, frozen=True):
    """What a parser returns.

    `text` is Markdown with `\\n` as line break. All offsets are into it, in code points; blocks are in order and don't
    overlap. `markup` has the start and end of what readers don't see, such as comments: it is neither embedded nor
    quoted. Where `blocks`, `links` or `markup` is None, they are read from the text as Markdown.

    `pages` has the offset at which each page or slide begins, if the format has pages: a citation opens its page.

    Without a `title`, the main heading or else the file's name is the title. `warnings` are shown in the run's report.
    """

    text: str
    title: str | None = None
    front_matter: dict[str, Any] = {}
    blocks: tuple[Block, ...] | None = None
    links: tuple[Link, ...] | None = None
    warnings: tuple[str, ...] = ()
    markup: tuple[tuple[int, int], ...] | None = None
    pages: tuple[int, ...] = ()


class Parser(Protocol):
    """A function that parses one file. It uses no clock, network or database.

    `name` is the document's key, such as `docs/install.md`. Raises PermanentError with the reason if the file cannot be
    parsed; the other files of the batch are unaffected.
    """

    def __call__(self, name: str, content: bytes, media_type: str) -> Parsed:
        """Parse one file."""


class OtherParserNeeded(PermanentError):
    """The parser can't read the file, but an extension for `media_type` can, if one is installed."""

    def __init__(self, message: str, media_type: str) -> None:
        super().__init__(message)
        self.media_type = media_type


def check_parsed(parsed: Parsed) -> None:
    """Raise PermanentError for a result that breaks the contract."""
    headings = [block.heading_path for block in parsed.blocks or ()]
    targets = [link.target for link in parsed.links or ()]
    if has_nul((parsed.text, parsed.title, parsed.front_matter, headings, targets, parsed.warnings)):
        raise PermanentError("The parser returned NUL characters.")
    position = 0
    for block in parsed.blocks or ():
        if not position <= block.start < block.end <= len(parsed.text):
            raise PermanentError(f"The parser returned a block at {block.start}:{block.end} out of order or range.")
        if parsed.text[block.start].isspace() or parsed.text[block.end - 1].isspace():
            raise PermanentError(f"The parser returned a block at {block.start}:{block.end} with space at its ends.")
        position = block.end
    position = 0
    for start, end in parsed.markup or ():
        if not position <= start < end <= len(parsed.text):
            raise PermanentError(f"The parser returned markup at {start}:{end} out of order or range.")
        position = end
    if any(not one <= other <= len(parsed.text) for one, other in pairwise((0, *parsed.pages))):
        raise PermanentError("The parser returned pages out of order or range.")
    for link in parsed.links or ():
        if not 0 <= link.start < link.end <= len(parsed.text):
            raise PermanentError(f"The parser returned a link at {link.start}:{link.end} out of range.")
