"""Retry: a run that has ended with failures flows in, a run that tries only those once more flows out.

It is pinned to the same snapshot and to the items as they are stored, so it lists nothing: its first steps fetch.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline.list_source import fetch_steps, is_large
from functions.collection.runs.locks import check_no_open_run, lock_source
from functions.collection.runs.manual import mark_for_embedding
from functions.collection.runs.pause import check_not_paused
from functions.collection.runs.read import read_summary
from functions.collection.runs.start import read_provider
from headwater.config import Settings
from headwater.errors import Conflict
from headwater.queue import ledger


def retry_run(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, settings: Settings) -> uuid.UUID:
    """Open a run that tries again what failed in an ended one; returns its id. A large one waits for the job.

    Raises NotFound; or Conflict when nothing failed, a run of the source is open, the source is paused, or another
    listing has come since.
    """
    source_id, new_id = read_summary(tx, run_id).source_id, uuid.uuid4()
    lock_source(tx, workspace_id, source_id)
    check_not_paused(tx, source_id)
    check_no_open_run(tx, source_id)
    last = tx.execute(_LAST_LISTING, {"source_id": source_id}).scalar_one_or_none()
    if last != run_id:
        raise Conflict(
            f"The source has been listed since; run {last} is the one to retry, or collect it again."
            if last
            else "The run ended before it had a listing; collect the source again."
        )
    tx.execute(_OPEN, {"id": new_id, "run_id": run_id})
    values = {"id": new_id, "workspace_id": workspace_id, "run_id": run_id, "batch": settings.fetch_batch}
    retried = tx.execute(_ITEMS, values).one()
    if not retried.items:
        raise Conflict("Nothing failed in this run.")
    engine = "job" if is_large(settings, retried.items) else "tickets"
    tx.execute(_SIZE, {"id": new_id, "total": retried.items, "engine": engine})
    mark_for_embedding(tx, source_id)
    ledger.add_steps(tx, new_id, workspace_id, fetch_steps(retried.batches, read_provider(tx, source_id)))
    return new_id


_OPEN = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, engine, snapshot, embedded_model_id)
    select cast(:id as uuid), r.workspace_id, r.source_id, 'retry', 'tickets', r.snapshot, s.embedded_model_id
    from runs r join sources s on s.id = r.source_id where r.id = :run_id
""")

_LAST_LISTING = sa.text("""
    select id from runs
    where source_id = :source_id and kind in ('collect', 'retry') and snapshot is not null
    order by created_at desc limit 1
""")

# What has been added by hand since isn't the source's any more.
_ITEMS = sa.text("""
    with failed as (
      select i.key, i.action, i.fingerprint,
        (row_number() over (order by i.key) - 1) / cast(:batch as integer) as batch
      from run_items i join runs r on r.id = i.run_id
      where i.run_id = :run_id and i.state = 'failed' and i.action in ('added', 'changed') and not exists (
        select 1 from documents d where d.source_id = r.source_id and d.key = i.key and d.held = 'added')
    ), inserted as (
      insert into run_items (run_id, workspace_id, key, action, fingerprint, batch)
      select cast(:id as uuid), cast(:workspace_id as uuid), key, action, fingerprint, batch from failed
    )
    select count(*) as items, coalesce(max(batch) + 1, 0) as batches from failed
""")

_SIZE = sa.text("update runs set total = :total, engine = :engine where id = :id")
