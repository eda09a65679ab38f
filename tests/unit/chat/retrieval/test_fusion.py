"""Reciprocal rank fusion, as defined in the paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.retrieval.fusion import fuse


def test_fuse_matches_the_docstring_example() -> None:
    fused = fuse(["a", "b", "c"], ["c", "a"])
    assert [key for key, _ in fused] == ["a", "c", "b"]
    assert [score for _, score in fused] == pytest.approx([0.03252, 0.03227, 0.01613], abs=1e-5)


def test_single_ranking_keeps_its_order() -> None:
    assert [key for key, _ in fuse(["b", "a", "c"], [])] == ["b", "a", "c"]


def test_duplicate_key_counts_at_its_first_rank() -> None:
    assert fuse(["a", "a", "b"]) == [("a", 1 / 61), ("b", 1 / 62)]


@given(st.lists(st.lists(st.integers(0, 9))))
def test_keys_are_unique_and_scores_descend(rankings: list[list[int]]) -> None:
    fused = fuse(*rankings)
    assert len(fused) == len({key for key, _ in fused}) == len({key for ranking in rankings for key in ranking})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
