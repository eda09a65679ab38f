"""Score chunks by the words of a query. Pure.

BM25: Robertson, Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; idf as Lucene has it, which is
never negative.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.75
"""Saturation and length normalisation, at their usual values."""


@dataclass(frozen=True)
class QueryTerms:
    """The words of a query, as they are looked up: weights by word id, and what they weigh together.

    A word has an id for each language of the workspace in which its stem differs, but counts once.
    """

    weights: Mapping[int, float]
    total_weight: float


@dataclass(frozen=True)
class Occurrences:
    """Which chunks contain which words: arrays of equal length, one item for each chunk and word.

    `words` are word ids, `chunks` chunk ids, `counts` how often the chunk contains the word, `lengths` the chunk's
    number of words.
    """

    words: NDArray[np.int64]
    chunks: NDArray[np.int64]
    counts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def join(cls, parts: "Sequence[Occurrences]") -> "Occurrences":
        """Join occurrences of different words or chunks."""
        return cls(*map(np.concatenate, zip(*(part._columns() for part in parts), strict=True)))

    def of(self, chunks: NDArray[np.int64]) -> "Occurrences":
        """Return the occurrences in these chunks."""
        chosen = np.isin(self.chunks, chunks)
        return Occurrences(*(column[chosen] for column in self._columns()))

    def _columns(self) -> tuple[NDArray[np.int64], ...]:
        return self.words, self.chunks, self.counts, self.lengths


@dataclass(frozen=True)
class Statistics:
    """What BM25 needs to know of all chunks: their number, their mean length, and how many contain each word."""

    chunks: int
    mean_length: float
    frequencies: Mapping[int, int]


@dataclass(frozen=True)
class WordScores:
    """Chunks with a word of a query, by id, with their scores.

    `overlaps` is which share of the query's words each chunk contains, 0 to 1; words count as much as they weigh.
    """

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]
    overlaps: NDArray[np.float64]

    def best(self, n: int) -> NDArray[np.int64]:
        """Return the ids of the best `n` chunks, best first; of equal ones, the older chunk first."""
        return self.chunks[np.lexsort((self.chunks, -self.scores))[:n]]

    def of(self, chunk_id: int) -> tuple[float, float]:
        """Return a chunk's score and overlap, 0 if it contains no word of the query."""
        place = int(np.searchsorted(self.chunks, chunk_id))
        if place == len(self.chunks) or self.chunks[place] != chunk_id:
            return 0.0, 0.0
        return float(self.scores[place]), float(self.overlaps[place])


def score(occurrences: Occurrences, statistics: Statistics, terms: QueryTerms) -> WordScores:
    """Add up weight × idf × saturated count over the words of each chunk."""
    weights = terms.weights
    words = np.array(sorted(weights), np.int64)
    weight = np.array([weights[word] for word in words.tolist()])
    frequency = np.array([statistics.frequencies.get(word, 0) for word in words.tolist()], float)
    idf = np.log1p(np.maximum(statistics.chunks - frequency + 0.5, 0.0) / (frequency + 0.5))
    word = np.searchsorted(words, occurrences.words)
    norm = K1 * (1 - B + B * occurrences.lengths / statistics.mean_length)
    gains = (weight * idf)[word] * occurrences.counts * (K1 + 1) / (occurrences.counts + norm)
    chunks, place = np.unique(occurrences.chunks, return_inverse=True)
    scores: NDArray[np.float64] = np.bincount(place, gains, len(chunks)).astype(np.float64)
    overlaps = np.bincount(place, weight[word], len(chunks)) / terms.total_weight
    return WordScores(chunks, scores, np.minimum(overlaps, 1.0))
