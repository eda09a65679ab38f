"""Score chunks by the words of a query. Pure.

BM25: Robertson, Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; idf as Lucene has it, which is
never negative.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.75
"""Saturation and length normalisation, at their usual values."""

MIN_CHUNKS = 1_000
"""For overlaps, idf is that of a workspace of at least this size: in a small one, every word is frequent."""


_CLOSE = 8
"""Ids lie close if one number of this many is among them."""


@dataclass(frozen=True)
class QueryWord:
    """A word of a query: its ids, one for each language in which its stem differs, and its weight.

    `share` is how much of it a text that answers the query has: half of the pairs of characters, which straddle words.
    """

    ids: Collection[int]
    weight: float
    share: float = 1.0


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
    def none(cls) -> "Occurrences":
        """Return no occurrences."""
        return cls(*np.zeros((4, 0), np.int64))

    @classmethod
    def join(cls, parts: "Sequence[Occurrences]") -> "Occurrences":
        """Join occurrences of different words or chunks."""
        return cls(*map(np.concatenate, zip(*(part._columns() for part in parts), strict=True)))

    def of(self, chunks: NDArray[np.int64], without: Sequence[int] = ()) -> "Occurrences":
        """Return the occurrences in these chunks, without some words."""
        chosen = np.isin(self.chunks, chunks)
        chosen &= ~np.isin(self.words, np.array(without, np.int64))
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

    `overlaps` is which share of the query's words each chunk contains, 0 to 1, where each word counts by weight × idf.
    """

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]
    overlaps: NDArray[np.float64]

    def best(self, n: int) -> NDArray[np.int64]:
        """Return the ids of the best `n` chunks, best first; of equal ones, the older chunk first."""
        chunks, scores = self.chunks, self.scores
        if 0 < n < len(scores):  # sorting all of a large workspace takes several times as long as choosing
            chosen = scores >= np.partition(scores, -n)[-n]
            chunks, scores = chunks[chosen], scores[chosen]
        return chunks[np.lexsort((chunks, -scores))[:n]]

    def of(self, chunk_id: int) -> tuple[float, float]:
        """Return a chunk's score and overlap, 0 if it contains no word of the query."""
        place = int(np.searchsorted(self.chunks, chunk_id))
        if place == len(self.chunks) or self.chunks[place] != chunk_id:
            return 0.0, 0.0
        return float(self.scores[place]), float(self.overlaps[place])


def score(occurrences: Occurrences, statistics: Statistics, query: Sequence[QueryWord]) -> WordScores:
    """Add up weight × idf × saturated count over the words of each chunk."""
    weights = word_weights(query)
    words = np.array(sorted(weights), np.int64)
    weight = np.array([weights[word] for word in words.tolist()])
    frequency = np.array([statistics.frequencies.get(word, 0) for word in words.tolist()], float)
    word = np.searchsorted(words, occurrences.words)
    norm = K1 * (1 - B + B * occurrences.lengths / statistics.mean_length)
    saturated = occurrences.counts * (K1 + 1) / (occurrences.counts + norm)
    information = weight * _idf(frequency, max(statistics.chunks, MIN_CHUNKS))
    of_word = dict(zip(words.tolist(), information.tolist(), strict=True))
    total = sum(item.share * min(of_word[number] for number in item.ids) for item in query)
    chunks, place = _distinct(occurrences.chunks)
    scores = np.bincount(place, (weight * _idf(frequency, statistics.chunks))[word] * saturated, len(chunks))
    overlaps = np.bincount(place, information[word], len(chunks)) / (total or 1.0)
    return WordScores(chunks, scores.astype(np.float64), np.minimum(overlaps, 1.0))


def _distinct(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct ids in order, and the place of each id among them; without sorting if they lie close."""
    first, last = (int(ids.min()), int(ids.max())) if len(ids) else (0, -1)
    if (span := last - first + 1) > _CLOSE * len(ids):
        distinct, place = np.unique(ids, return_inverse=True)
        return distinct, place
    present = np.zeros(span, bool)
    present[ids - first] = True
    places = np.cumsum(present) - 1
    return np.flatnonzero(present) + first, places[ids - first]


def word_weights(query: Sequence[QueryWord]) -> dict[int, float]:
    """Return the weight of each word id; of words that share one, the largest."""
    weights: dict[int, float] = {}
    for word in query:
        weights.update((number, max(word.weight, weights.get(number, 0.0))) for number in word.ids)
    return weights


def _idf(frequency: NDArray[np.float64], chunks: int) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.log1p(np.maximum(chunks - frequency + 0.5, 0.0) / (frequency + 0.5))
    return result
