"""BM25, against a corpus that is computed by hand and against the formula over plain counts."""

import math
from collections import Counter
from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.retrieval.bm25 import (
    Occurrences,
    QueryWord,
    Statistics,
    WordScores,
    _distinct,
    score,
    score_phrases,
)

WORDS = range(1, 7)


def occurrences(texts: list[list[int]], of: Collection[int] = WORDS) -> Occurrences:
    """Count words in texts, which are chunks 0, 1 and so on."""
    rows = [
        (word, chunk, n, len(text))
        for chunk, text in enumerate(texts)
        for word, n in Counter(text).items()
        if word in of
    ]
    return Occurrences(*np.array(rows, np.int64).reshape(-1, 4).T)


def statistics(texts: list[list[int]]) -> Statistics:
    frequencies = Counter(word for text in texts for word in set(text))
    return Statistics(len(texts), sum(map(len, texts)) / len(texts), frequencies)


def test_scores_equal_those_computed_by_hand() -> None:
    # Lengths 2, 4, 2 with mean 8/3. idf(1) = ln(1 + 1.5/2.5) = .47000, idf(2) = ln(1 + 2.5/1.5) = .98083.
    # Norms: 1.2 × (.25 + .75 × 2/(8/3)) = .975 and 1.2 × (.25 + .75 × 4/(8/3)) = 1.65.
    texts = [[1, 3], [1, 1, 2, 3], [3, 3]]
    scores = score(occurrences(texts, of=(1, 2)), statistics(texts), [QueryWord([1], 1.0), QueryWord([2], 1.0)])
    expected = [0.47000 * 2.2 / 1.975, 0.47000 * 4.4 / 3.65 + 0.98083 * 2.2 / 2.65]
    assert scores.scores == pytest.approx(expected, abs=1e-4)
    # ln(1 + 999.5/1.5)² = 42.2855 and ln(1 + 998.5/2.5)² = 35.9009, together 78.1864. By chance, a chunk has
    # (42.2855 × 1/23 + 35.9009 × 2/23) / 78.1864 = .06344 of them. Chunk 0 has 35.9009 / 78.1864 = .45917.
    assert scores.overlaps == pytest.approx([(0.45917 - 0.06344) / (1 - 0.06344), 1.0], abs=1e-4)
    assert scores.best(2).tolist() == [1, 0]
    assert scores.of(0)[0] == pytest.approx(0.52355, abs=1e-4)
    assert scores.of(2) == scores.of(99) == (0.0, 0.0)


def test_overlaps_of_chosen_chunks_are_plain_shares() -> None:
    # idf as above, not squared: ln(1 + 998.5/2.5) / (ln(1 + 998.5/2.5) + ln(1 + 999.5/1.5)) = 5.9918 / 12.4945.
    texts = [[1, 3], [1, 1, 2, 3], [3, 3]]
    query = [QueryWord([1], 1.0), QueryWord([2], 1.0)]
    scores = score(occurrences(texts, of=(1, 2)), statistics(texts), query, beyond_chance=False)
    assert scores.overlaps == pytest.approx([0.47955, 1.0], abs=1e-4)


def test_words_that_most_chunks_have_are_no_overlap() -> None:
    query = [QueryWord([1], 1.0), QueryWord([2], 1.0)]
    found = Occurrences(*np.array([[1, 1, 2], [7, 8, 8], [1, 1, 1], [9, 9, 9]]))
    often, sometimes, rare = (score(found, Statistics(2_000, 9.0, {1: n, 2: 5}), query) for n in (1_900, 400, 5))
    assert often.overlaps == pytest.approx([0.0, 1.0], abs=1e-3)
    assert sometimes.overlaps == pytest.approx([0.05, 1.0], abs=0.01)
    assert rare.overlaps == pytest.approx([0.5, 1.0], abs=0.01)
    assert score(found, Statistics(2_000, 9.0, {1: 2_000, 2: 2_000}), query).overlaps.max() <= 1.0


def test_overlap_by_the_rare_stem_of_another_language_is_no_more_than_by_the_frequent_one() -> None:
    query = [QueryWord([1, 7], 1.0), QueryWord([2], 1.0)]
    found = Occurrences(*np.array([[1, 7, 2], [5, 6, 7], [1, 1, 1], [9, 9, 9]]))
    frequent, rare, other = score(found, Statistics(2_000, 9.0, {1: 200, 2: 20, 7: 1}), query).overlaps
    assert frequent == rare < other < 1.0


def test_two_forms_of_a_word_count_once_for_an_overlap() -> None:
    found = Occurrences(*np.array([[1, 1, 2], [7, 8, 8], [1, 1, 1], [9, 9, 9]]))
    once, twice = (
        score(found, Statistics(2_000, 9.0, {1: 9, 2: 9}), [*[QueryWord([1], 1.0)] * forms, QueryWord([2], 1.0)])
        for forms in (1, 2)
    )
    assert twice.overlaps.tolist() == once.overlaps.tolist() == [pytest.approx(0.5, abs=0.01), 1.0]


PHRASE = [QueryWord([1], 1.0), QueryWord([2], 0.5)]
FOUND = WordScores(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), {1: 3.0, 2: 1.0, 7: 2.0}, mean_length=4.0)


def test_phrase_scores_equal_those_computed_by_hand() -> None:
    # Both words are adjacent in one of four passages and near in two: the idfs are ln(1 + 3.5/1.5) = 1.20397 and
    # ln(1 + 2.5/2.5) = .69315, each times .11 × (3 + 1)/2. All lengths are the mean, so the norm is 1.2.
    passages = [[1, 2, 1, 3], [2, 3, 3, 1], [1, 3, 3, 3], [3, 3, 3, 3]]
    adjacent, near = 0.22 * 1.20397, 0.22 * 0.69315
    expected = [adjacent * 2.2 / 2.2 + near * 4.4 / 3.2, near * 2.2 / 2.2, 0.0, 0.0]
    assert score_phrases(PHRASE, FOUND, passages) == pytest.approx(expected, abs=1e-4)


def test_phrases_in_long_passages_count_less() -> None:
    short, long = score_phrases(PHRASE, FOUND, [[1, 2], [1, 2, *[3] * 20]])
    assert short > long > 0.0


def test_words_that_are_not_neighbours_in_the_query_are_no_phrase() -> None:
    query = [QueryWord([1], 1.0), QueryWord([7], 1.0), QueryWord([2], 1.0)]
    assert score_phrases(query, FOUND, [[1, 2], [3, 3]]) == [0.0, 0.0]
    assert score_phrases([QueryWord([1], 1.0)], FOUND, [[1, 1]]) == [0.0]
    assert score_phrases(PHRASE, FOUND, []) == []


def test_word_of_several_languages_is_found_in_each_and_weighs_as_the_most_frequent() -> None:
    query = [QueryWord([1, 7], 1.0), QueryWord([2], 1.0)]
    [english, german] = score_phrases(query, FOUND, [[1, 2], [7, 2]])
    [alone, _] = score_phrases([QueryWord([7], 1.0), QueryWord([2], 1.0)], FOUND, [[7, 2], [7, 2]])
    assert english == german == alone > 0.0


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=20), st.integers(0, 25))
def test_best_equals_the_beginning_of_all_sorted(values: list[float], n: int) -> None:
    scores = WordScores(np.arange(len(values)), np.array(values), np.zeros(len(values)))
    assert scores.best(n).tolist() == sorted(range(len(values)), key=lambda chunk: (-values[chunk], chunk))[:n]


TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=9)


@given(TEXTS, st.dictionaries(st.sampled_from(WORDS), st.sampled_from([0.5, 1.0]), min_size=1))
def test_scores_equal_the_formula(texts: list[list[int]], weights: dict[int, float]) -> None:
    mean = sum(map(len, texts)) / len(texts)
    expected: dict[int, float] = {}
    for chunk, text in enumerate(texts):
        for word, weight in weights.items():
            if n := text.count(word):
                frequency = sum(word in other for other in texts)
                idf = math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
                gain = weight * idf * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * len(text) / mean))
                expected[chunk] = expected.get(chunk, 0.0) + gain
    query = [QueryWord([word], weight) for word, weight in weights.items()]
    scores = score(occurrences(texts, of=weights), statistics(texts), query)
    assert dict(zip(scores.chunks.tolist(), scores.scores.tolist(), strict=True)) == pytest.approx(expected)


@given(st.lists(st.integers(-9, 9) | st.integers(-(10**12), 10**12)))
def test_distinct_equals_numpys_unique(ids: list[int]) -> None:
    given_ids = np.array(ids, np.int64)
    for found, expected in zip(_distinct(given_ids), np.unique(given_ids, return_inverse=True), strict=True):
        assert found.tolist() == expected.tolist()


def test_no_words_score_nothing() -> None:
    nothing = Occurrences(*np.zeros((4, 0), np.int64))
    scores = score(nothing, Statistics(0, 1.0, {}), [])
    assert scores.best(10).tolist() == []
    assert scores.of(1) == (0.0, 0.0)


def test_word_with_several_ids_counts_once() -> None:
    texts = [[1, 3], [2, 3], [3]]
    scores = score(occurrences(texts, of=(1, 2, 3)), statistics(texts), [QueryWord([1, 2], 1.0), QueryWord([3], 1.0)])
    assert scores.overlaps[:2] == pytest.approx([1.0, 1.0])
    assert scores.overlaps[2] < 0.5
