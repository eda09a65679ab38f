"""Read the blocks and links of Markdown and MDX. Blocks are flat, and each has the headings above it. Pure."""

from typing import TYPE_CHECKING

from functions.collection.parsers.limits import TOO_MANY_BLOCKS
from headwater.parsers import Block, BlockKind, Link

if TYPE_CHECKING:
    from functions.collection.parsers.markdown.commonmark import Span, Structure

_SHORTEST_DEFINITION = len("[a]:b")


def read_structure(text: str, warnings: list[str], *, mdx: bool = False) -> tuple[tuple[Block, ...], tuple[Link, ...]]:
    """Read the blocks and links of Markdown text, each in order. Adds a warning if it has too many blocks."""
    from functions.collection.parsers.markdown.commonmark import parse_markdown

    if mdx:
        from functions.collection.parsers.markdown.mdx import read_mdx

        page = read_mdx(text)
        structure = parse_markdown(page.markdown, page.original)
        blocks = _add_components(_flatten(page.visible, structure), page.components)
    else:
        structure = parse_markdown(text)
        blocks = _flatten(text, structure)
    if structure.is_cut:
        warnings.append(TOO_MANY_BLOCKS)
    return tuple(blocks), tuple(structure.links)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a range so that it neither begins nor ends with white space."""
    if start < end and (text[start].isspace() or text[end - 1].isspace()):
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = max(start, end - (len(piece) - len(piece.rstrip())))
    return start, end


def _flatten(text: str, structure: "Structure") -> list[Block]:
    """Cut lists and quotes around the code and tables in them, and add the text between blocks: link definitions."""
    blocks: list[Block] = []
    path: tuple[str, ...] = ()

    def add(kind: BlockKind, start: int, end: int) -> None:
        start, end = trimmed(text, start, end)
        if start < end:
            blocks.append(Block(kind, start, end, path))

    headings: list[Span] = []
    nested = structure.nested[::-1]
    position = 0
    for span in structure.blocks:
        if span.start - position >= _SHORTEST_DEFINITION:
            add("text", position, span.start)
        if span.kind == "heading":
            while headings and headings[-1].level >= span.level:
                headings.pop()
            headings.append(span)
            path = tuple(heading.title for heading in headings if heading.title)
        position = span.start
        while nested and nested[-1].start < span.end:
            inner = nested.pop()
            first = text.rfind("\n", position, inner.start) + 1 or position
            last = text.find("\n", inner.end - 1, span.end)
            add(span.kind, position, first)
            position = last if last >= 0 else span.end
            add(inner.kind, first, position)
        add(span.kind, position, span.end)
        position = span.end
    add("text", position, len(text))
    return blocks


def _add_components(blocks: list[Block], components: list[tuple[int, int]]) -> list[Block]:
    """Add JSX components as blocks, except those inside a block, which includes their text."""
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
