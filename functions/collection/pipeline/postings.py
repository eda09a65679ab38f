"""Make a segment's postings from the words of its chunks. Pure."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K1, B = 1.2, 0.75
"""Saturation and length normalisation of BM25, as in search."""

SORTED_POSTINGS = 1_000_000
"""Postings that are sorted at once, about: in 100 MB."""

MAX_COUNT = 32_767
"""A posting has 2 bytes for a count and for a length, signed."""


class ChunkWords(NamedTuple):
    """The words of some chunks, as Postgres sends them.

    `chunks` has for each chunk its id less the segment's first (8 bytes), its number of words (4), and of distinct
    words (4). `vectors` has the elements of their sparse vectors, one chunk after the other: the words, counted from 0
    (4 bytes each), then how often each occurs (4 bytes each, floating-point).
    """

    chunks: bytes
    vectors: bytes


class Postings(NamedTuple):
    """The postings of some words: the words in order, how many chunks contain each, and the postings, 8 bytes each.

    A posting is the number of the chunk (4 bytes), how often it contains the word (2), and its length in words (2). A
    word's postings are ordered by what they add to a score, the most first; of equal ones, the older chunk first.
    """

    words: "NDArray[np.int32]"
    chunks: "NDArray[np.int64]"
    postings: bytes


def make_postings(
    blocks: Iterable[ChunkWords], mean_length: float, sorted_at_once: int = SORTED_POSTINGS
) -> Iterator[Postings]:
    """Yield the postings of all words, in the order of the words. The blocks are in the order of their chunks."""
    import numpy as np

    decoded = [_decode(block) for block in blocks]
    if not decoded:
        return
    words = np.concatenate([of_block for of_block, _ in decoded])
    postings = np.concatenate([of_block for _, of_block in decoded])
    del decoded
    # Words are numbered by a hash, so equal ranges of numbers have about equally many postings.
    parts = len(words) // sorted_at_once + 1
    part = words // (int(words.max(initial=0)) // parts + 1)
    for number in range(parts):
        chosen = np.flatnonzero(part == number)
        if len(chosen):
            yield _sort(words[chosen], postings[chosen], mean_length)


def _decode(block: ChunkWords) -> "tuple[NDArray[np.int32], NDArray[Any]]":
    """Return the word and the posting of each element of the chunks' vectors."""
    import numpy as np

    chunks = np.frombuffer(block.chunks, [("chunk", ">i8"), ("length", ">i4"), ("distinct", ">i4")])
    numbers = np.frombuffer(block.vectors, ">i4")
    chunk = np.repeat(np.arange(len(chunks)), chunks["distinct"])
    distinct = chunks["distinct"].astype(np.int64)
    # An element of a chunk's vector comes after both numbers of each element of the chunks before.
    word_at = np.arange(len(chunk)) + (np.cumsum(distinct) - distinct)[chunk]
    postings = np.empty(len(chunk), [("chunk", "i4"), ("count", "i2"), ("length", "i2")])
    postings["chunk"] = chunks["chunk"][chunk]
    postings["count"] = numbers.view(">f4")[word_at + distinct[chunk]]
    postings["length"] = np.minimum(chunks["length"], MAX_COUNT)[chunk]
    return numbers[word_at].astype(np.int32) + 1, postings


def _sort(words: "NDArray[np.int32]", postings: "NDArray[Any]", mean_length: float) -> Postings:
    import numpy as np

    counts = postings["count"].astype(float)
    norm = K1 * (1 - B) + K1 * B * postings["length"] / mean_length
    by_score = np.argsort(-counts / (counts + norm), kind="stable")
    # Each word and place as one number: numpy sorts these several times as fast as it finds an order.
    places = np.sort(words[by_score].astype(np.int64) << 32 | np.arange(len(words))) & 0xFFFFFFFF
    order = by_score[places]
    words, postings = words[order], postings[order]
    distinct, chunks = np.unique_counts(words)
    return Postings(distinct, chunks, postings.astype(postings.dtype.newbyteorder(">")).tobytes())
