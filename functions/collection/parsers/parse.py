"""Complete what a parser returned: blocks, links and a title. Pure."""

import re
from pathlib import PurePosixPath
from typing import Any

import msgspec

from functions.collection.parsers.limits import limit_blocks, limit_front_matter, limit_links, limit_warnings
from functions.collection.parsers.markdown.structure import read_structure
from headwater.parsers import Block, Link, Parsed

MAX_TITLE_BYTES = 160
"""A token is at least one byte, so the title leaves room for a chunk's text in the smallest model (254 tokens)."""

_NO_TITLE = frozenset({"index", "readme"})
_SEPARATORS = re.compile(r"[\s_-]+")


class ParsedDocument(msgspec.Struct, frozen=True):
    """A document as it is stored and chunked.

    All offsets are into `text`, in code points. `blocks` are in order and don't overlap; text between them is white
    space or, in MDX, JavaScript and tags. `warnings` are for the run's report.
    """

    title: str
    text: str
    front_matter: dict[str, Any]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    warnings: tuple[str, ...]


def complete(key: str, parsed: Parsed, title: str | None) -> ParsedDocument:
    """Add what a parser left out: blocks, links and a title."""
    blocks, links, warnings = parsed.blocks, parsed.links, list(parsed.warnings)
    if blocks is None or links is None:
        read_blocks, read_links = read_structure(parsed.text, warnings)
        blocks, links = read_blocks if blocks is None else blocks, read_links if links is None else links
    blocks, links = limit_blocks(blocks, warnings), limit_links(links, parsed.text, warnings)
    front_matter = limit_front_matter(parsed.front_matter, warnings)
    if not parsed.text or parsed.text.isspace():
        warnings.append("empty file: nothing to search")
    return ParsedDocument(
        title=_limit(title) if title else _find_title(key, parsed.title, blocks),
        text=parsed.text,
        front_matter=front_matter,
        blocks=blocks,
        links=links,
        warnings=limit_warnings(warnings),
    )


def _find_title(key: str, given: str | None, blocks: tuple[Block, ...]) -> str:
    """Return the parser's title, else the first heading, else the file's name made readable."""
    if given and (title := " ".join(given.split())):
        return _limit(title)
    for block in blocks:
        if block.kind == "heading" and block.heading_path:
            return _limit(block.heading_path[-1])
    path = PurePosixPath(key)
    name = path.parent.name if path.stem.lower() in _NO_TITLE and path.parent.name else path.stem
    words = _SEPARATORS.sub(" ", name).strip()
    return _limit(words[:1].upper() + words[1:] or key)


def _limit(title: str) -> str:
    """Cut a long title after the last word that fits, or else after a character."""
    if len(title.encode()) <= MAX_TITLE_BYTES:
        return title
    cut = title.encode()[: MAX_TITLE_BYTES - 3].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return (words if len(words) > len(cut) // 2 else cut).rstrip() + "…"
