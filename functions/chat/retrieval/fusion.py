"""Fuse the scores of two rankings. Pure."""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

BEST = 100
"""A ranking is judged by its best scores, this many."""

LIMIT = 10.0
"""Standardised scores count up to this: beyond it are outliers among scores that are all but equal."""

EMPHASIS = 1.25
"""Exponent for standardised scores: what stands out in one ranking counts more than what is good in both."""


def fuse(*rankings: Sequence[float | None]) -> list[float]:
    """Fuse the scores that each ranking gives to the same items; returns a score from 0 to 1 for each item.

    Each ranking's scores are standardised by the mean and the deviation of its best 100, so a ranking in which nothing
    stands out has little influence. None is neither good nor bad.
    """
    totals = [0.0] * len(rankings[0])
    for scores in rankings:
        best = sorted((score for score in scores if score is not None), reverse=True)[:BEST]
        mean, deviation = (fmean(best), pstdev(best)) if best else (0.0, 0.0)
        for place, score in enumerate(scores) if deviation else ():
            if score is not None:
                standardised = max(-LIMIT, min((score - mean) / deviation, LIMIT))
                totals[place] += math.copysign(abs(standardised) ** EMPHASIS, standardised)
    return [1 / (1 + math.exp(-total / 4)) for total in totals]
