"""Cutting what is too long for one chunk: a range of a page flows in; ranges that fit, each at the best cut, flow out.

Called by `chunk`. A block is cut where its kind has joints (a code's blank lines, a table's rows, a list's items, a
text's sentences), what is still too long at lines, then at words, and an endless word wherever the room ends. Ranges
neither overlap nor begin or end with space.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from functions.collection.parsers.markdown.blocks import trimmed
from headwater.parsers import BlockKind

MAX_CHARS = 4_000
"""No chunk is longer, however few tokens its characters make: a word of any length may be a single unknown token."""

_PARAGRAPH = re.compile(r"\n[ \t>]*+\n\s*+")
_LINE = re.compile(r"\n\s*+")
_ITEM = re.compile(r"\n(?=[ \t]*+(?:[-+*]|\d{1,9}[.)])[ \t])")
_SENTENCE = re.compile(r"[.!?…][\"'”’)\]*_]*+\s++(?=[^a-z])|[。！？]++")  # noqa: RUF001 (CJK's own full stops)
_WORD = re.compile(r"\s++")

_PROSE = (_PARAGRAPH, _SENTENCE, _LINE, _WORD)
_JOINTS: dict[BlockKind, tuple[re.Pattern[str], ...]] = {
    "code": (_PARAGRAPH, _LINE, _WORD),
    "jsx": (_PARAGRAPH, _LINE, _SENTENCE, _WORD),
    "table": (_LINE, _SENTENCE, _WORD),
    "list": (_PARAGRAPH, _ITEM, _SENTENCE, _LINE, _WORD),
}

Range = tuple[int, int]


class Measured:
    """A text and where its tokens start: any range is measured without being tokenised again.

    Counts are exact between ranges that end at white space: no tokenizer here joins across it.
    """

    def __init__(self, text: str, starts: Sequence[int]) -> None:
        self.text = text
        self.starts = starts

    def index(self, at: int) -> int:
        """Find the first token that begins at a position or after it."""
        return bisect_left(self.starts, at)

    def count(self, start: int, end: int) -> int:
        """Count the tokens that begin in a range."""
        return self.index(end) - self.index(start)

    def fits(self, start: int, end: int, room: int) -> bool:
        """Tell whether a range is at most `room` tokens and `MAX_CHARS` characters."""
        return end - start <= MAX_CHARS and self.count(start, end) <= room

    def split(self, start: int, end: int, kind: BlockKind, room: int) -> list[Range]:
        """Cut a block into ranges that each fit `room` tokens; many are far shorter, for the caller to join."""
        return self._split(start, end, _JOINTS.get(kind, _PROSE), room)

    def _split(self, start: int, end: int, joints: Sequence[re.Pattern[str]], room: int) -> list[Range]:
        if self.fits(start, end, room):
            return [(start, end)]
        if not joints:
            return self._cut(start, end, room)
        cuts = [joint.end() for joint in joints[0].finditer(self.text, start, end)]
        ranges: list[Range] = []
        for between in zip([start, *cuts], [*cuts, end], strict=True):
            first, last = trimmed(self.text, *between)
            if first < last:
                ranges += self._split(first, last, joints[1:], room)
        return ranges

    def _cut(self, start: int, end: int, room: int) -> list[Range]:
        """Cut a single word every `room` tokens."""
        ranges: list[Range] = []
        while not self.fits(start, end, room):
            beyond = self.index(start) + room
            cut = self.starts[beyond] if beyond < len(self.starts) else end
            cut = min(max(cut, start + 1), start + MAX_CHARS)
            ranges.append((start, cut))
            start = cut
        return [*ranges, (start, end)]

    def join(self, ranges: Sequence[Range], room: int, target: int) -> list[Range]:
        """Join neighbours into as few ranges of like size as `target` tokens each allow; none exceeds `room`."""
        if not ranges:
            return []
        total = self.count(ranges[0][0], ranges[-1][1])
        parts = -(-total // target) or 1
        aim = -(-total // parts)
        joined = [ranges[0]]
        size = self.count(*ranges[0])
        for start, end in ranges[1:]:
            grown = self.count(joined[-1][0], end)
            if grown - aim <= aim - size and self.fits(joined[-1][0], end, room):
                joined[-1] = (joined[-1][0], end)
                size = grown
            else:
                joined.append((start, end))
                size = self.count(start, end)
        return joined
