"""Build indexes on vectors, where they pay off.

A workspace with up to `EXACT_VECTORS` vectors of a model is scanned exactly, which is fast enough. A model's partition
is indexed only if a workspace has more. The index (IVFFlat) divides the vectors into lists, each around a centre; a
search compares the vectors of the `PROBES` nearest lists. The job builds indexes as the owner: after its work, while it
waits for steps, and after migrations. It builds a new one once there are twice as many vectors. Search scans exactly
until an index exists.
Reasons: `docs/decisions/0026`.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import owner_session
from headwater.errors import HeadwaterError

EXACT_VECTORS = 20_000
"""A workspace with more vectors of a model is searched with the index."""

PROBES = 24
"""Lists that a search reads, 12,000 vectors or more. Search reads more if too few of them are of its workspace."""

_VECTORS_OF_LIST = 500
"""Vectors of a list, in an index of up to 500,000 vectors. The lists of larger ones are larger."""

MAX_DIM = 4_000
"""Longer vectors can't be indexed by pgvector; they are scanned."""

_MIN_MEMORY_KB = 96 * 1024
"""Below, Postgres builds without a second worker."""


def count_lists(vectors: int) -> int:
    """Return the number of lists for a number of vectors.

    The memory for finding their centres grows with the square of this number, so beyond 500,000 vectors it grows with
    the square root of theirs. `count_lists(100_000) == 200`, `count_lists(2_000_000) == 2_000`.
    """
    return max(min(vectors // _VECTORS_OF_LIST, math.isqrt(2 * vectors)), 1)


def indexed_vector(dim: int) -> str:
    """Return the indexed SQL expression. Queries must use the same expression; others scan exactly."""
    return f"(embedding::halfvec({int(dim)}))"


def build_indexes(settings: Settings, exact_vectors: int = EXACT_VECTORS) -> list[str]:
    """Build missing indexes and those that data has outgrown; returns their names.

    Does not block readers or writers. Failures are logged and retried at the next call; without an index, search is
    slower but exact.
    """
    if not settings.database_admin_url:
        return []
    try:
        with owner_session(settings.database_admin_url, settings.database_root_certificate) as session:
            if not session.execute(_TRY_LOCK).scalar_one():
                return []
            built: list[str] = []
            while models := list(_models_to_index(session, exact_vectors)):  # again: vectors are added meanwhile
                built += [_build_index(session, *item) for item in models]
            return built
    except (HeadwaterError, sa.exc.DBAPIError) as error:
        logs.event("vectors.not_indexed", severity=40, error=error)
        return []


def _models_to_index(session: Connection, exact_vectors: int) -> Iterator[tuple[Any, int]]:
    """Yield models of which a workspace has more vectors, without an index for that many, and their vectors' number."""
    for model in session.execute(_MODELS, {"max_dim": MAX_DIM}).all():
        counts = session.execute(_COUNTS, {"model_id": model.id}).one()
        if counts.largest > exact_vectors and count_lists(counts.total) >= 2 * (model.lists or 0):
            yield model, counts.total


def _build_index(session: Connection, model: Any, vectors: int) -> str:
    """Build an index, then drop those it replaces."""
    lists, partition = count_lists(vectors), f"vectors_{model.id}"
    name = f"ix_{partition}_lists_{lists}"
    started = time.monotonic()
    session.exec_driver_sql(f"set maintenance_work_mem = {_memory_kb(lists, model.dim)}")
    session.exec_driver_sql(f"drop index concurrently if exists {name}")  # an interrupted build leaves an invalid index
    session.exec_driver_sql(
        f"create index concurrently {name} on {partition} using ivfflat"
        f" ({indexed_vector(model.dim)} halfvec_cosine_ops) with (lists = {lists})"
    )
    for other in session.execute(_OTHER_INDEXES, {"partition": partition, "name": name}).scalars().all():
        session.exec_driver_sql(f"drop index concurrently if exists {other}")
    logs.event(
        "vectors.indexed", model=model.name, vectors=vectors, duration_ms=round((time.monotonic() - started) * 1000)
    )
    return name


def _memory_kb(lists: int, dim: int) -> int:
    """Return the memory to find centres: 50 vectors for each, and their distances from all of them.

    Source: pgvector's `ComputeCenters` and `ElkanKmeans`, with a quarter more.
    """
    samples = max(50 * lists, 10_000)
    size_bytes = samples * (2 * dim + 16) + 4 * lists * (samples + 2 * lists + 4 * dim)
    return max(size_bytes * 5 // 4 // 1024, _MIN_MEMORY_KB)


# Held until the session ends. A second process returns at once, as the first one builds all missing indexes.
_TRY_LOCK = sa.text("select pg_try_advisory_lock(hashtext('headwater.embedding.vector_index'))")

# `lists` of the valid index, null if there is none.
_MODELS = sa.text("""
    select m.id, m.name, m.dim, (
      select max(cast(substring(c.relname from '_lists_([0-9]+)$') as integer))
      from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = to_regclass('vectors_' || m.id) and i.indisvalid) as lists
    from embedding_models m where m.state <> 'retired' and m.dim <= cast(:max_dim as integer) order by m.id
""")

_COUNTS = sa.text("""
    select coalesce(max(n), 0) as largest, cast(coalesce(sum(n), 0) as bigint) as total from (
      select count(*) as n from vectors where model_id = :model_id group by workspace_id) counted
""")

_OTHER_INDEXES = sa.text("""
    select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = to_regclass(:partition) and c.relname ~ '^ix_vectors_' and c.relname <> :name
""")
