"""Fusion: rankings of the same things flow in, best first; one ranking with a score for each flows out. Pure.

Called by `search` to make one order of what the vectors found and what the words found.
"""

from collections.abc import Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

RRF_K = 60
"""The constant of the paper, found there on other collections and never tuned here."""


def fuse(*rankings: Iterable[Key], k: int = RRF_K) -> list[tuple[Key, float]]:
    """Fuse rankings by reciprocal rank: score(x) = Σ 1 / (k + rank of x), over the rankings that hold x, from rank 1.

    Only ranks count, so similarities and word scores never need a common scale. What a ranking names twice counts where
    it stands first; equal scores stay in the order of their first mention.

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
