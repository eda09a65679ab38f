"""Queued collects: a source that is to be collected while a run of it is open is collected once more after that run.

However often that is requested, it is one more run.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.read import Trigger
from functions.collection.runs.start import start_run


def start_or_queue_run(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, trigger: Trigger
) -> tuple[uuid.UUID, bool]:
    """Open a `collect` run of a source, or queue one behind the open run, unless that has not listed the source yet.

    Returns the id of the new or open run, and whether it is new. Raises NotFound, or Conflict if the source is paused.
    """
    run_id, is_new = start_run(tx, workspace_id, source_id, trigger)
    # `start_run` has locked the open run, so it ends after this transaction. The lock of a step that is ready keeps it
    # from being claimed before.
    if not is_new and tx.execute(_LOCK_LIST_STEP, {"run_id": run_id}).one_or_none() is None:
        tx.execute(_QUEUE, {"source_id": source_id, "trigger": trigger})
    return run_id, is_new


def start_queued_run(tx: Connection, source_id: uuid.UUID) -> None:
    """Open the queued run of a source, whose run has ended. Pausing a source cancels its queued run."""
    queued = tx.execute(_TAKE, {"source_id": source_id}).one_or_none()
    if queued is not None and not queued.is_paused:
        start_run(tx, queued.workspace_id, source_id, queued.trigger)


# A dry run collects nothing, and a backfill of a period not what is new.
_LOCK_LIST_STEP = sa.text("""
    select 1 from steps s join runs r on r.id = s.run_id
    where s.run_id = :run_id and s.kind = 'list' and s.state = 'ready' and r.kind = 'collect'
      and s.payload -> 'period' is null
    for no key update of s skip locked
""")

_QUEUE = sa.text("update sources set queued_trigger = :trigger where id = :source_id")

_TAKE = sa.text("""
    with queued as (
      select id, queued_trigger from sources where id = :source_id and queued_trigger is not null for no key update)
    update sources s set queued_trigger = null from queued
    where s.id = queued.id
    returning s.workspace_id, queued.queued_trigger as trigger, s.paused_at is not null as is_paused
""")
