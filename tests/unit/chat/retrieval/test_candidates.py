"""Candidates of a search: feedback corrects their order, and says nothing of languages that the model doesn't know."""

import math
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from functions.chat.retrieval.bm25 import WordScores
from functions.chat.retrieval.candidates import Candidates
from functions.chat.retrieval.relevance import Background

NO_WORDS = WordScores(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
ONE_WORD = WordScores(np.array([3]), np.array([0.1]), np.array([0.5]))


def make_candidates(
    similarities: Mapping[int, float | None], language: str = "en", words: WordScores = ONE_WORD
) -> Candidates:
    rows = [
        SimpleNamespace(id=n, similarity=one, language=language, input_hash=bytes([n]), date=None, is_pinned=False)
        for n, one in similarities.items()
    ]
    return Candidates(rows, words, {"en": Background(0.0, 1.0, 1.0)})


def order(found: Candidates) -> list[int]:
    return [match.chunk_id for match in sorted(found.matches(0.0), key=lambda match: -match.points)]


def test_feedback_is_the_best_five_and_all_nearest_chunks() -> None:
    similarities = {n: n / 100 for n in range(30)}
    found = make_candidates(similarities)
    feedback = found.feedback(range(20))
    assert feedback is not None
    weights, nearest = feedback
    assert ([*weights], nearest) == ([3, 29, 28, 27, 26], [*range(20)])
    points = {match.chunk_id: match.points for match in found.matches(0.0)}
    assert weights == pytest.approx({n: math.exp(2 * (points[n] - points[3])) for n in weights})
    assert weights[3] == 1.0 > weights[29] > weights[28] > 0.0
    assert make_candidates({**similarities, 50: None}).feedback([*range(19), 50]) is None
    assert make_candidates(similarities, language="xx").feedback(range(30)) is None
    assert make_candidates(similarities, words=NO_WORDS).feedback(range(30)) is None


def test_feedback_counts_a_text_of_several_chunks_once() -> None:
    rows = [
        SimpleNamespace(id=n, similarity=n / 100, language="en", input_hash=bytes([n // 2]), date=None, is_pinned=False)
        for n in range(30)
    ]
    feedback = Candidates(rows, ONE_WORD, {"en": Background(0.0, 1.0, 1.0)}).feedback(range(30))
    assert feedback is not None
    assert [*feedback[0]] == [3, 29, 27, 25, 23]


def test_correction_moves_candidates_and_leaves_their_similarity() -> None:
    found = make_candidates({1: 0.5, 2: 0.4, 3: 0.1, 4: None}, words=NO_WORDS)
    assert order(found)[0] == 1
    found.correct({1: 0.0, 2: 0.5, 3: 0.0})
    assert order(found)[0] == 2  # .4 + .4 × .5 = .6
    assert [match.similarity for match in found.matches(0.0)] == [0.5, 0.4, 0.1, None]


def test_phrases_are_added_to_the_words_of_chunks() -> None:
    found = make_candidates({1: 0.5, 2: 0.5, 3: 0.5}, words=ONE_WORD)
    assert order(found)[0] == 3
    overlaps = [match.overlap for match in found.matches(0.0)]
    found.add_phrases({2: 0.2})
    assert order(found) == [2, 3, 1]  # .2 by phrases beside .1 by words
    assert [match.overlap for match in found.matches(0.0)] == overlaps


def test_phrases_leave_the_correction_of_similarities() -> None:
    found = make_candidates({1: 0.5, 2: 0.4, 3: 0.1}, words=NO_WORDS)
    found.correct({1: 0.0, 2: 0.5, 3: 0.0})
    found.add_phrases({})
    assert order(found)[0] == 2


def test_no_candidates_match_nothing() -> None:
    found = make_candidates({})
    assert found.feedback([]) is None
    assert found.matches(0.0) == []
