"""Offsets in a text before and after white space was removed from it. Pure."""

from bisect import bisect_right
from operator import itemgetter


class Cuts:
    """Where white space was removed from lines of a text, in order."""

    def __init__(self) -> None:
        self._cuts: list[tuple[int, int]] = []  # offsets in the shorter text, and the characters removed up to there

    def __bool__(self) -> bool:
        return bool(self._cuts)

    def add(self, offset: int, count: int) -> None:
        """Record that `count` characters were removed before an offset in the shorter text."""
        self._cuts.append((offset, count + (self._cuts[-1][1] if self._cuts else 0)))

    def original(self, offset: int) -> int:
        """Convert an offset in the shorter text to one in the original."""
        count = bisect_right(self._cuts, offset, key=itemgetter(0))
        return offset + (self._cuts[count - 1][1] if count else 0)

    def ranges(self) -> list[tuple[int, int]]:
        """Return the ranges of the original text that were removed."""
        before = [0, *(removed for _, removed in self._cuts)]
        pairs = zip(before, self._cuts, strict=False)
        return [(at + earlier, at + removed) for earlier, (at, removed) in pairs if earlier < removed]
