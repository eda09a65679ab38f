"""Search: a question flows in, the passages that fit it best flow out.

The workspace's vectors and a full-text match each name their best chunks; `fuse` makes one order of them. Vectors are
scanned exactly, unless they are so many that it takes long and there is an index of them. The question is embedded
between two short transactions, never inside one. Called by the search route and, for each question, by `answer`.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.retrieval.fusion import fuse
from headwater.database.transactions import Database, json_rows
from headwater.embedding.base import Embedder
from headwater.embedding.vector_index import EXACT_VECTORS, sign_bits

CANDIDATES = 100
"""How many chunks each of the two ways may name."""

OVERSAMPLE = 4 * CANDIDATES
"""How many of the nearest vectors are joined to what is live, in the hope that enough of them are."""

ALIKE = 1_000
"""How many vectors the index names, for the nearest among them to be found; also the most that `hnsw.ef_search` takes.

Why signs are enough: `docs/decisions/0010`."""

MAX_TERMS = 64
"""How many distinct words of a question are looked up: about as many as the embedder reads of it."""

MIN_SIMILARITY = 0.3
"""Under all-MiniLM-L6-v2 the best cosine that a question finds in texts of other subjects is mostly below .3."""

MIN_OVERLAP = 0.6
"""More than half: of two words both, of three two, of five three."""

Span = tuple[uuid.UUID, int, int]
"""What a hit is known by: document, start, end."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a document that a question found; `text` is the document's `text[start:end]`.

    `score` is the fused one. `similarity` is the cosine to the question, None without a vector; `overlap` is the share
    of the question's words that the passage, its title and its headings hold.
    """

    document_id: uuid.UUID
    key: str
    title: str
    url: str | None
    media_type: str
    heading_path: list[str]
    text: str
    start: int
    end: int
    score: float
    similarity: float | None
    overlap: float


def is_relevant(passage: Passage) -> bool:
    """Tell whether a passage may have to do with the question at all: by its sense, or else by its words.

    Lenient on purpose: it turns away what is beside the point, and leaves the rest to whoever reads it.
    """
    return (passage.similarity or 0.0) >= MIN_SIMILARITY or passage.overlap >= MIN_OVERLAP


class Search:
    """Searches a database; `embedder` gives the embedder of a model by its name.

    A workspace of more than `exact_vectors` is searched by the index, if there is one.
    """

    def __init__(
        self, database: Database, embedder: Callable[[str], Embedder], exact_vectors: int = EXACT_VECTORS
    ) -> None:
        self.database = database
        self.embedder = embedder
        self.exact_vectors = exact_vectors

    def __call__(
        self, workspace_id: uuid.UUID, question: str, k: int, source_id: uuid.UUID | None = None
    ) -> list[Passage]:
        """Find at most `k` passages, the best first; of one source only when it is named.

        Words alone decide while nothing is embedded yet.
        """
        with self.database.transaction(workspace_id) as tx:
            values = {
                "workspace_id": workspace_id,
                "question": question,
                "n": MAX_TERMS,
                "exact_limit": self.exact_vectors,
            }
            query = tx.execute(_QUERY, values).one()
        vector = None if query.model is None else halfvec(self.embedder(query.model).embed_query(question).tolist())
        values = {
            "workspace_id": workspace_id,
            "source_id": source_id,
            "model_id": query.model_id,
            "vector": vector,
            "terms": query.terms,
            "query": any_of(query.terms),
            "n": CANDIDATES,
        }
        with self.database.transaction(workspace_id) as tx:
            dense = _dense(tx, values, dim=query.dim if query.is_indexed else None)
            best = fuse(dense, _spans(tx, _LEXICAL, values))[:k]
            return _read(tx, best, values)


def _dense(tx: Connection, values: Mapping[str, Any], dim: int | None) -> list[Span]:
    """Rank by vectors: by the index of vectors of length `dim`, or exactly when that is None.

    Joining the nearest few hundred vectors to what is live is several times faster than joining all of them first, and
    as exact if that leaves enough. It doesn't where most vectors are of texts that are gone, or of other sources.
    """
    if values["vector"] is None:
        return []
    found: list[Span] = []
    if dim is not None:
        tx.execute(_READ_FAR, {"alike": ALIKE})
        found = _spans(tx, by_index(dim), {**values, "oversample": OVERSAMPLE, "alike": ALIKE})
    elif not values["source_id"]:
        found = _spans(tx, _NEAREST, {**values, "oversample": OVERSAMPLE})
    return found if len(found) == CANDIDATES else _spans(tx, _DENSE, values)


def _spans(tx: Connection, statement: sa.TextClause, values: Mapping[str, Any]) -> list[Span]:
    return [(row.document_id, row.start_offset, row.end_offset) for row in tx.execute(statement, values)]


def _read(tx: Connection, best: Sequence[tuple[Span, float]], values: Mapping[str, Any]) -> list[Passage]:
    """Read the text of each span, in their order, and how it fits the question."""
    rows = [
        {"n": n, "document_id": d, "start": s, "end": e, "score": score} for n, ((d, s, e), score) in enumerate(best)
    ]
    return [Passage(**row._mapping) for row in tx.execute(_PASSAGES, {**values, "rows": json_rows(rows)})]


def halfvec(vector: Sequence[float]) -> str:
    """Write a vector as pgvector reads it: `[0.1,-0.2]`."""
    return "[" + ",".join(f"{value:.7g}" for value in vector) + "]"


def any_of(terms: Sequence[str]) -> str:
    r"""Compose a tsquery that any of the terms satisfies: `any_of(["it's", "b"]) == "'it''s' | 'b'"`."""
    return " | ".join("'" + term.replace("\\", "\\\\").replace("'", "''") + "'" for term in terms)


_LIVE = """
    c.workspace_id = :workspace_id and d.workspace_id = :workspace_id and d.deleted_at is null
    and (cast(:source_id as uuid) is null or d.source_id = :source_id)
"""

# `positions[1]` is where a word stands first: of a question that is too long, its beginning counts.
_QUERY = sa.text("""
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
    select c.document_id, c.start_offset, c.end_offset
    from nearest v join chunks c on c.input_hash = v.input_hash join documents d on d.id = c.document_id
    where {live}
    order by v.distance, c.id limit :n
"""

_HERE = "vectors where model_id = :model_id and workspace_id = :workspace_id"

_NEAREST = sa.text(f"with {_NEAREST_OF.format(vectors=_HERE, live=_LIVE)}")

# Other workspaces' vectors lie in the same index: it is read on until enough are this one's.
_READ_FAR = sa.text("""
    select set_config('hnsw.ef_search', cast(cast(:alike as integer) as text), true),
      set_config('hnsw.iterative_scan', 'relaxed_order', true)
""")


@cache
def by_index(dim: int) -> sa.TextClause:
    """Compose what the index on vectors of a length answers; without it, it is slow."""
    return sa.text(f"""
    with alike as materialized (
      select input_hash, embedding from {_HERE}
      order by {sign_bits(dim)} <~> binary_quantize(cast(:vector as halfvec)) limit :alike),
    {_NEAREST_OF.format(vectors="alike", live=_LIVE)}
    """)


_DENSE = sa.text(f"""
    select c.document_id, c.start_offset, c.end_offset
    from vectors v
    join chunks c on c.workspace_id = v.workspace_id and c.input_hash = v.input_hash
    join documents d on d.id = c.document_id
    where v.model_id = :model_id and v.workspace_id = :workspace_id and {_LIVE}
    order by v.embedding <=> cast(:vector as halfvec), c.id limit :n
""")

# ts_rank and not ts_rank_cd: to a query whose words are joined by "or", cover density counts each occurrence anew, and
# one frequent word outweighs all the others found once. 1: divide by 1 + the logarithm of the chunk's length.
_LEXICAL = sa.text(f"""
    select c.document_id, c.start_offset, c.end_offset
    from cast(:query as tsquery) as query, chunks c
    join documents d on d.id = c.document_id
    where c.lexemes @@ query and {_LIVE}
    order by ts_rank(c.lexemes, query, 1) desc, c.id limit :n
""")

_PASSAGES = sa.text("""
    select distinct on (r.n) d.id as document_id, d.key, d.title, d.url, d.media_type, c.heading_path,
      substr(d.text, r.start + 1, r."end" - r.start) as text, r.start, r."end", r.score,
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
