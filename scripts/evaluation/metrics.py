"""Measures of rankings, with confidence intervals and paired comparisons. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DEPTH = 10
"""Places of a ranking that count."""

RESAMPLES = 2_000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """How much better the second of two runs is: the mean difference, and on how many questions it is better or worse.

    `low` and `high` are the confidence interval of the difference.
    """

    mean: float
    low: float
    high: float
    wins: int
    losses: int


def ndcg(ranking: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return the normalised discounted cumulative gain of the first 10 places: 1 for an ideal ranking.

    Järvelin, Kekäläinen 2002; the gain is the grade, as in trec_eval. The second of two items, found at place 2:

    >>> round(ndcg(["c", "b"], {"a": 1, "b": 1}), 3)
    0.387
    """
    ideal = sorted(grades.values(), reverse=True)
    return _gain([grades.get(item, 0.0) for item in ranking]) / (_gain(ideal) or 1.0)


def recall(ranking: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return the share of the relevant items that is among the first 10."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:DEPTH])) / max(len(relevant), 1)


def reciprocal_rank(ranking: Sequence[str], grades: Mapping[str, float]) -> float:
    """Return 1 / the place of the first relevant item, 0 if it isn't among the first 10."""
    places = (place for place, item in enumerate(ranking[:DEPTH], 1) if grades.get(item, 0) > 0)
    return 1 / next(places, math.inf)


METRICS = {"nDCG@10": ndcg, "recall@10": recall, "MRR@10": reciprocal_rank}


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of values with its 95 % interval, by bootstrap: resampled with replacement 2,000 times."""
    means = _resampled_means(np.array(values, float))
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(np.mean(values)), float(low), float(high))


def difference(old: Mapping[str, float], new: Mapping[str, float]) -> Difference:
    """Compare two runs on the questions that both have. Raises ValueError if there are none."""
    shared = [question for question in old if question in new]
    if not shared:
        raise ValueError("The runs have no question in common.")
    gains = [new[question] - old[question] for question in shared]
    return Difference(*interval(gains), sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains))


def _gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades[:DEPTH], 1))


def _resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    generator = np.random.default_rng(0)
    means = [values[generator.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    return np.array(means)
