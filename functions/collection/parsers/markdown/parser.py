"""The Markdown parser: front matter, blocks and links of Markdown and MDX files. Pure.

Parsing never fails: what is not valid Markdown is text. Only binary files are refused.
"""

from typing import Any

from functions.collection.parsers.markdown.blocks import read_blocks
from functions.collection.parsers.markdown.front_matter import read_front_matter
from functions.collection.parsers.markdown.inline import find_links, find_references
from functions.collection.parsers.markdown.mdx import blank_jsx
from functions.collection.parsers.text_encoding import decode_text
from headwater.parsers import Block, Link, Parsed

READS = ("text/markdown", "text/mdx", ".md", ".mdx")
"""Media types and file extensions; other text files are parsed as Markdown too."""

VERSION = 1
"""Part of each document's fingerprint: raise it when the same bytes would be parsed differently."""


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a Markdown or MDX file. Raises PermanentError for a binary file."""
    decoded, warnings = decode_text(content)
    front_matter, body_start, problem = read_front_matter(decoded)
    text = decoded[body_start:] if body_start else decoded
    if problem:
        warnings.append(problem)
    mdx = name.lower().endswith(".mdx") or media_type.partition(";")[0].strip().lower() == "text/mdx"
    blocks, links = read_structure(text, mdx=mdx)
    return Parsed(text, _title(front_matter), front_matter, blocks, links, tuple(warnings))


def read_structure(text: str, *, mdx: bool = False) -> tuple[tuple[Block, ...], tuple[Link, ...]]:
    """Read the blocks and links of Markdown text."""
    visible, components = blank_jsx(text) if mdx else (text, [])
    references = find_references(visible, 0, len(visible))
    blocks = _with_components(read_blocks(visible, mdx=mdx, references=references), components)
    links = [
        link
        for block in blocks
        if block.kind not in ("code", "html", "jsx", "rule")
        for link in find_links(visible, block.start, block.end, references)
    ]
    return tuple(blocks), tuple(links)


def _title(front_matter: dict[str, Any]) -> str | None:
    title = front_matter.get("title")
    if isinstance(title, str | int | float) and not isinstance(title, bool):
        return str(title)
    return None


def _with_components(blocks: list[Block], components: list[tuple[int, int]]) -> list[Block]:
    """Add components that hold sentences as blocks, except those inside a block, which has their text already."""
    if not components:
        return blocks
    merged: list[Block] = []
    jsx = [Block("jsx", start, end, ()) for start, end in components]
    for block in sorted([*blocks, *jsx], key=lambda block: block.start):
        before = merged[-1] if merged else None
        if block.kind != "jsx":
            merged.append(block)
        elif before is None or before.end <= block.start:
            merged.append(Block("jsx", block.start, block.end, before.heading_path if before else ()))
    return merged
