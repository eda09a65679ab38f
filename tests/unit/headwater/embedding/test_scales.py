"""Scales: what a model's similarities mean in a language, measured with neutral texts."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
from numpy.typing import NDArray

from headwater.embedding.constant import ConstantEmbedder
from headwater.embedding.scales import (
    languages_to_measure,
    make_scale,
    measure_scale,
    measure_scales,
    neutral_texts,
)
from headwater.errors import PermanentError, SystemicError
from headwater.words.languages import detect_language


class Narrow(ConstantEmbedder):
    """Similarities from .8 to .9, as of multilingual-e5-small. Knows the answers to the neutral questions, but only in
    German. Refuses texts in Russian."""

    name = "narrow"

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        answers = dict(neutral_texts()["de"])
        return self.embed_documents([answers.get(text, text) for text in texts])

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if texts[0] in dict(neutral_texts()["ru"]):
            raise PermanentError("narrow rejects the text.")
        shared = np.zeros(self.dim, np.float32)
        shared[0] = 0.8**0.5
        return shared + super().embed_documents(texts) * np.float32(0.1**0.5)


def test_scale_has_the_unit_of_related_texts_and_the_mean_of_neutral_passages() -> None:
    scale = measure_scale(Narrow(), "de")
    assert scale is not None
    assert scale.unit == pytest.approx(0.1, abs=0.02)
    assert scale.mean @ Narrow().embed_query("anything") == pytest.approx(0.8, abs=0.06)


def test_language_without_related_pairs_has_no_scale_and_refused_texts_leave_theirs_out() -> None:
    scales = measure_scales(Narrow(), ["de", "en", "ru"])
    assert set(scales) == {"de", "en"}
    assert scales["de"] is not None
    assert scales["en"] is None


def test_error_that_concerns_all_texts_is_raised() -> None:
    class Locked(Narrow):
        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise SystemicError("The provider rejects the key.")

    with pytest.raises(SystemicError):
        measure_scales(Locked(), ["de"])


def test_each_question_is_compared_with_its_own_background() -> None:
    vectors = np.eye(4, dtype=np.float32)
    scale = make_scale(vectors, vectors)
    assert scale is not None
    assert scale.unit == pytest.approx(1.0)
    assert scale.mean == pytest.approx(0.25)
    assert make_scale(np.ones((4, 4), np.float32), vectors) is None


def test_only_languages_that_the_model_may_know_are_measured() -> None:
    assert languages_to_measure("constant", ["de", None]) == set()
    assert languages_to_measure("all-MiniLM-L6-v2", ["de", "en", None]) == {"en"}
    assert languages_to_measure("openai:small", ["de", "xx", None]) == {"de", "en"}


def test_neutral_texts_are_pairs_in_many_languages() -> None:
    texts = neutral_texts()
    assert len(texts) >= 43
    assert {len(pairs) for pairs in texts.values()} == {8}
    assert len({text for pairs in texts.values() for pair in pairs for text in pair}) == 16 * len(texts)
    detected = {code: detect_language("\n".join(chain.from_iterable(pairs))) for code, pairs in texts.items()}
    unclear = {"sw"}
    assert {code: found for code, found in detected.items() if found != code} == dict.fromkeys(unclear)
