"""The index of vectors: a model's partition flows in, an HNSW index on it flows out, where one pays.

A workspace's vectors are scanned exactly as long as that is fast: up to `EXACT_VECTORS` of them. Only a partition in
which a workspace has more gets an index, built after the load: adding 20,000 vectors one by one to an index takes seven
times as long as building it. The signs of a vector's numbers are indexed, one bit for each; what is alike by them is
then ranked by the vectors themselves. The job calls `build` as the owner when what it worked on has ended, and after
migrations; `functions.chat.retrieval.search` scans exactly until the index is there. Why so: `docs/decisions/0010`.
"""

import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import owner_session
from headwater.errors import HeadwaterError

EXACT_VECTORS = 50_000
"""A workspace with more vectors of a model than this is searched by the index."""

_GRAPH = "m = 8, ef_construction = 32"
"""Built in a third of the time of pgvector's own 16 and 64; since search takes 1,000 of it, it finds nearly as much."""

_LEAST_MEMORY_KB, _MOST_MEMORY_KB = 96 * 1024, 1024**2
"""Below the first, Postgres starts no second worker; the second, enough for two million vectors, a small server has."""

_GRAPH_BYTES = 500
"""What a vector takes in the graph that is being built, besides itself: its 16 neighbours and how far they are."""


def index_name(model_id: int) -> str:
    """Name the index of a model's vectors."""
    return f"ix_vectors_{model_id}_embedding"


def sign_bits(dim: int) -> str:
    """Write what is indexed of `embedding`, whose column holds vectors of any length: a query has to say the same."""
    return f"(binary_quantize(embedding)::bit({int(dim)}))"


def build_indexes(settings: Settings, exact_vectors: int = EXACT_VECTORS) -> list[str]:
    """Build the indexes that are wanted and aren't there; returns their names.

    Nobody waits for it, readers or writers. One that can't be built is told in the log and left for the next time:
    without it search is slower, and as good.
    """
    if not settings.database_admin_url:
        return []
    try:
        with owner_session(settings.database_admin_url, settings.database_root_certificate) as session:
            if not session.execute(_ALONE).scalar_one():
                return []
            return [_build(session, model) for model in _wanted(session, exact_vectors)]
    except (HeadwaterError, sa.exc.DBAPIError) as error:
        logs.event("vectors.not_indexed", severity=40, error=error)
        return []


def _wanted(session: Connection, exact_vectors: int) -> Iterator[Any]:
    """Find the models without an index of which a workspace has many vectors."""
    for model in session.execute(_MODELS).all():
        largest = session.execute(_LARGEST, {"model_id": model.id}).scalar_one()
        if largest > exact_vectors:
            yield model


def _build(session: Connection, model: Any) -> str:
    name, partition = index_name(model.id), f"vectors_{model.id}"
    started = time.monotonic()
    count = session.exec_driver_sql(f"select count(*) from {partition}").scalar_one()
    memory_kb = min(max(count * (model.dim // 8 + _GRAPH_BYTES) // 1024, _LEAST_MEMORY_KB), _MOST_MEMORY_KB)
    session.exec_driver_sql(f"set maintenance_work_mem = {memory_kb}")
    session.exec_driver_sql(f"drop index concurrently if exists {name}")  # what an interrupted build left
    session.exec_driver_sql(
        f"create index concurrently {name} on {partition} using hnsw ({sign_bits(model.dim)} bit_hamming_ops)"
        f" with ({_GRAPH})"
    )
    logs.event(
        "vectors.indexed", model=model.name, vectors=count, duration_ms=round((time.monotonic() - started) * 1000)
    )
    return name


# Until the session ends. Who comes second leaves: the first builds all that is wanted.
_ALONE = sa.text("select pg_try_advisory_lock(hashtext('headwater.embedding.vector_index'))")

_MODELS = sa.text("""
    select m.id, m.name, m.dim from embedding_models m
    where m.state <> 'retired' and not exists (
      select 1 from pg_index i
      where i.indexrelid = to_regclass('ix_vectors_' || m.id || '_embedding') and i.indisvalid)
    order by m.id
""")

_LARGEST = sa.text("""
    select coalesce(max(n), 0) from (
      select count(*) as n from vectors where model_id = :model_id group by workspace_id) counted
""")
