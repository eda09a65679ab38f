"""Judge whether a passage may be about a query, by meaning and by words.

Cosine similarities mean something else in each model and language: unrelated texts have .05 with all-MiniLM-L6-v2, and
.8 with multilingual-e5-small. So a similarity is compared with those of the same query to neutral passages in the
passage's language, and its unit is the mean distance between related and unrelated pairs of neutral texts. This is
T-norm of speaker verification: Auckenthaler, Carey, Lloyd-Thomas 2000, "Score Normalization for Text-Independent
Speaker Verification Systems".
"""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.embedding import constant
from headwater.embedding.base import Embedder
from headwater.embedding.registry import known_languages
from headwater.words.analysis import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_EVIDENCE = 1.35
"""Closeness + OVERLAP_WEIGHT × overlap of a relevant passage. The same for all models and languages
(docs/decisions/0025)."""

OVERLAP_WEIGHT = 2.0

CERTAIN = 6.5
"""Closeness that suffices without a common word, in deviations of unrelated texts."""

MIN_OVERLAP = 0.3
"""Overlap of a relevant passage that has no vector, or is in a language that the model doesn't know."""

MIN_SEPARATION = 3.0
"""How many deviations of unrelated pairs related ones are apart in a language that a model knows: 8 for English with
all-MiniLM-L6-v2, 2 at most for other languages; 4 to 7 with multilingual-e5-small."""


@dataclass(frozen=True)
class Scale:
    """How to read a model's similarities in a language.

    `passages` are vectors of neutral passages: float32, n × dim. `unit` is how much more similar related texts are,
    `deviation` the deviation of unrelated ones.
    """

    passages: "NDArray[np.float32]"
    unit: float
    deviation: float

    def background(self, query: "NDArray[np.float32]") -> "Background":
        """Return the background of a query's vector: its mean similarity to the neutral passages, and the units."""
        return Background(float((self.passages @ query).mean()), self.unit, self.deviation)


@dataclass(frozen=True)
class Background:
    """How similar a query is to unrelated passages of a language: `mean`, with a `deviation`; related ones have one
    `unit` more."""

    mean: float
    unit: float
    deviation: float

    def closeness(self, similarity: float) -> float:
        """Return about 0 for an unrelated passage, and about 1 for one that answers the query."""
        return (similarity - self.mean) / self.unit

    def is_relevant(self, similarity: float, overlap: float) -> bool:
        """Return True if a passage may be about the query. Lenient: it rejects only passages on other subjects.

        `overlap` is the share of the query's words in the passage.
        """
        is_certain = similarity - self.mean >= CERTAIN * self.deviation
        return is_certain or self.closeness(similarity) + OVERLAP_WEIGHT * overlap >= MIN_EVIDENCE


class Scales:
    """A process's scales, by model and language. Embeds 16 short texts for each, once. Safe between threads."""

    def __init__(self, embedder: Callable[[str], Embedder]) -> None:
        self._embedder = embedder
        self._lock = threading.Lock()
        self._scales: dict[tuple[str, str], Scale | None] = {}

    def backgrounds(self, model: str, languages: Iterable[str], query: "NDArray[np.float32]") -> dict[str, Background]:
        """Return the background of a query's vector for each of these languages that the model knows."""
        scales = {language: self._scale(model, language) for language in languages}
        return {language: scale.background(query) for language, scale in scales.items() if scale}

    def _scale(self, model: str, language: str) -> Scale | None:
        known = known_languages(model)
        if known is not None and language not in known:
            return None
        language = language if language in _neutral_texts() else DEFAULT_LANGUAGE
        with self._lock:
            if (model, language) not in self._scales:
                self._scales[model, language] = _measure(self._embedder(model), language)
            return self._scales[model, language]


def _measure(embedder: Embedder, language: str) -> Scale | None:
    """Measure a model's scale in a language, None if it can't tell related texts from others."""
    import numpy as np

    if embedder.name == constant.NAME:
        return Scale(np.zeros((1, embedder.dim), np.float32), 1.0, 1.0)
    pairs = _neutral_texts()[language]
    passages = embedder.embed_documents([passage for _, passage in pairs])
    with ThreadPoolExecutor(len(pairs)) as pool:  # each is a request, if the model is hosted
        questions = np.array([*pool.map(embedder.embed_query, [question for question, _ in pairs])])
    return make_scale(questions, passages)


def make_scale(questions: "NDArray[np.float32]", passages: "NDArray[np.float32]") -> Scale | None:
    """Make the scale of a language from the vectors of its neutral questions and of the passages that answer them.

    Each question is compared with the background of its similarities to the other passages, as a query is.
    """
    import numpy as np

    similarities = questions @ passages.T
    others = ~np.eye(len(similarities), dtype=bool)
    unrelated = similarities[others].reshape(len(similarities), -1)
    background = unrelated.mean(axis=1, keepdims=True)
    unit = float((similarities.diagonal() - background[:, 0]).mean())
    deviation = float((unrelated - background).std())
    return Scale(passages, unit, deviation) if unit > MIN_SEPARATION * deviation else None


@cache
def _neutral_texts() -> dict[str, Sequence[tuple[str, str]]]:
    """Return questions and passages that answer them, by language. The languages' texts say the same."""
    texts: dict[str, Sequence[tuple[str, str]]] = json.loads(
        Path(__file__).with_name("neutral_texts.json").read_text(encoding="utf-8")
    )
    return texts
