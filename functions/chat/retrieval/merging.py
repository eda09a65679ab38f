"""Choose the passages that a search returns from the best chunks. Pure.

Chunks with the same text under different headings take one place. Neighbouring chunks of a document become one passage.
Further passages of a document come later than others that are nearly as good.
"""

import math
import re
import uuid
from collections.abc import Iterator, Sequence
from itertools import takewhile

import msgspec
from msgspec.structs import replace

from functions.chat.retrieval.ranking import Match, to_points
from headwater.passages import excerpt

MAX_TOKENS = 600
"""Tokens of a passage of several chunks, at most: about three chunks of the target size."""

MAX_GAP = 200
"""Characters without a word, such as markup, between two chunks that are joined, at most."""

REPEATED_POINTS = 0.3
"""Points that the second passage of a document loses; each further one loses twice as many."""

_HEADINGS = re.compile(r"\A(?:[^\S\n]*\n|#{1,6} [^\n]*(?:\n|\Z))+")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document that a search found: a chunk, or several neighbours.

    `match` is the best chunk's. `first` and `last` are the ordinals of its chunks.
    `gap` is the text between the chunk before and this one, None if there is none or it is too long. `markup` has the
    start and end of each range, in `text`.
    """

    match: Match
    document_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    language: str | None
    heading_path: list[str]
    text: str
    markup: list[int]
    table_header: str | None
    page: int | None = None
    start: int
    end: int
    first: int
    last: int
    gap: str | None
    tokens: int
    documents: int

    @property
    def excerpt(self) -> str:
        """The text as it is shown."""
        return excerpt(self.text, self.markup, self.table_header)

    @property
    def full_text(self) -> str:
        """The excerpt after the title and the headings."""
        return f"{' > '.join([self.title, *self.heading_path])}\n\n{self.excerpt}"


def body(text: str) -> str:
    """Return a text without the headings before it and without its spaces: equal bodies are the same passage.

    >>> body("## Install\\n\\nRun it.") == body("# Guide\\n### Set up\\n\\nRun  it.") == "Run it."
    True
    """
    words = text.split()
    return " ".join(_HEADINGS.sub("", text).split() or words)


class Distinct:
    """The best passages so far, without those that say the same as a better one."""

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}

    def add(self, found: Found) -> None:
        """Add a passage that is not better than those before. One with a known body only counts its documents."""
        key = body(found.excerpt)
        if (best := self._found.get(key)) is None:
            self._found[key] = found
        elif best.document_id != found.document_id:
            self._found[key] = replace(best, documents=best.documents + found.documents)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Found]:
        return iter(self._found.values())


def rescore(found: Sequence[Found], scores: Sequence[float]) -> list[Found]:
    """Give the first passages a reranker's scores, from 0 to 1. Their adjustments stay; the others come after them."""
    count = len(scores)
    rescored = [
        _with_points(one, to_points(score) + one.match.adjustment)
        for one, score in zip(found[:count], scores, strict=True)
    ]
    lowest = min((one.match.points for one in rescored), default=math.inf)
    return [*rescored, *(_with_points(one, min(one.match.points, lowest)) for one in found[count:])]


def _with_points(found: Found, points: float) -> Found:
    return replace(found, match=replace(found.match, points=points))


def choose(found: Sequence[Found], k: int) -> list[Found]:
    """Return at most `k` passages, best first, with the points by which they were chosen."""
    remaining = list(found)
    chosen: list[Found] = []
    while remaining and len(chosen) < k:
        points = [one.match.points - _penalty(chosen, one) for one in remaining]
        place = points.index(max(points))
        best = remaining.pop(place)
        if not _join(chosen, best):
            chosen.append(_with_points(best, points[place]))
    return chosen


def _penalty(chosen: Sequence[Found], found: Found) -> float:
    """Return the points that a passage loses to others of its document. One that joins them loses none."""
    same = [other for other in chosen if other.document_id == found.document_id]
    return 0.0 if any(_are_neighbours(other, found) for other in same) else REPEATED_POINTS * min(len(same), 2)


def _join(chosen: list[Found], found: Found) -> bool:
    """Join a passage to a better one that it continues. It may be the missing part between two of them.

    Passages that begin on different pages stay apart, so that each citation opens its page.
    """
    place: int | None = None
    for n, other in enumerate(chosen):
        if not _are_neighbours(other, found) or other.page != found.page:
            continue
        if place is not None:
            chosen[place] = merge(found, other)
            del chosen[n]
            break
        chosen[n] = found = merge(other, found)
        place = n
    return place is not None


def _are_neighbours(one: Found, other: Found) -> bool:
    """Return True if two passages can be joined: one begins where the other ends, and both stand out."""
    gap = other.gap if one.last + 1 == other.first else one.gap if other.last + 1 == one.first else None
    if gap is None or one.document_id != other.document_id:
        return False
    return one.match.stands_out and other.match.stands_out and one.tokens + other.tokens <= MAX_TOKENS


def merge(best: Found, other: Found) -> Found:
    """Join a passage with a neighbour.

    `text` is the document's text from the start of the first to the end of the second. The match is that of `best`; it
    is relevant if either is.
    """
    before, after = (best, other) if best.first < other.first else (other, best)
    gap = after.gap or ""
    shift = len(before.text) + len(gap)
    bare = gap.strip()
    start = len(before.text) + gap.find(bare)
    between = [start, start + len(bare)] if bare else []
    return replace(
        best,
        match=replace(best.match, relevant=best.match.relevant or other.match.relevant),
        heading_path=_shared(before.heading_path, after.heading_path),
        text=before.text + gap + after.text,
        markup=[*before.markup, *between, *(offset + shift for offset in after.markup)],
        table_header=before.table_header,
        page=before.page,
        start=before.start,
        end=after.end,
        first=before.first,
        last=after.last,
        gap=before.gap,
        tokens=best.tokens + other.tokens,
        documents=min(best.documents, other.documents),
    )


def _shared(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return the headings that two parts of a document share."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return [heading for heading, _ in pairs]
