"""Locks on a source that order the opening, extending and ending of its runs. Held until the transaction ends."""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.read import EXTENDABLE_KINDS
from functions.collection.runs.start import open_run_conflict
from headwater.errors import NotFound


def lock_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Lock a source, so that no run of it opens and no extendable run of it ends. Raises NotFound."""
    if tx.execute(_LOCK, {"id": source_id, "workspace_id": workspace_id}).one_or_none() is None:
        raise NotFound(f"Source not found: {source_id}.")


def lock_extendable_run(tx: Connection, run_id: uuid.UUID) -> None:
    """Lock the source of an extendable run, so that no item is added to the run. Does nothing for other kinds."""
    tx.execute(_LOCK_SOURCE_OF_RUN, {"run_id": run_id, "extendable": list(EXTENDABLE_KINDS)})


def check_no_open_run(tx: Connection, source_id: uuid.UUID) -> None:
    """Raise Conflict if a run of the source is open. The caller holds the source's lock."""
    run = tx.execute(_OPEN_RUN, {"source_id": source_id}).one_or_none()
    if run is not None:
        raise open_run_conflict(run.id, run.kind)


_LOCK = sa.text("select 1 from sources where id = :id and workspace_id = :workspace_id for update")

# Adding items to a run locks its source first.
_LOCK_SOURCE_OF_RUN = sa.text("""
    select 1 from sources s join runs r on r.source_id = s.id
    where r.id = :run_id and r.kind = any(cast(:extendable as text[])) for update of s
""")

_OPEN_RUN = sa.text("select id, kind from runs where source_id = :source_id and state = 'running'")
