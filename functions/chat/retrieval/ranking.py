"""Rank the chunks that a search found: by fused score, recency and pins. Pure.

Adjustments are bounded, and made in *points*, the log-odds of a score: `score = 1 / (1 + exp(-points))`. The best
passages of a search have 1 to 3 points, an average candidate has 0.
"""

import datetime as dt
import math

import msgspec

RECENT_POINTS = 0.5
"""Points that a document of today gains and a very old one loses. One of an age of the half-life has neither."""

PINNED_POINTS = 1.0
"""Points that a pinned document gains, if its chunk is better than the average candidate."""


AVERAGE = 0.5
"""The fused score of an average candidate."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that a search found. `points` are the fused score's, with adjustments.

    `stands_out`: whether the fused score is that of an average candidate at least. `adjustment` is the part of `points`
    that isn't the fused score.
    """

    chunk_id: int
    input_hash: bytes
    points: float
    similarity: float | None
    overlap: float
    relevant: bool
    stands_out: bool
    adjustment: float = 0.0


def to_points(score: float) -> float:
    """Return the points of a score from 0 to 1. Scores of 0 and 1 have the points of the nearest others.

    >>> round(to_points(0.88), 2)
    1.99
    """
    score = min(max(score, 1e-9), 1 - 1e-9)
    return math.log(score / (1 - score))


def to_score(points: float) -> float:
    """Return the score of points.

    >>> round(to_score(2.0), 2)
    0.88
    """
    return 1 / (1 + math.exp(-max(min(points, 700.0), -700.0)))


def recency(date: dt.date | None, half_life_days: float, today: dt.date) -> float:
    """Return the points that a document gains or loses by its age: `.5 · (2 · 2^(-age / half-life) - 1)`.

    A document without a date has 0, as if its age were the half-life. One of the future counts as of today.
    """
    if date is None or not half_life_days:
        return 0.0
    age_days = max((today - date).days, 0)
    return RECENT_POINTS * (math.exp2(1 - min(age_days / half_life_days, 1_000.0)) - 1)


def rank(matches: list[Match]) -> list[Match]:
    """Sort chunks, best first. Of those that were embedded as the same text, only the best remains."""
    best: dict[bytes, Match] = {}
    for match in sorted(matches, key=lambda match: (-match.points, match.chunk_id)):
        best.setdefault(match.input_hash, match)
    return [*best.values()]
