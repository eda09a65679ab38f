"""Adjustments of fused scores, and the order of chunks."""

import datetime as dt

import pytest

from functions.chat.retrieval.ranking import Match, rank, recency, to_points, to_score

TODAY = dt.date(2026, 1, 1)


def match(chunk_id: int, points: float, text: str = "") -> Match:
    """Return a chunk that was embedded as `text`."""
    hashed = (text or str(chunk_id)).encode()
    return Match(
        chunk_id=chunk_id,
        input_hash=hashed,
        points=points,
        similarity=None,
        overlap=0.0,
        relevant=False,
        stands_out=True,
    )


def test_rank_keeps_the_best_of_each_text() -> None:
    ranked = rank([match(1, 0.5, "a"), match(2, 0.7, "b"), match(3, 0.9, "a"), match(4, 0.9, "c")])
    assert [item.chunk_id for item in ranked] == [3, 4, 2]


@pytest.mark.parametrize(
    ("age_days", "half_life_days", "points"),
    [(0, 30, 0.5), (30, 30, 0.0), (60, 30, -0.25), (90, 30, -0.375), (7e5, 1e-300, -0.5), (-9, 30, 0.5), (5, 0, 0.0)],
)
def test_recency_is_bounded_and_zero_at_the_half_life(age_days: float, half_life_days: float, points: float) -> None:
    assert recency(TODAY - dt.timedelta(days=age_days), half_life_days, TODAY) == pytest.approx(points)
    assert recency(None, half_life_days, TODAY) == 0.0


@pytest.mark.parametrize("score", [0.0, 1e-12, 0.2, 0.5, 0.999, 1.0])
def test_points_and_scores_convert_into_each_other(score: float) -> None:
    assert to_score(to_points(score)) == pytest.approx(score, abs=1e-8)
    assert 0 <= to_score(-1e9) < to_score(1e9) <= 1
