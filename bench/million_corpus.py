"""A corpus made by script for `bench.million`: clustered vectors, Zipfian text, several workspaces.

Chunks are made in blocks, each from its own random numbers, so that a block can be made again without the others.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headwater.words.analysis import count_words

DIM = 384
BLOCK = 10_000
"""Chunks that are made at once."""

CHUNKS_OF_DOCUMENT = 10
VOCABULARY = 200_000
WORDS_OF_CHUNK = 80
SMALL = 300
"""Chunks of the smallest workspace."""

RARE_SOURCE = 100
"""One of so many documents of the largest workspace belongs to its second source."""

NOISE = 0.75
"""Length of the random vector that is added to a cluster's centre. Two members have a cosine of .64."""

SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


@dataclass(frozen=True)
class Block:
    """Chunks `first`, `first + 1`, … with their vectors (float32, n × 384) and their words, as ranks."""

    first: int
    vectors: NDArray[np.float32]
    words: list[NDArray[np.int64]]


class Corpus:
    """`size` chunks in one workspace, a twentieth as many in each of two others, and 300 in a fourth.

    The documents of all workspaces are stored in turn, as if they were collected at the same time.
    """

    def __init__(self, size: int, cluster: int) -> None:
        rng = np.random.default_rng(size)
        documents = [size, size // 20, size // 20, SMALL]
        owners = np.repeat(np.arange(4), [n // CHUNKS_OF_DOCUMENT for n in documents])
        self.size = size
        self.workspaces = [uuid.UUID(int=n + 1) for n in range(4)]
        self.sources = [uuid.UUID(int=n + 1) for n in range(5)]  # the last is the second one of the largest workspace
        self.owner = rng.permutation(owners)
        self.source = np.where((self.owner == 0) & (rng.integers(0, RARE_SOURCE, len(owners)) == 0), 4, self.owner)
        self.centres = _unit(rng.standard_normal((max(size // cluster, 1), DIM)))

    @property
    def chunks(self) -> int:
        """Number of chunks in all workspaces."""
        return len(self.owner) * CHUNKS_OF_DOCUMENT

    @cached_property
    def vocabulary(self) -> list[str]:
        """Return words, most frequent first: `VOCABULARY` different ones, none of them a stop word."""
        rng = np.random.default_rng(1)
        words: dict[str, None] = {}
        while len(words) < VOCABULARY:
            words["".join(rng.choice(SYLLABLES, rng.integers(3, 6)))] = None
        return list(words)

    @cached_property
    def word_ids(self) -> NDArray[np.int64]:
        """Return the id of each word, as analysis numbers it."""
        return np.array([next(iter(count_words(word, "en"))) for word in self.vocabulary])

    def blocks(self) -> Iterator[Block]:
        """Make all chunks."""
        for first in range(0, self.chunks, BLOCK):
            yield self._block(first, min(BLOCK, self.chunks - first))

    def owner_of(self, chunk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the workspace of each chunk."""
        return self.owner[chunk // CHUNKS_OF_DOCUMENT]

    def source_of(self, chunk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the source of each chunk."""
        return self.source[chunk // CHUNKS_OF_DOCUMENT]

    def text(self, words: NDArray[np.int64]) -> str:
        """Return words as a text."""
        return " ".join(map(self.vocabulary.__getitem__, words.tolist()))

    def queries(self, vectors: NDArray[np.float16], words: dict[int, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return a vector near each of the chunks in `words`."""
        rng = np.random.default_rng(2)
        near = vectors[list(words)].astype(np.float32)
        moved = _unit(near + 0.5 * _unit(rng.standard_normal(near.shape)))
        return moved.astype(np.float16).astype(np.float32)  # as Postgres compares them

    def _block(self, first: int, size: int) -> Block:
        rng = np.random.default_rng((self.size, first))
        cluster = rng.integers(0, len(self.centres), size)
        vectors = _unit(self.centres[cluster] + NOISE * _unit(rng.standard_normal((size, DIM))))
        lengths = rng.poisson(WORDS_OF_CHUNK, size)
        ranks = np.searchsorted(self._cumulated, rng.random(lengths.sum()))
        return Block(first, vectors, np.split(np.minimum(ranks, VOCABULARY - 1), np.cumsum(lengths)[:-1]))

    @cached_property
    def _cumulated(self) -> NDArray[np.float64]:
        """Return the cumulated frequencies of words, after Zipf and Mandelbrot."""
        frequencies = (np.arange(VOCABULARY) + 2.7) ** -1.07
        return np.cumsum(frequencies / frequencies.sum())


def hash_of(chunk: int) -> bytes:
    """Return a chunk's input hash."""
    return hashlib.sha256(str(chunk).encode()).digest()


def _unit(vectors: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result
