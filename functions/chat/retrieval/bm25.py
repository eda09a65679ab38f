"""Score chunks by the words of a query, and passages by its phrases. Pure.

BM25: Robertson, Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; idf as Lucene has it, which is
never negative. Phrases: Metzler, Croft 2005, "A Markov Random Field Model for Term Dependencies" (sequential).
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

K1, B = 1.2, 0.75
"""Saturation and length normalisation, at their usual values."""

MIN_CHUNKS = 1_000
"""For overlaps, idf is that of a workspace of at least this size: in a small one, every word is frequent."""

FEW_CHUNKS = 20
"""Chunks that are added to those of a workspace, without a word, before it says how often a word occurs by chance."""

MAX_CHANCE = 0.95
"""Overlap by chance, at most: of a query whose words are all frequent."""

PHRASE_WEIGHT = 0.11
"""Weight of phrases beside BM25, for words that follow each other and again for words that are near to each other."""

PHRASE_WINDOW = 3
"""Words are near to each other if the second is at most this many words after or before the first."""

_CLOSE = 8
"""Ids lie close if one number of this many is among them."""


@dataclass(frozen=True)
class QueryWord:
    """A word of a query: its ids, one for each language in which its stem differs, and its weight.

    `share` is how much of it a text that answers the query has: half of the pairs of Chinese characters, which straddle
    words.
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

    `overlaps` is which share of the query's words each chunk contains beyond chance, 0 to 1 (`_overlaps`).
    `information` is weight × idf of each word id, `mean_length` the mean number of words of all chunks.
    """

    chunks: NDArray[np.int64]
    scores: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    information: Mapping[int, float] = field(default_factory=dict)
    mean_length: float = 1.0

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


def score(
    occurrences: Occurrences, statistics: Statistics, query: Sequence[QueryWord], *, beyond_chance: bool = True
) -> WordScores:
    """Add up weight × idf × saturated count over the words of each chunk.

    Without `beyond_chance`, overlaps are plain shares by weight × idf: chunks that were chosen for the query, such as
    those of web pages, all have the words of its subject, and say nothing about chance.
    """
    weights = word_weights(query)
    words = np.array(sorted(weights), np.int64)
    weight = np.array([weights[word] for word in words.tolist()])
    frequency = np.array([statistics.frequencies.get(word, 0) for word in words.tolist()], float)
    word = np.searchsorted(words, occurrences.words)
    norm = K1 * (1 - B + B * occurrences.lengths / statistics.mean_length)
    saturated = occurrences.counts * (K1 + 1) / (occurrences.counts + norm)
    information = weight * _idf(frequency, max(statistics.chunks, MIN_CHUNKS)) ** (2 if beyond_chance else 1)
    credit, total = _credits(query, dict(zip(words.tolist(), information.tolist(), strict=True)))
    counted = np.array([credit[number] for number in words.tolist()])
    chunks, place = _distinct(occurrences.chunks)
    weighted = weight * _idf(frequency, statistics.chunks)
    scores = np.bincount(place, weighted[word] * saturated, len(chunks))
    found = np.bincount(place, counted[word], len(chunks))
    chance = counted @ (frequency / (statistics.chunks + FEW_CHUNKS)) if beyond_chance else 0.0
    return WordScores(
        chunks,
        scores.astype(np.float64),
        _overlaps(found / total, float(chance) / total),
        dict(zip(words.tolist(), weighted.tolist(), strict=True)),
        statistics.mean_length,
    )


def score_phrases(query: Sequence[QueryWord], found: WordScores, passages: Sequence[Sequence[int]]) -> list[float]:
    """Return what the phrases of a query add to the BM25 score of each passage, given as word ids in their order.

    A phrase is two words of the query that follow each other in it. It counts where they do so in a passage, too, and
    where they are near to each other, in any order. Its idf is that among the passages, times the mean of its words'.
    """
    places = [_find_places(query, passage) for passage in passages]
    norms = [K1 * (1 - B + B * len(passage) / found.mean_length) for passage in passages]
    information = [min((found.information.get(number, 0.0) for number in word.ids), default=0.0) for word in query]
    totals = [0.0] * len(passages)
    for (one, first), (other, second) in pairwise(enumerate(information)):
        counts = [_count_near(place[one], place[other]) for place in places]
        for column in zip(*counts, strict=True):
            frequency = sum(map(bool, column))
            idf = math.log1p((len(passages) - frequency + 0.5) / (frequency + 0.5))
            for n, count in enumerate(column):
                if count:
                    weight = PHRASE_WEIGHT * idf * (first + second) / 2
                    totals[n] += weight * count * (K1 + 1) / (count + norms[n])
    return totals


def _find_places(query: Sequence[QueryWord], passage: Sequence[int]) -> Mapping[int, list[int]]:
    """Return the places of each word of the query in a passage. An id of several words is that of the first."""
    words: dict[int, int] = {}
    for number, word in enumerate(query):
        for word_id in word.ids:
            words.setdefault(word_id, number)
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, word_id in enumerate(passage):
        if (found := words.get(word_id)) is not None:
            places[found].append(place)
    return places


def _count_near(first: Sequence[int], second: Sequence[int]) -> tuple[int, int]:
    """Count the places of a word right before another word, and those near to it.

    >>> _count_near([0, 7], [1, 4])
    (1, 2)
    """
    others = set(second)
    near = range(-PHRASE_WINDOW, PHRASE_WINDOW + 1)
    return sum(place + 1 in others for place in first), sum(any(place + n in others for n in near) for place in first)


def _credits(query: Sequence[QueryWord], information: Mapping[int, float]) -> tuple[dict[int, float], float]:
    """Return what each id counts for an overlap, and what a text with all words of the query has.

    A word with several ids counts by the most frequent one: in another language it is rare, not important. Two forms of
    a word count once, as they do in a text.
    """
    credit: dict[int, float] = {}
    total = 0.0
    for word in {frozenset(word.ids): word for word in query}.values():
        least = min(information[number] for number in word.ids)
        total += word.share * least
        credit.update((number, max(least, credit.get(number, 0.0))) for number in word.ids)
    return credit, total or 1.0


def _overlaps(shares: NDArray[np.float64], chance: float) -> NDArray[np.float64]:
    """Return which shares of a query's words are found beyond `chance`, the share that a chunk has on average.

    Words count by weight × idf², as in the cosine of two vectors of tf-idf. Chance as in kappa: Cohen 1960, "A
    Coefficient of Agreement for Nominal Scales".

    >>> _overlaps(np.array([0.1, 0.6, 1.2]), 0.2).round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    chance = min(chance, MAX_CHANCE)
    return np.clip((shares - chance) / (1 - chance), 0.0, 1.0)


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
