"""Reciprocal rank fusion of rankings. Pure."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

RRF_K = 60
"""The paper's constant, tuned there on other collections."""


def fuse(*rankings: Iterable[Key], k: int = RRF_K) -> list[tuple[Key, float]]:
    """Fuse rankings by reciprocal rank: score(x) = Σ 1 / (k + rank of x), over rankings with x, from rank 1.

    Only ranks count, so vector and word scores need no common scale. Of a repeated key the first rank counts. Ties keep
    the order of first occurrence.

    Worked example, k = 60: of the rankings (a, b, c) and (c, a), a scores 1/61 + 1/62 = .03252, c 1/63 + 1/61 = .03227
    and b 1/62 = .01613.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009.
    """
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(ranking), start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (k + rank)
    return sorted(scores.items(), key=lambda item: -item[1])
