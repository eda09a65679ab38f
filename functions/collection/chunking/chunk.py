"""The `chunk` stage: parsed pages flow in; for each, the pieces that are embedded, searched and cited flow out.

Called by the `fetch` step with a batch of pages. Pure. A chunk follows the page's structure:

- A section (a heading and all beneath it) that fits the model is one chunk.
- One that doesn't is its own text and its subsections; neighbours among these are joined while under the target.
- A section's own text that doesn't fit is cut between its blocks, or inside one that doesn't fit by itself (`split`).
- A heading, or a line that ends in a colon, goes with what it introduces. What is tiny is joined with a neighbour.

Chunks don't overlap. Title and headings are embedded with each, so that one cut off from its page still says where it
stands; cuts fall between sentences; and text that is stored, paid for and shown twice has to earn it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from functions.collection.chunking.split import Measured, Range
from functions.collection.parsers.markdown.blocks import trimmed
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.base import Tokenizer, embedding_input, input_hash
from headwater.parsers import Block

CHUNKER_VERSION = 1
"""Part of each document's fingerprint: raise it when the same page would be cut differently."""

TARGET_TOKENS = 200
"""What a chunk of many pieces aims for, its header included."""
TINY_TOKENS = 40
HEADER_SHARE = 3
"""Title and headings may use one in so many of the model's tokens; the outermost headings are left out first."""

Path = tuple[str, ...]


class Chunk(msgspec.Struct, frozen=True):
    """`text[start:end]` of a page, and what of it is embedded: `embedding_input(title, heading_path, text[start:end])`.

    `token_count` counts the tokens of all of that, without the model's special ones; it never exceeds `max_tokens`.
    """

    ordinal: int
    start: int
    end: int
    heading_path: Path
    input_hash: bytes
    token_count: int


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    path: Path


@dataclass(slots=True)
class _Section:
    """A heading's own blocks (the heading first) and its subsections; the root's blocks stand before any heading."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    children: list["_Section"] = field(default_factory=list)
    start: int = 0
    end: int = 0


def chunk(parsed: Sequence[ParsedDocument], tokenizer: Tokenizer) -> list[list[Chunk]]:
    """Cut pages into chunks: one list per page, by start, together covering all of its blocks."""
    headers = _count_headers(parsed, tokenizer)
    texts = tokenizer.starts([page.text for page in parsed])
    return [
        _Plan(page, Measured(page.text, starts), counts, tokenizer).chunks()
        for page, starts, counts in zip(parsed, texts, headers, strict=True)
    ]


def _count_headers(parsed: Sequence[ParsedDocument], tokenizer: Tokenizer) -> list[dict[Path, int]]:
    """Count, for each page, the tokens of its title with each of its heading paths.

    Headers are counted by their words, which are few and come again and again: no tokenizer here joins across spaces.
    """
    headers = [
        {
            path: embedding_input(page.title, path, "").split()
            for path in {(), *(block.heading_path for block in page.blocks)}
        }
        for page in parsed
    ]
    words = list({word for paths in headers for header in paths.values() for word in header})
    counts = {word: len(starts) for word, starts in zip(words, tokenizer.starts(words), strict=True)}
    return [{path: sum(map(counts.__getitem__, header)) for path, header in paths.items()} for paths in headers]


def _sections(blocks: Sequence[Block]) -> _Section:
    """Build the tree of sections; a heading without text of its own is the first line of its first subsection."""
    root = _Section(())
    open_sections = [root]
    for block in blocks:
        section = open_sections[-1]
        if block.kind == "heading":
            while len(open_sections) > 1 and len(open_sections[-1].path) >= max(1, len(block.heading_path)):
                open_sections.pop()
            child = _Section(block.heading_path)
            if open_sections[-1] is section and all(own.kind == "heading" for own in section.blocks):
                child.blocks, section.blocks = section.blocks, []
            open_sections[-1].children.append(child)
            open_sections.append(child)
            section = child
        section.blocks.append(block)
    _measure(root)
    return root


def _measure(section: _Section) -> None:
    for child in section.children:
        _measure(child)
    parts: list[Block | _Section] = [*section.blocks[:1], *section.children[:1]]
    if parts:
        section.start = parts[0].start
        section.end = (section.children or section.blocks)[-1].end


class _Plan:
    """How one page is cut."""

    def __init__(self, page: ParsedDocument, measured: Measured, counts: dict[Path, int], tokenizer: Tokenizer) -> None:
        self.page = page
        self.measured = measured
        self.counts = counts
        self.tokenizer = tokenizer
        self.headers: dict[Path, tuple[Path, int]] = {}

    def chunks(self) -> list[Chunk]:
        pieces = self.without_tiny(self.cut(_sections(self.page.blocks)))
        settled = [chunk for piece in pieces for chunk in self.settle(piece)]
        return [msgspec.structs.replace(chunk, ordinal=ordinal) for ordinal, chunk in enumerate(settled)]

    def header(self, path: Path) -> tuple[Path, int]:
        """Return what is embedded of a heading path, and the tokens of the title and that."""
        known = self.headers.get(path)
        if known is None:
            shown, tokens = path, self.counts[path]
            while shown and tokens > self.tokenizer.max_tokens // HEADER_SHARE:
                shown = shown[1:]
                tokens = len(self.tokenizer.starts([embedding_input(self.page.title, shown, "")])[0])
            known = self.headers[path] = (shown, tokens)
        return known

    def room(self, path: Path, tokens: int) -> int:
        """Count what is left for text under a heading path when `tokens` is for all of it."""
        return max(tokens - self.header(path)[1], 1)

    def fits(self, start: int, end: int, path: Path) -> bool:
        return self.measured.fits(start, end, self.room(path, self.tokenizer.max_tokens))

    def cut(self, section: _Section) -> list[_Piece]:
        """Cut a section, the whole page for the root's."""
        if not section.blocks and len(section.children) == 1:
            return self.cut(section.children[0])
        if self.fits(section.start, section.end, section.path):
            return [_Piece(section.start, section.end, section.path)] if section.end else []
        groups = [self.cut_own(section), *(self.cut(child) for child in section.children)]
        pieces: list[_Piece] = []
        room = self.room(section.path, TARGET_TOKENS)
        joinable = False
        for group in groups:
            if len(group) == 1 and joinable and self.measured.fits(pieces[-1].start, group[0].end, room):
                pieces[-1] = _Piece(pieces[-1].start, group[0].end, section.path)
            else:
                pieces += group
                joinable = len(group) == 1
        return pieces

    def cut_own(self, section: _Section) -> list[_Piece]:
        """Cut what stands under a heading before its first subsection."""
        room = self.room(section.path, self.tokenizer.max_tokens)
        target = min(self.room(section.path, TARGET_TOKENS), room)
        ranges = self.measured.join(list(self.units(section.blocks, room)), room, target)
        return [_Piece(start, end, section.path) for start, end in ranges]

    def units(self, blocks: Sequence[Block], room: int) -> Iterator[Range]:
        """Yield what stays together: blocks with what introduces them, or the parts of those that are too long."""
        lead: list[Block] = []
        for index, block in enumerate(blocks):
            start = lead[0].start if lead else block.start
            beyond = blocks[index + 1].start if index + 1 < len(blocks) else None
            if beyond and self.introduces(block) and self.measured.fits(start, beyond, room // 2):
                lead.append(block)
                continue
            if self.measured.fits(start, block.end, room):
                yield start, block.end
            else:
                if lead and lead[-1].kind != "heading":
                    yield start, lead[-1].end
                    start = block.start
                taken = self.measured.count(start, block.start)
                first, *rest = self.measured.split(block.start, block.end, block.kind, room - taken)
                yield start, first[1]
                yield from rest
            lead = []

    def introduces(self, block: Block) -> bool:
        return block.kind == "heading" or (block.kind == "text" and self.page.text[block.end - 1] == ":")

    def without_tiny(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Join what is tiny with the piece before it, or after it where that stands nearer in the tree of headings."""
        kept: list[_Piece] = []
        for index, piece in enumerate(pieces):
            if kept:
                before = kept[-1]
                path = _common(before, piece)
                nearer = index + 1 < len(pieces) and len(_common(piece, pieces[index + 1])) > len(path)
                wanted = self.tiny(before) or (self.tiny(piece) and not nearer)
                if wanted and self.fits(before.start, piece.end, path):
                    kept[-1] = _Piece(before.start, piece.end, path)
                    continue
            kept.append(piece)
        return kept

    def tiny(self, piece: _Piece) -> bool:
        return self.measured.count(piece.start, piece.end) < TINY_TOKENS

    def settle(self, piece: _Piece) -> list[Chunk]:
        """Make a chunk of a piece; one cut inside a word is counted anew: part of a word may have other tokens."""
        text = self.page.text
        shown, tokens = self.header(piece.path)
        source = embedding_input(self.page.title, shown, text[piece.start : piece.end])
        if _ends_words(text, piece.start) and _ends_words(text, piece.end):
            tokens += self.measured.count(piece.start, piece.end)
        else:
            tokens = len(self.tokenizer.starts([source])[0])
            if tokens > self.tokenizer.max_tokens and piece.end - piece.start > 1:
                middle = (piece.start + piece.end) // 2
                halves = trimmed(text, piece.start, middle), trimmed(text, middle, piece.end)
                return [chunk for half in halves for chunk in self.settle(_Piece(*half, piece.path))]
        return [Chunk(0, piece.start, piece.end, shown, input_hash(source), tokens)]


def _common(one: _Piece, other: _Piece) -> Path:
    """Return the headings that two pieces stand under together."""
    same = 0
    for left, right in zip(one.path, other.path, strict=False):
        if left != right:
            break
        same += 1
    return one.path[:same]


def _ends_words(text: str, at: int) -> bool:
    """Tell whether no word goes on across a cut; tokenizers drop other control characters and join what they part."""
    around = text[max(at - 1, 0) : at + 1]
    return len(around) < 2 or any(char in " \t\n" or (char > "\x9f" and char.isspace()) for char in around)
