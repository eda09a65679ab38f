"""Relevance: similarities of any model and language, read against neutral texts."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from functions.chat.retrieval import relevance
from functions.chat.retrieval.relevance import Background, Scales, make_scale
from headwater.embedding.constant import ConstantEmbedder

TEXTS = json.loads(Path(relevance.__file__).with_name("neutral_texts.json").read_text(encoding="utf-8"))


class Narrow(ConstantEmbedder):
    """Similarities from .8 to .9, as of multilingual-e5-small. Knows the answers to the neutral questions, but only in
    German."""

    name = "narrow"
    calls = 0

    def embed_query(self, text: str) -> NDArray[np.float32]:
        answers = dict(TEXTS["de"])
        vector: NDArray[np.float32] = self.embed_documents([answers.get(text, text)])[0]
        return vector

    def embed_documents(self, texts: object) -> NDArray[np.float32]:
        assert isinstance(texts, list)
        self.calls += 1
        shared = np.zeros(self.dim, np.float32)
        shared[0] = 0.8**0.5
        own = super().embed_documents(texts) * np.float32(0.1**0.5)
        return shared + own


@pytest.mark.parametrize(
    ("similarity", "overlap", "relevant"),
    [
        *((0.9, 0.2, True), (0.9, 0.1, False), (0.82, 0.6, True), (0.82, 0.5, False)),
        *((0.93, 0.0, True), (0.92, 0.0, False), (0.7, 1.0, False)),
    ],
)
def test_passage_is_relevant_by_closeness_and_overlap(similarity: float, overlap: float, relevant: bool) -> None:
    assert Background(0.8, 0.1, 0.019).is_relevant(similarity, overlap) is relevant


def test_closeness_is_0_for_unrelated_and_1_for_related_texts_of_any_model() -> None:
    embedder = Narrow()
    scales = Scales(lambda model: embedder)
    query, related, unrelated = embedder.embed_documents(["a", "a", "b"])
    background = scales.backgrounds("hosted", ["de"], query)["de"]
    assert background.closeness(float(query @ related)) == pytest.approx(1, abs=0.1)
    assert background.closeness(float(query @ unrelated)) == pytest.approx(0, abs=0.3)


def test_language_without_related_pairs_has_no_background_and_others_are_measured_once() -> None:
    embedder = Narrow()
    scales = Scales(lambda model: embedder)
    query = embedder.embed_query("a")
    assert set(scales.backgrounds("hosted", ["de", "ru"], query)) == {"de"}
    calls = embedder.calls
    assert set(scales.backgrounds("hosted", ["de", "ru"], query)) == {"de"}
    assert embedder.calls == calls
    assert scales.backgrounds("all-MiniLM-L6-v2", ["de"], query) == {}


def test_scale_reads_a_query_against_its_own_background() -> None:
    vectors = np.eye(4, dtype=np.float32)
    scale = make_scale(vectors, vectors)
    assert scale is not None
    assert scale.unit == pytest.approx(1.0)
    assert scale.background(vectors.sum(axis=0)).mean == pytest.approx(1.0)
    assert Background(0.75, 0.1, 0.02).closeness(0.8) == pytest.approx(0.5)
    assert make_scale(np.ones((4, 4), np.float32), vectors) is None


def test_neutral_texts_are_pairs_in_many_languages() -> None:
    assert len(TEXTS) >= 14
    assert {len(pairs) for pairs in TEXTS.values()} == {8}
    assert len({text for pairs in TEXTS.values() for pair in pairs for text in pair}) == 16 * len(TEXTS)
