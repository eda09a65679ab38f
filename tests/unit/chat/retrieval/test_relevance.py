"""Relevance: similarities of any model and language, read against neutral texts."""

import numpy as np
import pytest

from functions.chat.retrieval.relevance import Background, LanguageScales, Thresholds, WordsOnly
from headwater.embedding.scales import Scale


@pytest.mark.parametrize(
    ("similarity", "overlap", "relevant"),
    [
        *((0.89, 0.16, True), (0.89, 0.14, False), (0.82, 0.51, True), (0.82, 0.49, False)),
        *((0.898, 0.0, True), (0.897, 0.0, False), (0.7, 1.0, False)),
    ],
)
def test_passage_is_relevant_by_closeness_and_overlap(similarity: float, overlap: float, relevant: bool) -> None:
    assert Background(0.8, 0.1, 0.015).is_relevant(similarity, overlap) is relevant


def test_closeness_without_a_common_word_must_be_greater() -> None:
    background = Background(0.8, 0.1, 0.025)  # 6.5 deviations are a closeness of 1.625
    assert [background.is_relevant(similarity, 0.0) for similarity in (0.93, 0.934, 0.936)] == [False, False, True]
    assert background.is_relevant(0.93, 0.01)


def test_statement_may_need_more_than_a_search() -> None:
    needed = Thresholds(evidence=1.35, overlap=0.3)
    assert Background(0.8, 0.1, 0.015).is_relevant(0.82, 0.6, needed)
    assert not Background(0.8, 0.1, 0.015).is_relevant(0.82, 0.55, needed)
    assert not WordsOnly().is_relevant(0.82, 0.29, needed)


def test_closeness_reads_a_similarity_against_the_background_of_the_query() -> None:
    query = np.array([0.6, 0.8], np.float32)
    background = Background.of(Scale(np.array([0.5, 0.5], np.float32), 0.1, 0.02), query)
    assert background.mean == pytest.approx(0.7)
    assert background.closeness(0.75) == pytest.approx(0.5)


def test_languages_are_judged_by_their_scale_or_by_words_until_it_is_measured() -> None:
    scale = Scale(np.array([1.0, 0.0], np.float32), 0.1, 0.02)
    scales = LanguageScales({"de": scale, "ru": None}, {"de": "de", "ru": "ru", "xx": "en"})
    judges = scales.judges(np.array([1.0, 0.0], np.float32))
    assert set(judges) == {"de", "xx"}, "the model doesn't know ru: its vectors don't count there"
    assert isinstance(judges["de"], Background)
    assert isinstance(judges["xx"], WordsOnly)
    assert [judges["xx"].is_relevant(0.99, overlap) for overlap in (0.22, 0.23)] == [False, True]
