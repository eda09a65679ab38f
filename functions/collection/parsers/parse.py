"""Complete what a parser returned: blocks, links and a title. Pure."""

from typing import Any

import msgspec

from functions.collection.parsers.encoded_data import hide_encoded_data
from functions.collection.parsers.limits import MAX_PAGES, limit_blocks, limit_front_matter, limit_links, limit_warnings
from functions.collection.parsers.markdown.structure import read_structure
from functions.collection.parsers.title import find_title
from headwater.parsers import Block, Link, Parsed


class ParsedDocument(msgspec.Struct, frozen=True):
    """A document as it is stored and chunked.

    All offsets are into `text`, in code points. `blocks` are in order and don't overlap; text between them is white
    space or, in MDX, JavaScript and tags. `markup` has the ranges that readers don't see. `warnings` are for the run's
    report.
    """

    title: str
    text: str
    front_matter: dict[str, Any]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    warnings: tuple[str, ...]
    markup: tuple[tuple[int, int], ...] = ()
    pages: tuple[int, ...] = ()


def complete(key: str, parsed: Parsed, title: str | None) -> ParsedDocument:
    """Add what a parser left out: blocks, links and a title."""
    blocks, links, markup, warnings = parsed.blocks, parsed.links, parsed.markup, list(parsed.warnings)
    if blocks is None or links is None or markup is None:
        read = read_structure(parsed.text, [] if blocks is not None else warnings)
        blocks = read.blocks if blocks is None else blocks
        links = read.links if links is None else links
        markup = read.markup if markup is None else markup
    blocks, links = limit_blocks(blocks, warnings), limit_links(links, parsed.text, warnings)
    markup = hide_encoded_data(parsed.text, markup, warnings)
    front_matter = limit_front_matter(parsed.front_matter, warnings)
    if not parsed.text or parsed.text.isspace():
        warnings.append("empty file: nothing to search")
    return ParsedDocument(
        title=find_title(key, title or parsed.title, parsed.text, blocks),
        text=parsed.text,
        front_matter=front_matter,
        blocks=blocks,
        links=links,
        warnings=limit_warnings(warnings),
        markup=markup,
        pages=parsed.pages[:MAX_PAGES],
    )
