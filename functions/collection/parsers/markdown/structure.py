"""Read the blocks and links of Markdown and MDX. Blocks are flat, and each has the headings above it. Pure."""

from bisect import bisect_right
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from functions.collection.parsers.limits import TOO_MANY_BLOCKS
from functions.collection.parsers.markdown.containers import unindent_contents
from functions.collection.parsers.markdown.markup import Range, find_markup
from headwater.parsers import Block, BlockKind, Link

if TYPE_CHECKING:
    from functions.collection.parsers.markdown.commonmark import Span, Structure

_SHORTEST_DEFINITION = len("[a]:b")


class PageStructure(NamedTuple):
    """The blocks and links of a page, each in order, and the ranges of its markup."""

    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    markup: tuple[Range, ...]


def read_structure(text: str, warnings: list[str], *, mdx: bool = False) -> PageStructure:
    """Read the structure of Markdown text. Adds a warning if it has too many blocks."""
    from functions.collection.parsers.markdown.commonmark import parse_markdown

    components: list[Range] = []
    hidden: list[Range] = []
    visible = text
    if mdx:
        from functions.collection.parsers.markdown.mdx import read_mdx

        page = read_mdx(text)
        markdown, visible, components, hidden, cuts = page
    else:
        markdown, cuts = unindent_contents(text)
    structure = parse_markdown(markdown, cuts.original if cuts else None)
    code = [(span.start, span.end) for span in (*structure.blocks, *structure.nested) if span.kind == "code"]
    code += [(span.start, span.end) for span in structure.code_spans]
    markup = find_markup(visible, sorted(code), [*hidden, *cuts.ranges()])
    structure = _without_comments(structure, markup.comments)
    blocks = _add_components(_flatten(visible, structure), components)
    if structure.is_cut:
        warnings.append(TOO_MANY_BLOCKS)
    return PageStructure(tuple(blocks), tuple(structure.links), tuple(markup.hidden))


def _without_comments(structure: "Structure", comments: list[Range]) -> "Structure":
    """Leave out the blocks and links in comments: their text becomes text between blocks."""
    if not comments:
        return structure

    def is_shown(place: "Span | Link") -> bool:
        before = bisect_right(comments, place.start, key=itemgetter(0))
        return not before or place.end > comments[before - 1][1]

    return structure._replace(
        blocks=[span for span in structure.blocks if span.kind == "html" or is_shown(span)],
        links=[link for link in structure.links if is_shown(link)],
    )


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
