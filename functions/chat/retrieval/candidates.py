"""Score the chunks that a search found: fuse, adjust, and judge which may be about the query. Pure.

The similarities are corrected by feedback: Rocchio 1971, "Relevance feedback in information retrieval". The best texts
of a first fusion count as relevant, by their odds, as in relevance models (Lavrenko, Croft 2001, "Relevance-Based
Language Models"); all nearest ones count as not relevant, so that chunks near everything gain nothing.
"""

import datetime as dt
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.chat.retrieval.fusion import fuse
from functions.chat.retrieval.ranking import AVERAGE, PINNED_POINTS, Match, recency, to_points
from functions.chat.retrieval.relevance import Judge, is_relevant
from headwater.words.analysis import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from functions.chat.retrieval.bm25 import WordScores

FEEDBACK_TEXTS = 5
"""Best texts that count as relevant."""

FEEDBACK_WEIGHT = 0.4
"""Weight of the feedback beside the query."""

MIN_NEAREST = 4 * FEEDBACK_TEXTS
"""Nearest chunks that feedback needs: among fewer, the best ones are most of them."""


class Candidates:
    """The chunks that vectors and words found, with their scores. `rows` are those of the statement `MATCHES`.

    Vectors count in the languages that have a judge: those that the model knows.
    """

    def __init__(self, rows: Sequence[Any], words: "WordScores", judges: Mapping[str, Judge]) -> None:
        self._rows = rows
        found = [words.of(row.id) for row in rows]
        self._words = [score for score, _ in found]
        self._overlaps = [overlap for _, overlap in found]
        self._judges = [judges.get(row.language or DEFAULT_LANGUAGE) for row in rows]
        self._similarities = [row.similarity if judge else None for row, judge in zip(rows, self._judges, strict=True)]
        self._corrected = self._similarities
        self._fused = self._fuse()

    def feedback(self, nearest: Collection[int]) -> tuple[dict[int, float], list[int]] | None:
        """Return chunks with the best texts and their weights, the square of their odds; and the `nearest` of them all.

        A weight is 1 for the best text. None if these are too few, or if no candidate has a word of the query: the best
        chunks would be the nearest.
        """
        wanted = set(nearest)
        known = [n for n, similarity in enumerate(self._similarities) if similarity is not None]
        near = [self._rows[n].id for n in known if self._rows[n].id in wanted]
        if len(near) < MIN_NEAREST or not any(self._words):
            return None
        best: dict[bytes, int] = {}
        for n in sorted(known, key=lambda n: -self._fused[n]):
            best.setdefault(self._rows[n].input_hash, n)
            if len(best) == FEEDBACK_TEXTS:
                break
        points = {self._rows[n].id: to_points(self._fused[n]) for n in best.values()}
        most = max(points.values())
        return {chunk: math.exp(2 * (one - most)) for chunk, one in points.items()}, near

    def correct(self, feedback: Mapping[int, float]) -> None:
        """Fuse again, with similarities that are corrected by `feedback`, by chunk id."""
        self._corrected = [
            None if similarity is None else similarity + FEEDBACK_WEIGHT * feedback[row.id]
            for row, similarity in zip(self._rows, self._similarities, strict=True)
        ]
        self._fused = self._fuse()

    def add_phrases(self, scores: Mapping[int, float]) -> None:
        """Fuse again, with the scores by phrases of some chunks added to those by words."""
        self._words = [score + scores.get(row.id, 0.0) for row, score in zip(self._rows, self._words, strict=True)]
        self._fused = self._fuse()

    def matches(self, half_life_days: float) -> list[Match]:
        """Return the matches, in the order of the rows."""
        today = dt.datetime.now(dt.UTC).date()
        matches = []
        for row, score, overlap, judge, similarity in zip(
            self._rows, self._fused, self._overlaps, self._judges, self._similarities, strict=True
        ):
            adjustment = recency(row.date, half_life_days, today)
            if row.is_pinned and score >= AVERAGE:
                adjustment += PINNED_POINTS
            matches.append(
                Match(
                    chunk_id=row.id,
                    input_hash=row.input_hash,
                    points=to_points(score) + adjustment,
                    adjustment=adjustment,
                    stands_out=score >= AVERAGE,
                    similarity=similarity,
                    overlap=overlap,
                    relevant=is_relevant(judge, similarity, overlap),
                )
            )
        return matches

    def _fuse(self) -> list[float]:
        return fuse(self._words, self._corrected)
