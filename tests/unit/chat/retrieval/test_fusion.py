"""Reciprocal rank fusion, as the paper has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.retrieval.fusion import fuse


def test_the_worked_example_of_the_docstring_holds() -> None:
    fused = fuse(["a", "b", "c"], ["c", "a"])
    assert [key for key, _ in fused] == ["a", "c", "b"]
    assert [score for _, score in fused] == pytest.approx([0.03252, 0.03227, 0.01613], abs=1e-5)


def test_one_ranking_keeps_its_order() -> None:
    assert [key for key, _ in fuse(["b", "a", "c"], [])] == ["b", "a", "c"]


def test_what_a_ranking_names_twice_counts_once_where_it_stands_first() -> None:
    assert fuse(["a", "a", "b"]) == [("a", 1 / 61), ("b", 1 / 62)]


@given(st.lists(st.lists(st.integers(0, 9))))
def test_each_key_comes_once_and_the_scores_never_rise(rankings: list[list[int]]) -> None:
    fused = fuse(*rankings)
    assert len(fused) == len({key for key, _ in fused}) == len({key for ranking in rankings for key in ranking})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
