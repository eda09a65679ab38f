"""Search the files of one conversation: by words first, then the best passages by meaning.

All chunks of the files are scanned for the question's words. The best of them, and those at the beginnings of the
files, are embedded with the question. No other search reads these files.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.common_words import common_words
from functions.chat.retrieval.relevance import SHARE_THRESHOLDS, Judge, Scales, is_relevant
from functions.chat.retrieval.search import Passage
from headwater import tracing
from headwater.database.transactions import Database, to_array
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder, embedding_input
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import known_languages
from headwater.passages import excerpt
from headwater.usage.record import Payer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from functions.chat.retrieval.bm25 import QueryWord, WordScores

CANDIDATES = 16
"""Passages that are embedded: those with most words of the question."""

BEGINNINGS = 8
"""Passages at the beginnings of the files that are embedded too, of the latest files."""


class FilePassage(Passage, frozen=True, kw_only=True):
    """A passage of a file of a conversation, whose id is `document_id`."""


class Attached(NamedTuple):
    """What a question may be answered from: the `relevant` passages, in any order, and those at the `beginnings`.

    `words` and `vector` are those of the question.
    """

    relevant: Sequence[FilePassage] = ()
    beginnings: Sequence[FilePassage] = ()
    words: "Sequence[QueryWord]" = ()
    vector: "NDArray[np.float32] | None" = None


class FileSearch:
    """Searches the files of conversations. One per instance; safe to share between threads."""

    def __init__(self, database: Database, embedder: Callable[[str], Embedder], recorder: Recorder) -> None:
        self._database = database
        self._embedder = embedder
        self._recorder = recorder
        self._scales = Scales()

    def has_files(self, workspace_id: uuid.UUID, conversation_id: str) -> bool:
        """Return whether a conversation has files. `conversation_id` is the one that is stored."""
        with self._database.transaction(workspace_id) as tx:
            return bool(_read_languages(tx, workspace_id, conversation_id))

    def __call__(self, workspace_id: uuid.UUID, conversation_id: str, query: str) -> Attached:
        """Return the passages of a conversation's files for a question. Embeds nothing if it has no files.

        An answer outside of conversations has the id "".
        """
        if not conversation_id:
            return Attached()
        with self._database.transaction(workspace_id) as tx:
            languages = _read_languages(tx, workspace_id, conversation_id)
            if not languages:
                return Attached()
            model = read_active_model(tx)
            scales = self._scales.read(tx, model.id, model.name, languages)
        from functions.chat.retrieval.words import weigh_words  # imports numpy

        words = weigh_words(query, languages, common_words(tuple(languages)))
        with tracing.database_span("find passages of files"), self._database.transaction(workspace_id) as tx:
            values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
            scores = _score(tx, values, words)
            best = to_array(scores.best(CANDIDATES).tolist())
            rows = tx.execute(_PASSAGES, {**values, "chunks": best, "beginnings": BEGINNINGS}).all()
        known = known_languages(model.name)
        embedded = [row for row in rows if known is None or row.language in known]
        with self._recorder.recording(Payer(workspace_id), model.name):
            embedder = self._embedder(model.name)
            vector = embedder.embed_query(query)
            vectors = embedder.embed_documents([_input(row) for row in embedded]) if embedded else None
        similarities = {} if vectors is None else dict(zip((row.id for row in embedded), vectors @ vector, strict=True))
        judges = scales.judges(vector)
        passages = [_passage(row, scores, similarities.get(row.id), judges.get(row.language)) for row in rows]
        beginnings = [passage for row, passage in zip(rows, passages, strict=True) if row.is_beginning]
        return Attached([passage for passage in passages if passage.relevant], beginnings, words, vector)


def _read_languages(tx: Connection, workspace_id: uuid.UUID, conversation_id: str) -> list[str]:
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    return list(tx.execute(_LANGUAGES, values).scalars())


def _score(tx: Connection, values: dict[str, Any], query: "Sequence[QueryWord]") -> "WordScores":
    """Score the chunks of the files by words, as those of documents."""
    from functions.chat.retrieval.bm25 import Occurrences, Statistics, score, word_weights
    from functions.chat.retrieval.words import count_occurrences, found_expression, word_vectors

    words = sorted(word_weights(query))
    if not words:
        return score(Occurrences.none(), Statistics(0, 1.0, {}), query)
    statement = sa.text(_SCAN.format(found=found_expression(len(words))))
    scan = tx.execute(statement, {**values, **word_vectors(words)}).one()
    occurrences = count_occurrences(words, scan.found)
    frequencies: dict[int, int] = {}
    for word in occurrences.words.tolist():
        frequencies[word] = frequencies.get(word, 0) + 1
    statistics = Statistics(scan.chunks, max(scan.words / max(scan.chunks, 1), 1.0), frequencies)
    return score(occurrences, statistics, query, beyond_chance=False)


def _input(row: Any) -> str:
    return embedding_input(row.title, row.heading_path, _excerpt(row))


def _excerpt(row: Any) -> str:
    return excerpt(row.text, row.markup or (), row.table_header)


def _passage(row: Any, scores: "WordScores", similarity: float | None, judge: Judge | None) -> FilePassage:
    _, overlap = scores.of(row.id)
    return FilePassage(
        document_id=row.file_id,
        key=row.name,
        title=row.title,
        url=None,
        media_type=row.media_type,
        heading_path=row.heading_path,
        text=row.text,
        excerpt=_excerpt(row),
        page=row.page,
        start=row.start,
        end=row.end,
        score=0.0,
        similarity=None if similarity is None else float(similarity),
        overlap=overlap,
        relevant=is_relevant(judge, similarity, overlap, SHARE_THRESHOLDS),
    )


_FILES = "f.workspace_id = :workspace_id and f.conversation_id = :conversation_id"

_LANGUAGES = sa.text(f"select distinct f.language from conversation_files f where {_FILES} order by 1")

_SCAN = f"""
    select count(*) as chunks, cast(coalesce(sum(word_count), 0) as bigint) as words, {{found}} as found
    from conversation_files f join conversation_chunks chunk on chunk.file_id = f.id
    where {_FILES} and chunk.workspace_id = :workspace_id
"""

# Of one file, its first chunks; of several, the latest have as many each as there is room for.
_PASSAGES = sa.text(f"""
    with files as (
      select f.*, row_number() over (order by f.created_at desc, f.id) as age, count(*) over () as n
      from conversation_files f where {_FILES}),
    chosen as (
      select f.*, c.id as chunk_id, c.ordinal, c.start_offset, c.end_offset, c.heading_path, c.markup, c.header_start,
        c.header_end,
        f.age <= :beginnings and c.ordinal < greatest(cast(:beginnings as integer) / f.n, 1) as is_beginning
      from files f join conversation_chunks c on c.file_id = f.id and c.workspace_id = :workspace_id)
    select chunk_id as id, id as file_id, name, title, media_type, language, heading_path, start_offset as start,
      end_offset as "end", to_json(markup) as markup, is_beginning,
      substr(text, start_offset + 1, end_offset - start_offset) as text,
      substr(text, header_start + 1, header_end - header_start) as table_header,
      nullif(width_bucket(start_offset, page_starts), 0) as page
    from chosen where is_beginning or chunk_id = any(cast(:chunks as bigint[])) order by age, ordinal
""")
