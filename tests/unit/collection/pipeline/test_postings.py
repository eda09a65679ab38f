"""Postings of a segment, from the words of its chunks."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from functions.collection.pipeline.postings import ChunkWords, make_postings

CHUNKS: Sequence[tuple[int, int, Mapping[int, int]]] = [
    (0, 10, {1: 2, 7: 1}),
    (3, 5, {7: 1}),
    (4, 0, {}),
    (9, 40, {1: 2, 1_000_000_000: 40}),
    (12, 10, {7: 1, 8: 1}),
]
"""Number, length and words of each chunk."""

POSTINGS = {
    1: [(0, 2, 10), (9, 2, 40)],
    7: [(3, 1, 5), (0, 1, 10), (12, 1, 10)],
    8: [(12, 1, 10)],
    1_000_000_000: [(9, 40, 40)],
}
"""By hand: of equal counts, the shorter chunk adds more to a score."""


def block(*chunks: tuple[int, int, Mapping[int, int]]) -> ChunkWords:
    """Encode chunks as Postgres and pgvector do."""
    vectors = (
        b"".join(struct.pack(">i", word - 1) for word in words)
        + b"".join(struct.pack(">f", count) for count in words.values())
        for _, _, words in chunks
    )
    return ChunkWords(
        b"".join(struct.pack(">qii", number, length, len(words)) for number, length, words in chunks), b"".join(vectors)
    )


def read(blocks: Sequence[ChunkWords], sorted_at_once: int = 100) -> tuple[dict[int, Any], int]:
    """Return the postings of each word, and the number of parts that they came in."""
    parts = list(make_postings(blocks, mean_length=13.0, sorted_at_once=sorted_at_once))
    found: dict[int, Any] = {}
    for words, chunks, encoded in parts:
        rows = iter(struct.iter_unpack(">ihh", encoded))
        found |= {int(word): [next(rows) for _ in range(n)] for word, n in zip(words, chunks, strict=True)}
        assert next(rows, None) is None
    return found, len(parts)


@pytest.mark.parametrize("sizes", [[5], [2, 3], [1, 0, 4]], ids=str)
def test_postings_are_ordered_by_score_and_age(sizes: Sequence[int]) -> None:
    chunks = iter(CHUNKS)
    found, _ = read([block(*(next(chunks) for _ in range(size))) for size in sizes])
    assert found == POSTINGS
    assert list(found) == sorted(found)


def test_many_postings_are_sorted_in_parts() -> None:
    found, parts = read([block(*CHUNKS)], sorted_at_once=2)
    assert (found, parts) == (POSTINGS, 2)


def test_large_count_and_length_are_capped() -> None:
    found, _ = read([block((0, 70_000, {1: 32_767}))])
    assert found == {1: [(0, 32_767, 32_767)]}


def test_chunks_without_words_have_no_postings() -> None:
    assert read([]) == ({}, 0)
    assert read([block((0, 0, {}))]) == ({}, 0)


def test_order_is_that_of_bm25() -> None:
    chunks = [(n, 1 + n * 7919 % 300, {5: 1 + n * 104_729 % 9}) for n in range(2_000)]
    found, _ = read([block(*chunks)])
    scores = [n * 2.2 / (n + 1.2 * (0.25 + 0.75 * length / 13)) for _, n, length in found[5]]
    assert np.all(np.diff(scores) <= 1e-12)
