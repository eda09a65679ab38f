"""The block structure of Markdown: a page's text flows in; blocks in order, each with its headings, flow out.

Called by `parse`; `scan` finds the blocks' lines.
"""

from collections.abc import Mapping
from itertools import accumulate

from functions.collection.parsers.markdown.inline import plain_text
from functions.collection.parsers.markdown.scan import ATX, Scanner
from headwater.parsers import Block


def read_blocks(text: str, *, mdx: bool, references: Mapping[str, str]) -> list[Block]:
    """Read a page's blocks in order. MDX has neither indented code nor HTML; its JSX must have been blanked out before.

    `references` are the page's link definitions: they decide what in a heading is a link and what only brackets.
    """
    lines = text.split("\n")
    offsets = [0, *accumulate(map(len, lines))]  # without line breaks: line n starts at offsets[n] + n
    blocks: list[Block] = []
    headings: list[tuple[int, str]] = []
    path: tuple[str, ...] = ()
    for kind, first, last, level in Scanner(lines, mdx=mdx).run():
        start, end = trimmed(text, offsets[first] + first, offsets[last] + last - 1)
        if start >= end:
            continue
        if kind == "heading":
            while headings and headings[-1][0] >= level:
                headings.pop()
            headings.append((level, plain_text(_heading_markup(text[start:end]), references)))
            path = tuple(heading for _, heading in headings if heading)
        blocks.append(Block(kind, start, end, path))
    return blocks


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a range to its first and last characters that aren't space."""
    if start < end and (text[start].isspace() or text[end - 1].isspace()):
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = max(start, end - (len(piece) - len(piece.rstrip())))
    return start, end


def _heading_markup(written: str) -> str:
    """Take the inline part out of `## Heading ##`, or out of lines with an underline."""
    opening = ATX.match(written)
    if not opening:
        return written.rpartition("\n")[0]
    text = written[opening.end(1) :].strip(" \t")
    unclosed = text.rstrip("#")
    return text if unclosed and unclosed[-1] not in " \t" else unclosed
