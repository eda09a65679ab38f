"""Locks on a source that order the opening, extending and ending of its runs. Held until the transaction ends.

Transactions lock in this order: steps, source, run. In different orders, two of them could wait for each other.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.start import open_run_conflict
from headwater.errors import NotFound
from headwater.queue import ledger


def lock_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Lock a source, so that no run of it opens and no extendable run of it ends. Raises NotFound."""
    if tx.execute(_LOCK, {"id": source_id, "workspace_id": workspace_id}).one_or_none() is None:
        raise NotFound(f"Source not found: {source_id}.")


def lock_source_of_run(tx: Connection, run_id: uuid.UUID) -> None:
    """Lock the source of a run, so that no item is added to the run. Does nothing if the run has no source."""
    tx.execute(_LOCK_SOURCE_OF_RUN, {"run_id": run_id})


def cancel_steps(tx: Connection, run_id: uuid.UUID) -> None:
    """Cancel the open steps of a run, then lock its source and the run, so that no step is added.

    Waits for steps that are being committed, and cancels the steps that follow them.
    """
    while True:
        ledger.cancel(tx, run_id)
        with tx.begin_nested() as locks:
            lock_source_of_run(tx, run_id)
            tx.execute(_LOCK_RUN, {"run_id": run_id})
            if not ledger.has_open_steps(tx, run_id):
                return
            locks.rollback()  # a `finish` step was added before; its worker may wait for the source


def cancel_steps_of_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Cancel the open steps of a source's run, then lock the source and the run, so that no run and no step is added.

    Waits for a run that is being started, and for steps that are being committed. Raises NotFound.
    """
    while True:
        with tx.begin_nested() as locks:
            lock_source(tx, workspace_id, source_id)
            run_id = tx.execute(_LOCK_OPEN_RUN, {"source_id": source_id}).scalar_one_or_none()
            if run_id is None or not ledger.has_open_steps(tx, run_id):
                return
            locks.rollback()  # a worker locks its step before the source
        ledger.cancel(tx, run_id)


def check_no_open_run(tx: Connection, source_id: uuid.UUID) -> None:
    """Raise Conflict if a run of the source is open. The caller holds the source's lock."""
    run = tx.execute(_OPEN_RUN, {"source_id": source_id}).one_or_none()
    if run is not None:
        raise open_run_conflict(run.id, run.kind)


# NO KEY UPDATE: rows that refer to the source, such as documents, can be inserted meanwhile.
_LOCK = sa.text("select 1 from sources where id = :id and workspace_id = :workspace_id for no key update")

_LOCK_SOURCE_OF_RUN = sa.text("""
    select 1 from sources where id = (select source_id from runs where id = :run_id) for no key update
""")

_LOCK_RUN = sa.text("select 1 from runs where id = :run_id for no key update")

_LOCK_OPEN_RUN = sa.text("""
    select id from runs where source_id = :source_id and state = 'running' for no key update
""")

_OPEN_RUN = sa.text("select id, kind from runs where source_id = :source_id and state = 'running'")
