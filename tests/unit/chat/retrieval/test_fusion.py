"""Fusion of scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.retrieval.fusion import fuse

SCORES = st.lists(st.floats(0, 100), min_size=1, max_size=20)


def test_item_that_stands_out_wins_over_one_that_is_good_in_both() -> None:
    words = [30.0, 6.0, 5.0, 5.0, 4.0, 4.0]
    meaning = [0.30, 0.34, 0.33, 0.32, 0.31, 0.30]
    fused = fuse(words, meaning)
    assert max(fused) == fused[0]
    assert fused.index(sorted(fused)[-2]) == 1


def test_missing_score_counts_neither_for_nor_against() -> None:
    words = [5.0, 5.0, 5.0, 1.0]
    unknown, good, bad, _ = fuse(words, [None, 0.9, 0.1, 0.5])
    assert good > unknown > bad
    assert fuse(words, [None] * 4) == fuse(words)


def test_ranking_without_differences_changes_nothing() -> None:
    words = [3.0, 2.0, 1.0]
    assert fuse(words, [0.5, 0.5, 0.5]) == fuse(words)


def test_outlier_among_equal_scores_is_bounded() -> None:
    equal = [0.8 + 1e-12 * n for n in range(100)]
    fused = fuse([0.0] * 101, [*equal, -1.0])
    assert min(fused) == fused[100] > 0
    assert max(fused) < 1


@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_scale_of_a_ranking_does_not_matter(scale: float) -> None:
    words, meaning = [9.0, 2.0, 1.0, 0.0], [0.2, 0.9, 0.1, 0.15]
    assert fuse([score * scale for score in words], meaning) == pytest.approx(fuse(words, meaning))


@given(SCORES)
def test_single_ranking_keeps_its_order(scores: list[float]) -> None:
    fused = fuse(scores)
    assert all(0 <= score <= 1 for score in fused)
    order = sorted(range(len(scores)), key=lambda place: scores[place])
    assert [fused[place] for place in order] == sorted(fused)
