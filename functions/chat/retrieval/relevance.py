"""Judge whether a passage may be about a query, by meaning and by words.

Cosine similarities mean something else in each model and language, so a similarity is compared with those of the same
query to neutral passages in the passage's language, and its unit is the mean distance between related and unrelated
pairs of neutral texts (`headwater.embedding.scales`). This is T-norm of speaker verification: Auckenthaler, Carey,
Lloyd-Thomas 2000, "Score Normalization for Text-Independent Speaker Verification Systems".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sqlalchemy.engine import Connection

from headwater.embedding import constant
from headwater.embedding.registry import known_languages
from headwater.embedding.scales import Scale, neutral_language, read_scales

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OVERLAP_WEIGHT = 2.0

CLOSE = 1.35
"""Closeness that suffices without a common word."""

CERTAIN = 6.5
"""The same, in deviations of unrelated texts. Less than `CLOSE` where related texts are far from unrelated ones."""


class Thresholds(NamedTuple):
    """Minima of a relevant passage, the same for all models and languages (docs/decisions/0054).

    `evidence` is closeness + OVERLAP_WEIGHT × overlap; `overlap` is for a passage without a vector, or in a language
    that the model doesn't know.
    """

    evidence: float
    overlap: float


SEARCH_THRESHOLDS = Thresholds(evidence=1.2, overlap=0.23)
"""Of the passages of a search, with overlaps beyond chance (`bm25.score`)."""

SHARE_THRESHOLDS = Thresholds(evidence=1.35, overlap=0.3)
"""Of passages that were chosen for a query or statement before, such as those of web pages. Their overlaps are plain
shares of words."""


class Judge(Protocol):
    """Judges whether passages in one language may be about a query."""

    def is_relevant(self, similarity: float, overlap: float, thresholds: Thresholds = SEARCH_THRESHOLDS) -> bool:
        """Return True if a passage may be about the query. `overlap`: the share of the query's words in it."""
        ...


@dataclass(frozen=True)
class Background:
    """How similar a query is to unrelated passages of a language: `mean`, with a `deviation`; related ones have one
    `unit` more."""

    mean: float
    unit: float
    deviation: float

    @classmethod
    def of(cls, scale: Scale, query: "NDArray[np.float32]") -> "Background":
        """Return the background of a query's vector."""
        return cls(float(scale.mean @ query), scale.unit, scale.deviation)

    def closeness(self, similarity: float) -> float:
        """Return about 0 for an unrelated passage, and about 1 for one that answers the query."""
        return (similarity - self.mean) / self.unit

    def is_relevant(self, similarity: float, overlap: float, thresholds: Thresholds = SEARCH_THRESHOLDS) -> bool:
        """Return True if a passage may be about the query. Lenient: it rejects only passages on other subjects.

        `overlap` is the share of the query's words in the passage.
        """
        if similarity - self.mean >= CERTAIN * self.deviation:
            return True
        closeness = self.closeness(similarity)
        return closeness + OVERLAP_WEIGHT * overlap >= thresholds.evidence if overlap else closeness >= CLOSE


class WordsOnly:
    """Judges by words, in a language whose scale is not measured yet."""

    def is_relevant(self, _: float, overlap: float, thresholds: Thresholds = SEARCH_THRESHOLDS) -> bool:
        """Return True if the passage has enough of the query's words."""
        return overlap >= thresholds.overlap


def is_relevant(
    judge: Judge | None, similarity: float | None, overlap: float, thresholds: Thresholds = SEARCH_THRESHOLDS
) -> bool:
    """Return True if a passage may be about the query. Words alone decide without a judge or a vector."""
    if judge is None or similarity is None:
        return overlap >= thresholds.overlap
    return judge.is_relevant(similarity, overlap, thresholds)


class Scales:
    """A process's scales, by model and language, read from the database once. Safe to share between threads."""

    def __init__(self) -> None:
        self._scales: dict[tuple[int, str], Scale | None] = {}

    def read(self, tx: Connection, model_id: int, model: str, languages: Sequence[str]) -> "LanguageScales":
        """Return the scales of the languages that the model may know."""
        known = known_languages(model)
        neutral = {code: neutral_language(code) for code in languages if known is None or code in known}
        if model == constant.NAME:
            return LanguageScales(None, neutral)
        if missing := {code for code in neutral.values() if (model_id, code) not in self._scales}:
            stored = read_scales(tx, model_id, missing)
            self._scales |= {(model_id, code): scale for code, scale in stored.items()}
        measured = {code: self._scales[key] for code in neutral.values() if (key := (model_id, code)) in self._scales}
        return LanguageScales(measured, neutral)


@dataclass(frozen=True)
class LanguageScales:
    """The measured `scales` of a model, and for each language of a search the one whose scale applies.

    `scales` is None for the model without a meaning, whose similarities are taken as they are.
    """

    scales: Mapping[str, Scale | None] | None
    neutral: Mapping[str, str]

    def judges(self, query: "NDArray[np.float32]") -> dict[str, Judge]:
        """Return a query's judge for each language that the model knows, or may know."""
        if self.scales is None:
            return {language: Background(0.0, 1.0, 1.0) for language in self.neutral}
        judges: dict[str, Judge] = {}
        for language, neutral in self.neutral.items():
            scale = self.scales.get(neutral)
            if scale is not None:
                judges[language] = Background.of(scale, query)
            elif neutral not in self.scales:
                judges[language] = WordsOnly()
        return judges
