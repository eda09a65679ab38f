"""Split parsed documents into chunks: the pieces that are embedded, searched and cited. Pure.

Chunks follow the document's structure:

- A section (a heading and everything below it) that fits in a chunk is one.
- A larger section is split into its own text and its subsections; neighbours are joined up to the target size.
- A section's own text that does not fit is split between its blocks, or inside a block that is too long (`split`).
- A heading, or a line that ends with a colon, stays with what follows. Tiny pieces are joined with a neighbour.

Chunks don't overlap (docs/decisions/0005). Title and headings are embedded with each chunk, so a chunk still has its
context, and splits fall between sentences. A chunk that continues a table is embedded with the table's header, the
first chunk with the front matter's description and tags. Markup isn't embedded, and text without a word is in no chunk.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from operator import attrgetter, itemgetter
from typing import NamedTuple

import msgspec

from functions.collection.chunking.split import Range, TokenizedText
from functions.collection.parsers.markdown.markup import blank
from functions.collection.parsers.markdown.structure import trimmed
from functions.collection.parsers.parse import ParsedDocument
from headwater.embedding.base import CONTEXT_SEPARATOR, Tokenizer, context_parts, input_hash, input_with_context
from headwater.parsers import Block
from headwater.passages import about, excerpt, is_within_word
from headwater.words.analysis import find_emoji

CHUNKER_VERSION = 2
"""Part of each document's fingerprint: raise it when the same document would be split differently."""

MAX_TOKENS = 254
"""Largest chunk, with its header: a passage to cite. Some models read more."""

TARGET_TOKENS = 200
"""Target size of a chunk of several pieces, with its header."""
TINY_TOKENS = 40
HEADER_SHARE = 3
"""Title and headings use at most 1/3 of a chunk's tokens; outer headings are dropped first."""

MAX_HEADER_BYTES = 400
"""The same limit for words of many characters and few tokens: a chunk is stored with its headings."""

MAX_TABLE_HEADER_CHARS = 1_000
"""Longer headers of tables aren't repeated."""

Path = tuple[str, ...]


class Chunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A range `text[start:end]` of a document, embedded as `embedding_input(title, heading_path, excerpt)`.

    The excerpt (`headwater.passages`) is the text without `markup`, pairs of offsets in it, after the text of
    `table_header`, a range of the document. For the first chunk, `about` the front matter is embedded too.
    `token_count` counts the tokens of that input, without the model's special tokens; at most `MAX_TOKENS`.
    """

    ordinal: int
    start: int
    end: int
    heading_path: Path
    input_hash: bytes
    token_count: int
    markup: tuple[int, ...] = ()
    table_header: tuple[int, int] | None = None


class _Header(NamedTuple):
    """The part of a heading path that is embedded, the line with the title and it, and the line's tokens."""

    path: Path
    line: str
    tokens: int


class _Piece(msgspec.Struct, frozen=True, gc=False):
    start: int
    end: int
    path: Path


@dataclass(slots=True)
class _Section:
    """A heading's own blocks (the heading first) and its subsections. The root has the blocks before any heading."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    children: list["_Section"] = field(default_factory=list)
    start: int = 0
    end: int = 0


def chunk(documents: Sequence[ParsedDocument], tokenizer: Tokenizer) -> list[list[Chunk]]:
    """Split documents into chunks. Returns a list for each, by start; together they cover all of its words."""
    counts = _count_parts(documents, tokenizer)
    visible = [blank(document.text, document.markup) if document.markup else document.text for document in documents]
    return [
        _Splitter(document, TokenizedText(text, starts), counts, tokenizer).chunks()
        for document, text, starts in zip(documents, visible, tokenizer.starts(visible), strict=True)
    ]


def _count_parts(documents: Sequence[ParsedDocument], tokenizer: Tokenizer) -> dict[str, int]:
    """Count the tokens of each title and heading, and of the separator between them.

    The tokens of each distinct word are counted once and added up: our tokenizers don't join across spaces.
    """
    paths = {block.heading_path for document in documents for block in document.blocks}
    texts = {heading for path in paths for heading in path} | {document.title for document in documents}
    parts = {" ".join(text.split()) for text in texts}
    parts |= {about(document.front_matter) for document in documents}
    parts.add(CONTEXT_SEPARATOR)
    words = list({word for part in parts for word in part.split()})
    counts = {word: len(starts) for word, starts in zip(words, tokenizer.starts(words), strict=True)}
    return {part: sum(map(counts.__getitem__, part.split())) for part in parts}


def _sections(blocks: Sequence[Block]) -> _Section:
    """Build the tree of sections. A heading without own text becomes the first line of its first subsection."""
    root = _Section(())
    open_sections = [root]
    for block in blocks:
        section = open_sections[-1]
        if block.kind == "heading":
            while len(open_sections) > 1 and len(open_sections[-1].path) >= len(block.heading_path):
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


class _Splitter:
    """Splits one document."""

    def __init__(
        self, document: ParsedDocument, measured: TokenizedText, counts: Mapping[str, int], tokenizer: Tokenizer
    ) -> None:
        self.document = document
        self.measured = measured
        self.counts = counts
        self.tokenizer = tokenizer
        self.max_tokens = min(MAX_TOKENS, tokenizer.max_tokens)
        self.headers: dict[Path, _Header] = {}
        self.about = about(document.front_matter)
        self.blocks = _visible(document.blocks, measured.text) if document.markup else document.blocks
        self.start = self.blocks[0].start if self.blocks else 0
        self.ordinals = count()
        self.tables = [block for block in self.blocks if block.kind == "table"]

    def chunks(self) -> list[Chunk]:
        pieces = self.join_tiny(self.cut(_sections(self.blocks)))
        return [chunk for piece in pieces for chunk in self.to_chunks(piece)]

    def header(self, path: Path) -> _Header:
        """Return what is embedded of a heading path, with the title."""
        header = self.headers.get(path)
        if header is None:
            parts = context_parts(self.document.title, path)
            tokens = self.count_parts(parts)
            if path and (tokens > self.max_tokens // HEADER_SHARE or len("".join(parts).encode()) > MAX_HEADER_BYTES):
                header = self.header(path[1:])
            else:
                header = _Header(path, CONTEXT_SEPARATOR.join(parts), tokens)
            self.headers[path] = header
        return header

    def count_parts(self, parts: Sequence[str]) -> int:
        """Count the tokens of a title and headings in one line."""
        return sum(self.counts[part] for part in parts) + self.counts[CONTEXT_SEPARATOR] * max(0, len(parts) - 1)

    def room(self, path: Path, tokens: int, start: int) -> int:
        """Return how many of `tokens` remain for a text from `start`, after what is embedded before it."""
        return max(tokens - self.header(path).tokens - self.count_introduction(start), 1)

    def count_introduction(self, start: int) -> int:
        """Count the tokens of the front matter or the table's header that a text from `start` is embedded with."""
        count = self.counts[self.about] if start == self.start else 0
        header = self.table_header(start)
        return count + (self.measured.count(*header) if header else 0)

    def table_header(self, start: int) -> Range | None:
        """Return the header of the table that a text from `start` continues, unless it is large."""
        if not self.tables:
            return None
        at = bisect_left(self.tables, start, key=attrgetter("start")) - 1
        if at < 0 or start >= self.tables[at].end:
            return None
        header = self.header_of(self.tables[at])
        return header if header and header[1] < start else None

    def header_of(self, table: Block) -> Range | None:
        """Return the range of a table's first row and the line below it."""
        end = table.start
        for _ in range(2):
            end = self.document.text.find("\n", end + 1, table.end)
            if end < 0:
                return None
        is_short = self.measured.fits(table.start, end, self.max_tokens // HEADER_SHARE)
        return (table.start, end) if is_short and end - table.start <= MAX_TABLE_HEADER_CHARS else None

    def fits(self, start: int, end: int, path: Path) -> bool:
        return self.measured.fits(start, end, self.room(path, self.max_tokens, start))

    def cut(self, section: _Section) -> list[_Piece]:
        """Split a section; the root is the whole document."""
        if not section.blocks and len(section.children) == 1:
            return self.cut(section.children[0])
        if self.fits(section.start, section.end, section.path):
            return [_Piece(section.start, section.end, section.path)] if section.end else []
        groups = [self.cut_own(section), *(self.cut(child) for child in section.children)]
        pieces: list[_Piece] = []
        joinable = False
        for group in groups:
            start = pieces[-1].start if pieces else 0
            room = self.room(section.path, TARGET_TOKENS, start)
            if len(group) == 1 and joinable and self.measured.fits(start, group[0].end, room):
                pieces[-1] = _Piece(start, group[0].end, section.path)
            else:
                pieces += group
                joinable = len(group) == 1
        return pieces

    def cut_own(self, section: _Section) -> list[_Piece]:
        """Split a section's own text, before its first subsection."""
        blocks = section.blocks
        if not blocks:
            return []
        room = self.room(section.path, self.max_tokens, blocks[0].start)
        long_tables = [
            block for block in blocks if block.kind == "table" and not self.measured.fits(block.start, block.end, room)
        ]
        headers = [self.measured.count(*header) for table in long_tables if (header := self.header_of(table))]
        room -= max(headers, default=0)
        target = min(self.room(section.path, TARGET_TOKENS, blocks[0].start) - max(headers, default=0), room)
        ranges = self.measured.join(self.units(blocks, room), (blocks[0].start, blocks[-1].end), room, target)
        return [_Piece(start, end, section.path) for start, end in ranges]

    def units(self, blocks: Sequence[Block], room: int) -> Iterator[Range]:
        """Yield ranges that stay together: blocks with their introduction, or the parts of a block that is too long."""
        introduction: list[Block] = []
        for index, block in enumerate(blocks):
            start = introduction[0].start if introduction else block.start
            beyond = blocks[index + 1].start if index + 1 < len(blocks) else None
            if beyond and self.introduces(block) and self.measured.fits(start, beyond, room // 2):
                introduction.append(block)
                continue
            if self.measured.fits(start, block.end, room):
                yield start, block.end
            else:
                if introduction and introduction[-1].kind != "heading":
                    yield start, introduction[-1].end
                    start = block.start
                used = self.measured.count(start, block.start)
                ranges = self.measured.split(block.start, block.end, block.kind, room - used)
                yield start, next(ranges)[1]
                yield from ranges
            introduction = []

    def introduces(self, block: Block) -> bool:
        return block.kind == "heading" or (block.kind == "text" and self.measured.text[block.end - 1] == ":")

    def join_tiny(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Join tiny pieces with the piece before, or with the one after if they share more headings with that."""
        joined: list[_Piece] = []
        for index, piece in enumerate(pieces):
            if joined:
                before = joined[-1]
                path = _common_headings(before, piece)
                next_path = _common_headings(piece, pieces[index + 1]) if index + 1 < len(pieces) else ()
                is_tiny = self.is_tiny(before) or (self.is_tiny(piece) and len(next_path) <= len(path))
                if is_tiny and self.fits(before.start, piece.end, path):
                    joined[-1] = _Piece(before.start, piece.end, path)
                    continue
            joined.append(piece)
        return joined

    def is_tiny(self, piece: _Piece) -> bool:
        return self.measured.count(piece.start, piece.end) < TINY_TOKENS

    def to_chunks(self, piece: _Piece) -> list[Chunk]:
        """Make a chunk of a piece, or several; none if it has neither a word nor an emoji.

        Tokens are counted again after a split inside a word, and if leaving out markup may join words.
        """
        text, start, end = self.measured.text, piece.start, piece.end
        if not any(map(str.isalnum, text[start:end])) and not find_emoji(text[start:end]):
            return []
        headings, context, tokens = self.header(piece.path)
        markup, header = self.markup_in(start, end), self.table_header(start)
        written = self.document.text[start:end]
        source = input_with_context(
            context,
            excerpt(written, markup, self.document.text[slice(*header)] if header else None),
            self.about if start == self.start else "",
        )
        joins_words = markup and (header or _joins_words(written, markup))
        if not joins_words and _ends_words(text, start, start) and _ends_words(text, end, end):
            tokens += self.measured.count(start, end) + self.count_introduction(start)
        else:
            tokens = len(self.tokenizer.starts([source])[0])
        if tokens > self.max_tokens and end - start > 1:
            middle = (start + end) // 2
            halves = trimmed(text, start, middle), trimmed(text, middle, end)
            return [chunk for half in halves for chunk in self.to_chunks(_Piece(*half, piece.path))]
        return [Chunk(next(self.ordinals), start, end, headings, input_hash(source), tokens, markup, header)]

    def markup_in(self, start: int, end: int) -> tuple[int, ...]:
        """Return the ranges of markup in a range, as offsets in it."""
        markup = self.document.markup
        first = bisect_left(markup, start, key=itemgetter(1))
        offsets: list[int] = []
        for one, other in islice(markup, first, None):
            if one >= end:
                break
            if other > start:
                offsets += max(one, start) - start, min(other, end) - start
        return tuple(offsets)


def _visible(blocks: Sequence[Block], text: str) -> list[Block]:
    """Shrink blocks to what isn't markup; `text` has spaces in place of it."""
    shown: list[Block] = []
    for block in blocks:
        start, end = trimmed(text, block.start, block.end)
        if (start, end) == (block.start, block.end):
            shown.append(block)
        elif start < end:
            shown.append(msgspec.structs.replace(block, start=start, end=end))
    return shown


def _common_headings(one: _Piece, other: _Piece) -> Path:
    """Return the headings that two pieces share."""
    same = 0
    for left, right in zip(one.path, other.path, strict=False):
        if left != right:
            break
        same += 1
    return one.path[:same]


def _joins_words(text: str, markup: Sequence[int]) -> bool:
    """Return True if leaving out markup may join words of an excerpt, or ranges of markup follow each other."""
    position = 0
    for start, end in zip(markup[::2], markup[1::2], strict=True):
        if start and (start == position or not (_ends_words(text, start, end) or is_within_word(text, start, end))):
            return True
        position = end
    return False


def _ends_words(text: str, start: int, end: int) -> bool:
    """Return True if a range is between words. Tokenizers drop control characters and join the text around them."""
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return len(around) < 2 or any(char in " \t\n" or (char > "\x9f" and char.isspace()) for char in around)
