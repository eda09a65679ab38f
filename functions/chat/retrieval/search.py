"""Hybrid search: fuse the best chunks by vectors and by words, and choose passages from them.

Vectors are scanned exactly, or by index in a workspace with many of them. If a filter leaves few chunks, only those are
looked at, and ranked exactly. The query is embedded between two short transactions, never inside one.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.engine import Connection

from functions.chat.retrieval.candidates import Candidates
from functions.chat.retrieval.merging import MAX_GAP, Distinct, Found, choose, rescore
from functions.chat.retrieval.ranking import Match, rank, to_score
from functions.chat.retrieval.relevance import Judge, LanguageScales, Scales
from functions.chat.retrieval.reranking import RERANKED, Problem, Reranking
from functions.chat.retrieval.statements import (
    CHUNKS,
    DENSE,
    DENSE_OF_CHUNKS,
    EVERYTHING,
    FEEDBACK,
    LIVE_CHUNKS,
    MATCHES,
    NEAREST,
    PASSAGES,
    SEARCH_SETTINGS,
    STEMMERS_JSON,
    TARGET,
    indexed,
    statement,
)
from headwater import tracing
from headwater.database.transactions import ALL_WORKSPACES, Database, json_rows, to_array
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.vector_index import EXACT_VECTORS
from headwater.filters.sql import Where, where
from headwater.filters.tree import Filter
from headwater.usage.record import Payer
from headwater.words.analysis import DEFAULT_LANGUAGE, query_words, word_sequence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from functions.chat.retrieval.bm25 import QueryWord, WordScores

Ranking = Literal["hybrid", "words", "vectors"]
"""What passages are ranked by."""

CANDIDATES = 100
"""Chunks that vectors and words each contribute, at most."""

OVERSAMPLE = 4 * CANDIDATES
"""Nearest vectors that are joined to live chunks first. Usually enough of them are live."""

PHRASE_PASSAGES = 50
"""Best passages whose phrases are compared with the query's."""

POOL = 3
"""Candidates whose texts are read, for each passage that is returned: some are the same, some are joined."""

MAX_STOP_WORDS = 256
"""Distinct words of a query that are looked up as stop words, at most. Of the others, few are searched."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A matching part of a document: its `text[start:end]`.

    `excerpt` is what a model or reader is shown: the text without markup, after the header of the table it continues.
    `page` is the number of the page on which it begins, None for formats without pages.
    `documents` is the number of documents with the same passage.
    `score` is the fused score after the adjustments of `ranking` and `merging`. `similarity` is the cosine similarity
    to the query, None without a vector or in a language that the model doesn't know. `overlap` is the share of the
    query's words in the passage, its title and its headings, beyond chance; rare words count more. Of a passage of
    several chunks, all three are those of the best one. `relevant`: whether one may be about the query (`relevance`).
    """

    document_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    heading_path: list[str]
    text: str
    excerpt: str
    page: int | None = None
    start: int
    end: int
    documents: int = 1
    score: float
    similarity: float | None
    overlap: float
    relevant: bool


class Results(msgspec.Struct, frozen=True):
    """Passages, best first. `problem` says why a configured reranker didn't rank them."""

    passages: list[Passage]
    reranked: bool = False
    problem: Problem | None = None


class Search:
    """Searches a database. `embedder` returns the embedder of a model name; `reranking`, if any, reranks passages,
    and `recorder` stores what hosted models charge.

    A workspace with more than `exact_limit` vectors is searched by index, if there is one. A filter that leaves at most
    `exact_limit` chunks is exact.
    """

    def __init__(
        self,
        database: Database,
        embedder: Callable[[str], Embedder],
        exact_limit: int = EXACT_VECTORS,
        *,
        reranking: Reranking | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.database = database
        self.embedder = embedder
        self.exact_limit = exact_limit
        self.reranking = reranking
        self.recorder = recorder
        self._scales = Scales()

    def __call__(
        self,
        workspace_id: uuid.UUID,
        query: str,
        k: int,
        source_id: uuid.UUID | None = None,
        *,
        document_filter: Filter | None = None,
        by: Ranking = "hybrid",
        half_life_days: float | None = None,
    ) -> list[Passage]:
        """Return at most `k` passages, best first, optionally of one source and of documents that match a filter.

        Uses words alone until vectors exist. With a half-life, by default the workspace's, recent documents come before
        old ones that are about as good.
        """
        wanted = where(document_filter, source_id)
        return self.find(workspace_id, query, k, wanted, by=by, half_life_days=half_life_days).passages

    def find(
        self,
        workspace_id: uuid.UUID,
        query: str,
        k: int,
        wanted: Where,
        *,
        by: Ranking = "hybrid",
        half_life_days: float | None = None,
        rerank: bool = True,
    ) -> Results:
        """Search in the documents `wanted`, and say whether the passages were reranked.

        Rankings by words or vectors alone never are.
        """
        reranking = self.reranking if rerank and by == "hybrid" else None
        size = max(POOL * k, PHRASE_PASSAGES, RERANKED) if by == "hybrid" else POOL * k
        scope = _Scope({**wanted.values, "workspace_id": workspace_id}, wanted.sql)
        with tracing.span("search"):
            found = self._search(query, size, scope, by=by, half_life_days=half_life_days)
            scores = reranking(query, [one.full_text for one in found[:RERANKED]]) if reranking and found else None
        if reranking and isinstance(scores, list):
            reranking.record(self.recorder, Payer(workspace_id))
            found = rescore(found, scores)
        passages = [_passage(passage) for passage in choose(found, k)]
        return Results(passages, isinstance(scores, list), scores if isinstance(scores, str) else None)

    def _search(
        self, query: str, size: int, scope: "_Scope", *, by: Ranking, half_life_days: float | None
    ) -> list[Found]:
        """Return the best `size` chunks with different texts."""
        workspace_id = scope.values["workspace_id"]
        with tracing.database_span("read languages"), self.database.transaction(workspace_id) as tx:
            target = tx.execute(TARGET, {**self._target_values(query), "workspace_id": workspace_id}).one()
            languages = target.languages or [DEFAULT_LANGUAGE]
            scales = self._read_scales(tx, target, languages)
        vector = None if target.model is None or by == "words" else self._embed(workspace_id, target.model, query)
        half_life_days = target.half_life_days if half_life_days is None else half_life_days
        scope = scope.using(target.model_id, vector, half_life_days)
        from functions.chat.retrieval.words import read_scores, weigh_words  # imports numpy

        judges = {} if vector is None else scales.judges(vector)
        words = [] if by == "vectors" else weigh_words(query, languages, target.stop_words, target.english_stop_words)
        with tracing.database_span("find passages"), self._snapshot(workspace_id) as tx:
            scope = scope.select(tx, self.exact_limit)
            dense = _dense(tx, scope, dim=target.dim if target.is_indexed else None)
            scores = read_scores(tx, workspace_id, words, among=scope.chunks)
            candidates = _candidates(tx, scope, dense, scores, judges)
            found = _read_distinct(tx, scope, rank(candidates.matches(half_life_days)), size)
        has_phrases = by == "hybrid" and len(words) > 1
        return _compare_phrases(found, candidates, words, scores, half_life_days) if has_phrases else found

    def _read_scales(self, tx: Connection, target: Any, languages: Sequence[str]) -> LanguageScales:
        if target.model is None:
            return LanguageScales({}, {})
        return self._scales.read(tx, target.model_id, target.model, languages)

    def _snapshot(self, workspace_id: uuid.UUID) -> AbstractContextManager[Connection]:
        return self.database.transaction(workspace_id, snapshot=True, settings=SEARCH_SETTINGS)

    def _embed(self, workspace_id: uuid.UUID, model: str, query: str) -> "NDArray[np.float32]":
        recording = self.recorder.recording(Payer(workspace_id), model) if self.recorder else nullcontext()
        with tracing.embedding_span(model, 1), recording:
            return self.embedder(model).embed_query(query)

    def check(self) -> None:
        """Embed a query with the active model and run each statement of a search, in a workspace without documents.

        Reranks a text, if there is a reranker.
        """
        if self.reranking:
            self.reranking.check()
        from functions.chat.retrieval.words import read_scores, weigh_words

        with self.database.transaction(ALL_WORKSPACES) as tx:
            model = read_active_model(tx)
        vector = self.embedder(model.name).embed_query("Self-test")
        nowhere = uuid.UUID(int=0)
        scope = _Scope({"workspace_id": nowhere}, EVERYTHING).using(model.id, vector, 1.0)
        with self._snapshot(nowhere) as tx:
            tx.execute(TARGET, {**self._target_values("Self-test"), "workspace_id": nowhere})
            for template in (indexed(model.dim), indexed(model.dim, is_filtered=True), NEAREST, DENSE):
                scope.execute(tx, template)
            scope.execute(tx, CHUNKS, most=0)
            scope.execute(tx, DENSE_OF_CHUNKS, chunks="{0}")
            scores = read_scores(tx, nowhere, weigh_words("Self-test", [DEFAULT_LANGUAGE], ()))
            _candidates(tx, scope, [0], scores, {})
            scope.execute(tx, FEEDBACK, chunks="{0}", best="{0}", weights="{1}", nearest="{0}")
            scope.execute(tx, PASSAGES, chunks="{0}", candidates="{0}", max_gap=MAX_GAP)

    def _target_values(self, query: str) -> dict[str, Any]:
        texts = json_rows([word.text for word in query_words(query, ())[:MAX_STOP_WORDS]])
        return {"texts": texts, "stemmers": STEMMERS_JSON, "exact_limit": self.exact_limit}


class _Scope(NamedTuple):
    """What is searched: the parameters of all statements and the condition on documents `d`.

    `chunks` has the ids of the chunks that a filter leaves, in order, if these are few.
    """

    values: Mapping[str, Any]
    where: str
    chunks: "NDArray[np.int64] | None" = None

    def execute(self, tx: Connection, template: str, **values: Any) -> sa.CursorResult[Any]:
        """Execute the statement of a template."""
        return tx.execute(statement(template, self.where), {**self.values, **values})

    def using(self, model_id: int | None, vector: "NDArray[np.float32] | None", half_life_days: float) -> "_Scope":
        """Add the other parameters of all statements."""
        values = {
            "model_id": model_id,
            "vector": None if vector is None else halfvec(vector.tolist()),
            "half_life_days": half_life_days,
            "n": CANDIDATES,
            "oversample": OVERSAMPLE,
        }
        return self._replace(values={**self.values, **values})

    def select(self, tx: Connection, most: int) -> "_Scope":
        """Read which chunks the filter leaves, unless these are more than `most`."""
        if self.where == EVERYTHING:
            return self
        import numpy as np

        found = self.execute(tx, CHUNKS, most=most).scalar_one() or b""
        chunks = np.frombuffer(found, ">i8").astype(np.int64)
        return self if len(chunks) > most else self._replace(chunks=np.sort(chunks))


def _dense(tx: Connection, scope: _Scope, dim: int | None) -> list[int]:
    """Rank chunk ids by vectors: by the index of vectors of dimension `dim`, or exactly if it is None.

    Joining only the nearest vectors to live chunks is several times faster than joining all, and as exact if enough are
    left. If most vectors belong to deleted texts or to documents that a filter excludes, too few are left, and all are
    joined.
    """
    if scope.values["vector"] is None:
        return []
    if scope.chunks is not None:
        return [*scope.execute(tx, DENSE_OF_CHUNKS, chunks=to_array(scope.chunks.tolist())).scalars()]
    nearest = NEAREST if dim is None else indexed(dim, is_filtered=scope.where != EVERYTHING)
    chunks = [*scope.execute(tx, nearest).scalars()]
    return chunks if len(chunks) == CANDIDATES else [*scope.execute(tx, DENSE).scalars()]


def _candidates(
    tx: Connection, scope: _Scope, dense: Sequence[int], words: "WordScores", judges: Mapping[str, Judge]
) -> Candidates:
    """Find the best chunks by vectors and by words, with their fused scores.

    Similarities are corrected by feedback if words count, too.
    """
    candidates = list(dict.fromkeys(chain(dense, _live(tx, scope, words))))
    found = Candidates(scope.execute(tx, MATCHES, chunks=to_array(candidates)).all(), words, judges)
    if feedback := found.feedback(dense):
        best, nearest = feedback
        rows = scope.execute(
            tx,
            FEEDBACK,
            chunks=to_array(candidates),
            best=to_array(best),
            weights=to_array(best.values()),
            nearest=to_array(nearest),
        )
        found.correct({row.id: row.gain for row in rows})
    return found


def _live(tx: Connection, scope: _Scope, words: "WordScores") -> list[int]:
    """Return the best chunks by words that belong to documents that are searched."""
    size = OVERSAMPLE
    while len(words.chunks):
        best = words.best(size).tolist()
        live = [*scope.execute(tx, LIVE_CHUNKS, chunks=to_array(best)).scalars()]
        if len(live) == CANDIDATES or len(best) < size:
            return live
        size *= 8
    return []


def _read_distinct(tx: Connection, scope: _Scope, ranked: Sequence[Match], size: int) -> list[Found]:
    """Read the best `size` chunks with different texts, in their order."""
    distinct = Distinct()
    candidates = to_array(match.chunk_id for match in ranked)
    for start in range(0, len(ranked), size):
        matches = ranked[start : start + size]
        chunks = to_array(match.chunk_id for match in matches)
        rows = scope.execute(tx, PASSAGES, chunks=chunks, candidates=candidates, max_gap=MAX_GAP)
        for match, row in zip(matches, rows, strict=True):
            distinct.add(_found(match, **row._mapping))
        if len(distinct) >= size:
            break
    return [*distinct][:size]


def _found(match: Match, *, markup: Sequence[int] | None, ordinal: int, **fields: Any) -> Found:
    return Found(match=match, markup=[*(markup or ())], first=ordinal, last=ordinal, **fields)


def _compare_phrases(
    found: Sequence[Found],
    candidates: Candidates,
    query: "Sequence[QueryWord]",
    words: "WordScores",
    half_life_days: float,
) -> list[Found]:
    """Sort passages again after the phrases of the best ones have been compared with the query's."""
    from functions.chat.retrieval.bm25 import score_phrases

    best = found[:PHRASE_PASSAGES]
    sequences = [word_sequence(one.full_text, one.language or DEFAULT_LANGUAGE) for one in best]
    scores = score_phrases(query, words, sequences)
    candidates.add_phrases({one.match.chunk_id: score for one, score in zip(best, scores, strict=True)})
    matches = {match.chunk_id: match for match in candidates.matches(half_life_days)}
    matched = (replace(one, match=matches[one.match.chunk_id]) for one in found)
    return sorted(matched, key=lambda one: (-one.match.points, one.match.chunk_id))


def _passage(found: Found) -> Passage:
    match = found.match
    return Passage(
        document_id=found.document_id,
        key=found.key,
        title=found.title,
        url=found.url,
        media_type=found.media_type,
        heading_path=found.heading_path,
        text=found.text,
        excerpt=found.excerpt,
        page=found.page,
        start=found.start,
        end=found.end,
        documents=found.documents,
        score=to_score(match.points),
        similarity=match.similarity,
        overlap=match.overlap,
        relevant=match.relevant,
    )


def halfvec(vector: Sequence[float]) -> str:
    """Format a vector for pgvector: `[0.1,-0.2]`."""
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"
