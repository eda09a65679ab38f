"""Hybrid search: fuse the best chunks by vectors and by full text.

Vectors are scanned exactly, or by index in a workspace with many of them. The query is embedded between two short
transactions, never inside one.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.retrieval.fusion import fuse
from headwater.database.transactions import ALL_WORKSPACES, Database, json_rows
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder
from headwater.embedding.vector_index import EXACT_VECTORS, sign_bits
from headwater.passages import excerpt

CANDIDATES = 100
"""Chunks that vectors and full text each contribute, at most."""

OVERSAMPLE = 4 * CANDIDATES
"""Nearest vectors that are joined to live chunks first. Usually enough of them are live."""

INDEX_CANDIDATES = 1_000
"""Vectors taken from the index of signs and re-ranked by distance; also the maximum of `hnsw.ef_search`.

Why signs are enough: `docs/decisions/0010`."""

MAX_TERMS = 64
"""Distinct words of a query that are looked up, at most: about as many as the embedder reads."""

MIN_SIMILARITY = 0.3
"""Cosine similarity of a relevant passage. With all-MiniLM-L6-v2, unrelated texts mostly stay below it."""

MIN_OVERLAP = 0.6
"""Share of the query's words in a relevant passage: both of two words, two of three, three of five."""


class Span(NamedTuple):
    """Identifies a hit. Of chunks with the same input hash, which have the same text, only one is a hit."""

    document_id: uuid.UUID
    start: int
    end: int
    input_hash: bytes


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A matching part of a document: its `text[start:end]`.

    `excerpt` is what a model or reader is shown: the text without markup, after the header of the table it continues.
    `documents` is the number of documents with the same passage.
    `score` is the fused score. `similarity` is the cosine similarity to the query, None without a vector. `overlap` is
    the share of the query's words in the passage, its title and its headings.
    """

    document_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    heading_path: list[str]
    text: str
    excerpt: str
    start: int
    end: int
    documents: int = 1
    score: float
    similarity: float | None
    overlap: float


def is_relevant(passage: Passage) -> bool:
    """Return True if a passage may be about the query, by meaning or by words.

    Lenient on purpose: it rejects only passages on other subjects.
    """
    return (passage.similarity or 0.0) >= MIN_SIMILARITY or passage.overlap >= MIN_OVERLAP


class Search:
    """Searches a database. `embedder` returns the embedder of a model name.

    A workspace with more than `exact_limit` vectors is searched by index, if there is one.
    """

    def __init__(
        self, database: Database, embedder: Callable[[str], Embedder], exact_limit: int = EXACT_VECTORS
    ) -> None:
        self.database = database
        self.embedder = embedder
        self.exact_limit = exact_limit

    def __call__(
        self, workspace_id: uuid.UUID, query: str, k: int, source_id: uuid.UUID | None = None
    ) -> list[Passage]:
        """Return at most `k` passages, best first, optionally of one source.

        Uses full text alone until vectors exist.
        """
        with self.database.transaction(workspace_id) as tx:
            values = {"workspace_id": workspace_id, "question": query, "n": MAX_TERMS, "exact_limit": self.exact_limit}
            target = tx.execute(_TARGET, values).one()
        vector = None if target.model is None else halfvec(self.embedder(target.model).embed_query(query).tolist())
        values = {
            "workspace_id": workspace_id,
            "source_id": source_id,
            "model_id": target.model_id,
            "vector": vector,
            "terms": target.terms,
            "query": any_term_query(target.terms),
            "n": CANDIDATES,
        }
        with self.database.transaction(workspace_id) as tx:
            dense = _dense(tx, values, dim=target.dim if target.is_indexed else None)
            lexical = _spans(tx, _LEXICAL, values)
            spans = {span.input_hash: span for span in (*lexical, *dense)}
            fused = fuse((span.input_hash for span in dense), (span.input_hash for span in lexical))
            return _read_passages(tx, [(spans[key], score) for key, score in fused[:k]], values)

    def check(self) -> None:
        """Embed a query with the active model and run each statement of a search, in a workspace without documents."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            model = read_active_model(tx)
        vector = halfvec(self.embedder(model.name).embed_query("Self-test").tolist())
        values = {
            "workspace_id": uuid.UUID(int=0),
            "source_id": None,
            "model_id": model.id,
            "vector": vector,
            "terms": ["self"],
            "query": any_term_query(["self"]),
            "n": CANDIDATES,
            "question": "Self-test",
            "exact_limit": self.exact_limit,
            "oversample": OVERSAMPLE,
            "index_candidates": INDEX_CANDIDATES,
        }
        with self.database.transaction(values["workspace_id"]) as tx:
            tx.execute(_TARGET, {**values, "n": MAX_TERMS})
            tx.execute(_SET_INDEX_SCAN, values)
            for statement in (indexed_statement(model.dim), _NEAREST, _DENSE, _LEXICAL):
                _spans(tx, statement, values)
            _read_passages(tx, [(Span(uuid.UUID(int=0), 0, 1, bytes(32)), 0.0)], values)


def _dense(tx: Connection, values: Mapping[str, Any], dim: int | None) -> list[Span]:
    """Rank by vectors: by the index of vectors of dimension `dim`, or exactly if it is None.

    Joining only the nearest vectors to live chunks is several times faster than joining all, and as exact if enough are
    left. If most vectors belong to deleted texts or other sources, too few are left, and all are joined.
    """
    if values["vector"] is None:
        return []
    spans: list[Span] = []
    if dim is not None:
        tx.execute(_SET_INDEX_SCAN, {"index_candidates": INDEX_CANDIDATES})
        spans = _spans(
            tx, indexed_statement(dim), {**values, "oversample": OVERSAMPLE, "index_candidates": INDEX_CANDIDATES}
        )
    elif not values["source_id"]:
        spans = _spans(tx, _NEAREST, {**values, "oversample": OVERSAMPLE})
    return spans if len(spans) == CANDIDATES else _spans(tx, _DENSE, values)


def _spans(tx: Connection, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Span]:
    return [
        Span(row.document_id, row.start_offset, row.end_offset, bytes(row.input_hash))
        for row in tx.execute(statement, values)
    ]


def _read_passages(tx: Connection, best: Sequence[tuple[Span, float]], values: Mapping[str, Any]) -> list[Passage]:
    """Read the passages of spans, in their order."""
    rows = [
        {"n": n, "document_id": span.document_id, "start": span.start, "end": span.end, "score": score}
        for n, (span, score) in enumerate(best)
    ]
    return [_passage(**row._mapping) for row in tx.execute(_PASSAGES, {**values, "rows": json_rows(rows)})]


def _passage(*, text: str, markup: Sequence[int] | None, table_header: str | None, **fields: Any) -> Passage:
    return Passage(text=text, excerpt=excerpt(text, markup or (), table_header), **fields)


def halfvec(vector: Sequence[float]) -> str:
    """Format a vector for pgvector: `[0.1,-0.2]`."""
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"


def any_term_query(terms: Sequence[str]) -> str:
    r"""Return a tsquery that matches any of the terms: `any_term_query(["it's", "b"]) == "'it''s' | 'b'"`."""
    return " | ".join("'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in terms)


_LIVE = """
    c.workspace_id = :workspace_id and d.workspace_id = :workspace_id and d.deleted_at is null
    and (cast(:source_id as uuid) is null or d.source_id = :source_id)
"""

# Terms in the order of their first position: of a query that is too long, the first terms are looked up.
_TARGET = sa.text("""
    select m.id as model_id, m.name as model, m.dim, array(
      select lexeme from unnest(to_tsvector('english', :question)) order by positions[1], lexeme limit :n) as terms,
      exists (select 1 from pg_index i
        where i.indexrelid = to_regclass('ix_vectors_' || m.id || '_embedding') and i.indisvalid)
      and exists (select 1 from vectors v where v.model_id = m.id and v.workspace_id = :workspace_id
        offset cast(:exact_limit as integer)) as is_indexed
    from (values (1)) one left join embedding_models m on m.state = 'active' and exists (
      select 1 from vectors v where v.model_id = m.id and v.workspace_id = :workspace_id)
""")

_NEAREST_OF = """
    nearest as materialized (
      select input_hash, embedding <=> cast(:vector as halfvec) as distance from {vectors}
      order by distance limit :oversample)
    select c.document_id, c.start_offset, c.end_offset, c.input_hash
    from nearest v cross join lateral (
      select c.id, c.document_id, c.start_offset, c.end_offset, c.input_hash
      from chunks c join documents d on d.id = c.document_id
      where c.input_hash = v.input_hash and {live} order by c.id limit 1) c
    order by v.distance, c.id limit :n
"""

_OWN_VECTORS = "vectors where model_id = :model_id and workspace_id = :workspace_id"

_NEAREST = sa.text(f"with {_NEAREST_OF.format(vectors=_OWN_VECTORS, live=_LIVE)}")

# The index covers all workspaces: iterative scan continues until it has enough vectors of this one.
_SET_INDEX_SCAN = sa.text("""
    select set_config('hnsw.ef_search', cast(cast(:index_candidates as integer) as text), true),
      set_config('hnsw.iterative_scan', 'relaxed_order', true)
""")


@cache
def indexed_statement(dim: int) -> sa.TextClause:
    """Return the statement that uses the index on vectors of a dimension. Slow without the index."""
    return sa.text(f"""
    with by_signs as materialized (
      select input_hash, embedding from {_OWN_VECTORS}
      order by {sign_bits(dim)} <~> binary_quantize(cast(:vector as halfvec)) limit :index_candidates),
    {_NEAREST_OF.format(vectors="by_signs", live=_LIVE)}
    """)


_DENSE = sa.text(f"""
    select document_id, start_offset, end_offset, input_hash from (
      select distinct on (c.input_hash) c.id, c.document_id, c.start_offset, c.end_offset, c.input_hash,
        v.embedding <=> cast(:vector as halfvec) as distance
      from vectors v
      join chunks c on c.workspace_id = v.workspace_id and c.input_hash = v.input_hash
      join documents d on d.id = c.document_id
      where v.model_id = :model_id and v.workspace_id = :workspace_id and {_LIVE}
      order by c.input_hash, c.id) c
    order by distance, id limit :n
""")

# ts_rank, not ts_rank_cd: for words joined by "or", cover density counts every occurrence, so one frequent word would
# outweigh all others. 1: divide by 1 + the logarithm of the chunk's length.
_LEXICAL = sa.text(f"""
    select document_id, start_offset, end_offset, input_hash from (
      select distinct on (input_hash) * from (
        select c.id, c.document_id, c.start_offset, c.end_offset, c.input_hash, ts_rank(c.lexemes, query, 1) as rank
        from cast(:query as tsquery) as query, chunks c
        join documents d on d.id = c.document_id
        where c.lexemes @@ query and {_LIVE}) found
      order by input_hash, rank desc, id) c
    order by rank desc, id limit :n
""")

_PASSAGES = sa.text("""
    select distinct on (r.n) d.id as document_id, d.key, d.title, d.url, d.media_type, c.heading_path,
      substr(d.text, r.start + 1, r."end" - r.start) as text, r.start, r."end", r.score, to_json(c.markup) as markup,
      substr(d.text, c.header_start + 1, c.header_end - c.header_start) as table_header,
      (select count(distinct o.document_id) from chunks o join documents od on od.id = o.document_id
        where o.workspace_id = :workspace_id and o.input_hash = c.input_hash and od.deleted_at is null
        and (cast(:source_id as uuid) is null or od.source_id = :source_id)) as documents,
      1 - (v.embedding <=> cast(:vector as halfvec)) as similarity,
      (select count(*) from unnest(c.lexemes) l where l.lexeme = any(cast(:terms as text[])))
        / greatest(cardinality(cast(:terms as text[])), 1)::float as overlap
    from json_to_recordset(cast(:rows as json)) as r
      (n integer, document_id uuid, start integer, "end" integer, score float)
    join documents d on d.id = r.document_id
    join chunks c on c.document_id = d.id and c.start_offset = r.start and c.end_offset = r."end"
    left join vectors v on v.model_id = cast(:model_id as integer) and v.workspace_id = c.workspace_id
      and v.input_hash = c.input_hash
    where d.workspace_id = :workspace_id and c.workspace_id = :workspace_id
    order by r.n, c.id
""")
