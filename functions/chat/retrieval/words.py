"""Find the chunks of a workspace that contain words of a query, and score them with BM25.

Indexed documents are looked up in postings, all others are scanned; both give the same occurrences, so scores don't
depend on where a chunk is stored. Of frequent words, only the best postings are read, those of chunks that contain the
word often for their length; the best chunks by all that was read are then scored with all of their words. Lin, Trotman
2015, "Anytime Ranking for Impact-Ordered Indexes".
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from functions.chat.common_words import common_words
from functions.chat.retrieval.bm25 import Occurrences, QueryWord, Statistics, WordScores, score, word_weights
from headwater.database.transactions import to_array
from headwater.words.analysis import DEFAULT_LANGUAGE, find_emoji, is_pair, query_words, sparse_vector
from headwater.words.analysis import QueryWord as AnalysedWord

MAX_WORDS = 64
"""Distinct words of a query that are looked up, at most: about as many as the embedder reads."""

MAX_POSTINGS = 200_000
"""Postings that are read for a query, at most."""

RESCORED = 1_000
"""Best chunks that are scored with all of their words, if some postings were not read."""

SCANNED = 10_000
"""Chunks that are scanned for those words instead, at most, if a filter leaves no more."""

PAIR_SHARE = 0.5
"""Share of a question's pairs of characters that a text with all of its words has, in Chinese, Japanese and Korean: the
others straddle two words. In Thai, whose words have several letters, few do."""

COMMON_WEIGHT = 0.5
"""Weight of words such as "used" or "need", which say little about what a question is about."""

_FIRST_SYLLABLE = "\u3040"
"""Characters of scripts without spaces are syllables or words from here on, and sounds before, as in Thai or Khmer."""

_HANGUL = "\uac00"


def weigh_words(
    query: str, languages: Sequence[str], stop_words: Collection[str], english_stop_words: Collection[str] = ()
) -> list[QueryWord]:
    """Return the words of a query with their weights. Emoji are looked up only if there are no others, and stop words
    only if there are no emoji either.

    `english_stop_words` are the query's, for a query in English that is looked up in texts of other languages: in
    these, they are rare, since only names, code and quotations have them.
    """
    words = query_words(query, languages)
    common = common_words(tuple(languages))
    if DEFAULT_LANGUAGE not in languages and _is_english(words, english_stop_words, common.union(stop_words)):
        stop_words = frozenset(stop_words).union(english_stop_words)
        common = common_words((*languages, DEFAULT_LANGUAGE))
    words = [word for word in words if word.text not in stop_words] or words
    words = ([word for word in words if not find_emoji(word.text)] or words)[:MAX_WORDS]
    weights = (COMMON_WEIGHT if _is_common(word.text, common) else 1.0 for word in words)
    return [QueryWord(word.ids, weight, _share(word.text)) for word, weight in zip(words, weights, strict=True)]


def _is_english(words: Sequence[AnalysedWord], english: Collection[str], others: Collection[str]) -> bool:
    """Return True for a query with two stop words of English or more, and fewer of the texts' languages.

    "Was will der Mann?" has two of English and three of German. Shorter ones than three letters are words of many
    languages, such as "i" and "do" in Croatian.
    """
    count = sum(word.text in english and len(word.text) > 2 for word in words)
    return count > 1 and count > sum(word.text in others for word in words)


def _is_common(word: str, common: Collection[str]) -> bool:
    """Return True for a common word, and for a pair of Chinese or Japanese characters of which one is.

    Such pairs are most of what a question asks with: 是什, 么时, 有哪. A Korean ending is also part of other words.
    """
    if word in common:
        return True
    return _is_of_syllables(word) and word < _HANGUL and any(character in common for character in word)


def _share(word: str) -> float:
    return PAIR_SHARE if _is_of_syllables(word) else 1.0


def _is_of_syllables(word: str) -> bool:
    return is_pair(word) and word >= _FIRST_SYLLABLE


def read_scores(
    tx: Connection,
    workspace_id: uuid.UUID,
    query: Sequence[QueryWord],
    max_postings: int = MAX_POSTINGS,
    *,
    among: NDArray[np.int64] | None = None,
) -> WordScores:
    """Score the chunks of a workspace that contain a word of a query, including chunks of removed documents.

    `among`: only score these chunks. The transaction must be a snapshot, or a document that is indexed in between is
    missed.
    """
    words = sorted(word_weights(query))
    if not words:
        return score(Occurrences.none(), Statistics(0, 1.0, {}), query)
    values = {"workspace_id": workspace_id, "words": to_array(words)}
    scan = tx.execute(_scan(len(words)), {**values, **word_vectors(words)}).one()
    segments = tx.execute(_SEGMENTS, values).one()
    indexed = {row.word: row.chunks for row in tx.execute(_FREQUENCIES, values)} if segments.chunks else {}
    limits = _limits(indexed, max_postings)
    scanned = count_occurrences(words, scan.found)
    posted = (
        [_posted(row) for row in tx.execute(_POSTINGS, _posting_values(values, indexed, limits))] if indexed else ()
    )
    occurrences = Occurrences.join([scanned, *posted])
    frequencies = Counter(indexed)
    frequencies.update(scanned.words.tolist())
    chunks = scan.chunks + segments.chunks
    mean_length = max((scan.words + segments.words) / max(chunks, 1), 1.0)
    statistics = Statistics(chunks, mean_length, frequencies)
    if among is not None:
        occurrences = occurrences.of(among)
    scores = score(occurrences, statistics, query)
    cut = sorted(word for word, limit in limits.items() if limit < indexed[word])
    if not cut:
        return scores
    best = scores.best(RESCORED) if among is None or len(among) > SCANNED else among
    found = tx.execute(
        _counts(len(cut)), {**values, **word_vectors(cut), "chunks": to_array(best.tolist())}
    ).scalar_one()
    return score(
        Occurrences.join([occurrences.of(best, without=cut), count_occurrences(cut, found)]), statistics, query
    )


def _limits(frequencies: Mapping[int, int], max_postings: int) -> dict[int, int]:
    """Return how many postings to read of each word: all of rare ones; the others share what is left.

    `_limits({1: 10, 2: 500, 3: 900}, 110) == {1: 10, 2: 50, 3: 50}`
    """
    limits: dict[int, int] = {}
    left = max_postings
    rarest_first = sorted(frequencies, key=lambda word: frequencies[word])
    for n, word in enumerate(rarest_first):
        limits[word] = min(frequencies[word], left // (len(rarest_first) - n))
        left -= limits[word]
    return limits


def _posting_values(
    values: Mapping[str, Any], frequencies: Mapping[int, int], limits: Mapping[int, int]
) -> dict[str, Any]:
    """Return the parameters of `_POSTINGS`. A word's limit is divided among segments by how many postings they have."""
    shares = to_array(limits[word] / frequencies[word] for word in limits)
    return {**values, "words": to_array(limits), "shares": shares}


def count_occurrences(words: Sequence[int], found: bytes | None) -> Occurrences:
    """Decode what a scan for words found: a row for each chunk, with a count for each word."""
    rows = np.frombuffer(found or b"", [("chunk", ">i8"), ("length", ">i4"), ("counts", ">i2", (len(words),))])
    row, column = np.nonzero(rows["counts"])
    counts = rows["counts"][row, column]
    return _occurrences(np.array(words, np.int64)[column], rows["chunk"][row], counts, rows["length"][row])


def _posted(row: Any) -> Occurrences:
    """Decode the postings of a word in a segment."""
    postings = np.frombuffer(row.postings, [("chunk", ">i4"), ("count", ">i2"), ("length", ">i2")])
    chunks = row.first_chunk_id + postings["chunk"].astype(np.int64)
    return _occurrences(np.full(len(postings), row.word), chunks, postings["count"], postings["length"])


def _occurrences(*columns: NDArray[Any]) -> Occurrences:
    return Occurrences(*(column.astype(np.int64) for column in columns))


def word_vectors(words: Sequence[int]) -> dict[str, str]:
    """Return the parameters of `found_expression`: a vector for each word, and one of all."""
    vectors = {f"v{n}": sparse_vector({word: 1}) for n, word in enumerate(words)}
    return {**vectors, "any_word": sparse_vector(dict.fromkeys(words, 1))}


def found_expression(n: int) -> str:
    """Return the SQL expression for what a scan for `n` words found, for `count_occurrences`."""
    # The inner product with a vector of one word is how often the chunk contains it; pgvector's operator negates it.
    counts = (f"int2send(cast(-(words <#> cast(:v{i} as sparsevec)) as smallint))" for i in range(n))
    return f"""string_agg({" || ".join(("int8send(chunk.id)", "int4send(word_count)", *counts))}, ''::bytea)
      filter (where words <#> cast(:any_word as sparsevec) < 0)"""


@cache
def _scan(n: int) -> sa.TextClause:
    """Return the statement that scans the chunks that are not indexed for `n` words.

    Their documents' chunks are looked up by index, even if the planner's statistics are from before documents were
    indexed.
    """
    return sa.text(f"""
    select count(*) as chunks, cast(coalesce(sum(word_count), 0) as bigint) as words, {found_expression(n)} as found
    from documents d cross join lateral (
      select c.id, c.word_count, c.words from chunks c
      where c.document_id = d.id and c.workspace_id = :workspace_id and c.words is not null offset 0) chunk
    where d.workspace_id = :workspace_id and d.word_segment_id is null and d.deleted_at is null
    """)


@cache
def _counts(n: int) -> sa.TextClause:
    """Return the statement that looks for `n` words in some chunks."""
    return sa.text(f"""
    select {found_expression(n)} from chunks chunk
    where workspace_id = :workspace_id and id = any(cast(:chunks as bigint[]))
    """)


_SEGMENTS = sa.text("""
    select cast(coalesce(sum(chunks), 0) as bigint) as chunks, cast(coalesce(sum(words), 0) as bigint) as words
    from word_segments where workspace_id = :workspace_id
""")

_FREQUENCIES = sa.text("""
    select p.word, cast(sum(p.chunks) as bigint) as chunks
    from word_segments s join word_postings p on p.segment_id = s.id
    where s.workspace_id = :workspace_id and p.workspace_id = :workspace_id
      and p.word = any(cast(:words as integer[]))
    group by p.word
""")

# A posting has 8 bytes.
_POSTINGS = sa.text("""
    select p.word, s.first_chunk_id, substr(p.postings, 1, 8 * cast(ceil(p.chunks * w.share) as integer)) as postings
    from unnest(cast(:words as integer[]), cast(:shares as float[])) as w (word, share)
    cross join word_segments s join word_postings p on p.segment_id = s.id and p.word = w.word
    where s.workspace_id = :workspace_id and p.workspace_id = :workspace_id
""")
