"""Retry: a run that has ended with failures flows in, a run that tries only those once more flows out.

It is pinned to the same snapshot and to the items as they are stored, so it lists nothing: its first steps fetch.
"""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors import provider_of
from functions.collection.join import unsettle
from functions.collection.list import fetch_steps
from functions.collection.pause import check_not_paused
from functions.collection.runs import read_summary
from headwater import ledger
from headwater.config import Settings
from headwater.errors import Conflict


def retry_run(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, settings: Settings) -> uuid.UUID:
    """Open a run that tries again what failed in an ended one; returns its id. A large one waits for the job.

    Raises NotFound; or Conflict when nothing failed, a run of the source is open, the source is paused, or another
    listing has come since.
    """
    failed = read_summary(tx, run_id)
    check_not_paused(tx, failed.source_id)
    values: dict[str, Any] = {"id": uuid.uuid4(), "workspace_id": workspace_id, "run_id": run_id}
    values["batch"] = settings.fetch_batch
    if tx.execute(_OPEN, values).one_or_none() is None:
        raise Conflict("A run of this source is open. Wait until it has ended, or cancel it.")
    # From here on no other run of the source opens.
    last = tx.execute(_LAST_LISTING, {"source_id": failed.source_id, "id": values["id"]}).scalar_one_or_none()
    if last != run_id:
        raise Conflict(
            f"The source has been listed since; run {last} is the one to retry, or collect it again."
            if last
            else "The run ended before it had a listing; collect the source again."
        )
    retried = tx.execute(_ITEMS, values).one()
    if not retried.items:
        raise Conflict("Nothing failed in this run.")
    is_bulk = bool(settings.job_name) and retried.items > settings.bulk_threshold
    tx.execute(_SIZE, {"id": values["id"], "total": retried.items, "engine": "job" if is_bulk else "tickets"})
    unsettle(tx, failed.source_id)
    source = tx.execute(_SOURCE, {"id": failed.source_id}).one()
    fetches = fetch_steps(retried.batches, provider_of(source.kind, source.config))
    ledger.add_steps(tx, values["id"], workspace_id, fetches)
    new_id: uuid.UUID = values["id"]
    return new_id


_OPEN = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, engine, snapshot)
    select cast(:id as uuid), workspace_id, source_id, 'retry', 'tickets', snapshot from runs where id = :run_id
    on conflict (source_id) where state = 'running' do nothing returning id
""")

_SOURCE = sa.text("select kind, config from sources where id = :id")

_LAST_LISTING = sa.text("""
    select id from runs
    where source_id = :source_id and kind in ('collect', 'retry') and snapshot is not null and id <> :id
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
