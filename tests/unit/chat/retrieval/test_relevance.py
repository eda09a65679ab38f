"""Relevance: similarities of any model and language, read against neutral texts."""

import numpy as np
import pytest

from functions.chat.retrieval.relevance import Background, LanguageScales, WordsOnly
from headwater.embedding.scales import Scale


@pytest.mark.parametrize(
    ("similarity", "overlap", "relevant"),
    [
        *((0.9, 0.2, True), (0.9, 0.1, False), (0.82, 0.6, True), (0.82, 0.5, False)),
        *((0.93, 0.0, True), (0.92, 0.0, False), (0.7, 1.0, False)),
    ],
)
def test_passage_is_relevant_by_closeness_and_overlap(similarity: float, overlap: float, relevant: bool) -> None:
    assert Background(0.8, 0.1, 0.019).is_relevant(similarity, overlap) is relevant


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
    assert [judges["xx"].is_relevant(0.99, overlap) for overlap in (0.2, 0.3)] == [False, True]
