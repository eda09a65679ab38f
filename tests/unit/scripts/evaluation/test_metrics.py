"""Measures of rankings."""

import math

import pytest

from scripts.evaluation.metrics import difference, interval, ndcg, recall, reciprocal_rank

GRADES = {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(
    ("ranking", "expected_ndcg", "expected_recall", "expected_rank"),
    [
        (["a", "b"], 1.0, 1.0, 1.0),
        (["c", "b"], (1 / math.log2(3)) / (1 + 1 / math.log2(3)), 0.5, 0.5),
        ([*"cdefghijkl", "a"], 0.0, 0.0, 0.0),
        ([], 0.0, 0.0, 0.0),
    ],
)
def test_measures_of_a_ranking(
    ranking: list[str], expected_ndcg: float, expected_recall: float, expected_rank: float
) -> None:
    assert ndcg(ranking, GRADES) == pytest.approx(expected_ndcg)
    assert recall(ranking, GRADES) == expected_recall
    assert reciprocal_rank(ranking, GRADES) == expected_rank


def test_ndcg_prefers_higher_grades_first() -> None:
    grades = {"a": 2.0, "b": 1.0}
    assert ndcg(["a", "b"], grades) == 1.0
    assert ndcg(["b", "a"], grades) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_interval_contains_the_mean_and_narrows_with_more_values() -> None:
    few, many = interval([0.0, 1.0] * 10), interval([0.0, 1.0] * 1_000)
    assert few.low < few.mean == many.mean == 0.5 < few.high
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(2_000), rel=0.1)


def test_difference_is_paired_by_question() -> None:
    old = {f"q{n}": n / 100 for n in range(100)}
    new = {question: score + 0.01 for question, score in old.items()} | {"new": 0.0}
    found = difference(old, new)
    assert (found.mean, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    assert (found.wins, found.losses) == (100, 0)
    with pytest.raises(ValueError, match="no question in common"):
        difference(old, {"new": 1.0})
