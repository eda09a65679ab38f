"""Split a block that is too long for one chunk at the best places, and join short ranges.

A block is split where its kind allows (blank lines of code, rows of a table, items of a list, sentences of text),
then at lines, then at words; a single long word is cut at the limit. Ranges don't overlap, and have no white space at
their ends.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from functions.collection.parsers.markdown.structure import trimmed
from headwater.parsers import BlockKind

MAX_CHARS = 4_000
"""Longest chunk, independent of its number of tokens: a word of any length may be one unknown token."""

_PARAGRAPH = re.compile(r"\n[ \t>]*+\n\s*+")
_LINE = re.compile(r"\n\s*+")
_ITEM = re.compile(r"\n(?=[ \t]*+(?:[-+*]|\d{1,9}[.)])[ \t])")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]*_]*+\s++(?=[^a-z])|[。！？]++")  # noqa: RUF001 (CJK's own full stops)
_WORD = re.compile(r"\s++")

_PROSE = (_PARAGRAPH, _SENTENCE, _LINE, _WORD)
_SEPARATORS: dict[BlockKind, tuple[re.Pattern[str], ...]] = {
    "code": (_PARAGRAPH, _LINE, _WORD),
    "jsx": (_PARAGRAPH, _LINE, _SENTENCE, _WORD),
    "table": (_LINE, _SENTENCE, _WORD),
    "list": (_PARAGRAPH, _ITEM, _SENTENCE, _LINE, _WORD),
}

Range = tuple[int, int]


class TokenizedText:
    """A text and the offsets of its tokens, to count the tokens of a range without tokenising again.

    Counts are exact for ranges that end at white space: our tokenizers don't join across it.
    """

    def __init__(self, text: str, starts: Sequence[int]) -> None:
        self.text = text
        self.starts = starts

    def index(self, at: int) -> int:
        """Return the index of the first token that starts at or after an offset."""
        return bisect_left(self.starts, at)

    def count(self, start: int, end: int) -> int:
        """Count the tokens that start in a range."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)

    def fits(self, start: int, end: int, room: int) -> bool:
        """Return True if a range has at most `room` tokens and `MAX_CHARS` characters."""
        return end - start <= MAX_CHARS and self.count(start, end) <= room

    def split(self, start: int, end: int, kind: BlockKind, room: int) -> Iterator[Range]:
        """Split a block into ranges of at most `room` tokens; many are far shorter and meant to be joined."""
        return self._split(start, end, _SEPARATORS.get(kind, _PROSE), room)

    def _split(self, start: int, end: int, separators: Sequence[re.Pattern[str]], room: int) -> Iterator[Range]:
        if self.fits(start, end, room):
            yield start, end
            return
        if not separators:
            yield from self._cut(start, end, room)
            return
        position = start
        cuts = (match.end() for match in separators[0].finditer(self.text, start, end))
        for cut in chain(cuts, [end]):
            first, last = trimmed(self.text, position, cut)
            if first < last:
                yield from self._split(first, last, separators[1:], room)
            position = cut

    def _cut(self, start: int, end: int, room: int) -> Iterator[Range]:
        """Split a single word every `room` tokens."""
        while not self.fits(start, end, room):
            beyond = self.index(start) + room
            cut = self.starts[beyond] if beyond < len(self.starts) else end
            cut = min(max(cut, start + 1), start + MAX_CHARS)
            yield start, cut
            start = cut
        yield start, end

    def join(self, ranges: Iterable[Range], whole: Range, room: int, target: int) -> list[Range]:
        """Join neighbours into ranges of similar size, about `target` tokens each and at most `room`.

        `whole` begins with the first range and ends with the last one.
        """
        total = self.count(*whole)
        parts = -(-total // target) or 1
        size_aim = -(-total // parts)
        joined: list[Range] = []
        start = position = size = 0
        for begin, end in ranges:
            grown = self.count(start, end)
            fits = grown <= room and end - start <= MAX_CHARS
            if position and fits and grown - size_aim <= size_aim - size:
                size = grown
            else:
                if position:
                    joined.append((start, position))
                start = begin
                size = self.count(begin, end)
            position = end
        return [*joined, (start, position)] if position else []
