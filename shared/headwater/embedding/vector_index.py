"""Build HNSW indexes on vectors, where they pay off.

A workspace with up to `EXACT_VECTORS` vectors of a model is scanned exactly, which is fast enough. A model's partition
is indexed only if a workspace has more, and after loading: inserting 20,000 vectors into an index takes seven times as
long as building it. The index holds one sign bit per dimension; its candidates are then ranked by their vectors. The
job builds indexes as the owner after its work and after migrations; search scans exactly until an index exists.
Reasons: `docs/decisions/0010`.
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
"""A workspace with more vectors of a model is searched with the index."""

_GRAPH = "m = 8, ef_construction = 32"
"""Builds in a third of the time of pgvector's defaults, 16 and 64, at nearly the same recall for 1,000 candidates."""

_MIN_MEMORY_KB, _MAX_MEMORY_KB = 96 * 1024, 1024**2
"""Below the minimum, Postgres builds without a second worker. The maximum suffices for two million vectors."""

_GRAPH_BYTES = 500
"""Memory for a vector's 16 neighbours and their distances while the graph is built."""


def index_name(model_id: int) -> str:
    """Return the name of a model's index."""
    return f"ix_vectors_{model_id}_embedding"


def sign_bits(dim: int) -> str:
    """Return the indexed SQL expression, the sign bits of `embedding`. Queries must use the same expression."""
    return f"(binary_quantize(embedding)::bit({int(dim)}))"


def build_indexes(settings: Settings, exact_vectors: int = EXACT_VECTORS) -> list[str]:
    """Build missing indexes; returns their names.

    Does not block readers or writers. Failures are logged and retried at the next call; without an index, search is
    slower but exact.
    """
    if not settings.database_admin_url:
        return []
    try:
        with owner_session(settings.database_admin_url, settings.database_root_certificate) as session:
            if not session.execute(_TRY_LOCK).scalar_one():
                return []
            return [_build_index(session, model) for model in _models_to_index(session, exact_vectors)]
    except (HeadwaterError, sa.exc.DBAPIError) as error:
        logs.event("vectors.not_indexed", severity=40, error=error)
        return []


def _models_to_index(session: Connection, exact_vectors: int) -> Iterator[Any]:
    """Return models without an index of which a workspace has more than `exact_vectors` vectors."""
    for model in session.execute(_MODELS).all():
        largest = session.execute(_LARGEST, {"model_id": model.id}).scalar_one()
        if largest > exact_vectors:
            yield model


def _build_index(session: Connection, model: Any) -> str:
    name, partition = index_name(model.id), f"vectors_{model.id}"
    started = time.monotonic()
    count = session.exec_driver_sql(f"select count(*) from {partition}").scalar_one()
    memory_kb = min(max(count * (model.dim // 8 + _GRAPH_BYTES) // 1024, _MIN_MEMORY_KB), _MAX_MEMORY_KB)
    session.exec_driver_sql(f"set maintenance_work_mem = {memory_kb}")
    session.exec_driver_sql(f"drop index concurrently if exists {name}")  # an interrupted build leaves an invalid index
    session.exec_driver_sql(
        f"create index concurrently {name} on {partition} using hnsw ({sign_bits(model.dim)} bit_hamming_ops)"
        f" with ({_GRAPH})"
    )
    logs.event(
        "vectors.indexed", model=model.name, vectors=count, duration_ms=round((time.monotonic() - started) * 1000)
    )
    return name


# Held until the session ends. A second process returns at once, as the first one builds all missing indexes.
_TRY_LOCK = sa.text("select pg_try_advisory_lock(hashtext('headwater.embedding.vector_index'))")

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
