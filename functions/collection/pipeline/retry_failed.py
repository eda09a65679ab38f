"""Retry the failed items of an ended run, in a new run; after a cancelled one, also those that were not fetched.

The new run has the same snapshot and the stored items. It does not list the source: its first steps are `fetch` steps.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.pipeline.list_source import fetch_steps, is_large, read_batch_size
from functions.collection.runs.locks import check_no_open_run, lock_source
from functions.collection.runs.manual import mark_for_embedding
from functions.collection.runs.pause import check_not_paused
from functions.collection.runs.read import read_summary
from functions.collection.runs.start import read_provider
from headwater.config import Settings
from headwater.errors import Conflict
from headwater.queue import ledger

_NOTHING_TO_RETRY = "Nothing failed in this run, and nothing was left over."


def retry_run(tx: Connection, workspace_id: uuid.UUID, run_id: uuid.UUID, settings: Settings) -> uuid.UUID:
    """Open a run with the failed items of an ended one, and those that a cancelled one had not fetched; returns its id.

    A large run is left to the job. Raises NotFound; or Conflict if there are no such items, the source is paused or has
    an open run, or has been listed since.
    """
    run, new_id = read_summary(tx, run_id), uuid.uuid4()
    source_id = run.source_id
    lock_source(tx, workspace_id, source_id)
    check_not_paused(tx, source_id)
    check_no_open_run(tx, source_id)
    if run.state == "succeeded":
        raise Conflict(_NOTHING_TO_RETRY)
    last_id = tx.execute(_SELECT_LAST_LISTING, {"source_id": source_id}).scalar_one_or_none()
    if last_id != run_id:
        raise Conflict(
            f"The source was listed again after this run. Retry run {last_id}, or collect the source."
            if last_id
            else "This run failed before it listed the source. Collect the source again."
        )
    tx.execute(_INSERT_RUN, {"id": new_id, "run_id": run_id})
    batch = read_batch_size(tx, new_id, settings)
    values = {"id": new_id, "workspace_id": workspace_id, "run_id": run_id, "batch": batch}
    inserted = tx.execute(_INSERT_ITEMS, values).one()
    if not inserted.items:
        raise Conflict(_NOTHING_TO_RETRY)
    engine = "job" if is_large(settings, inserted.items) else "tickets"
    tx.execute(_UPDATE_RUN, {"id": new_id, "total": inserted.items, "engine": engine})
    mark_for_embedding(tx, source_id)
    ledger.add_steps(tx, new_id, workspace_id, fetch_steps(inserted.batches, read_provider(tx, source_id)))
    return new_id


# A cancelled run leaves removals pending, which are found only by listing from the old cursor.
_INSERT_RUN = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, engine, snapshot, unmatched, embedded_model_id, cursor)
    select cast(:id as uuid), r.workspace_id, r.source_id, 'retry', 'tickets', r.snapshot, r.unmatched,
      s.embedded_model_id,
      case when not exists (select 1 from run_items i where i.run_id = r.id and i.state = 'pending') then r.cursor end
    from runs r join sources s on s.id = r.source_id where r.id = :run_id
""")

_SELECT_LAST_LISTING = sa.text("""
    select id from runs
    where source_id = :source_id and kind in ('collect', 'retry') and snapshot is not null
    order by created_at desc limit 1
""")

# Documents that were uploaded manually meanwhile are not replaced. Only a cancelled run has pending items.
_INSERT_ITEMS = sa.text("""
    with failed as (
      select i.key, case i.action when 'unchanged' then 'changed' else i.action end as action, i.fingerprint,
        i.from_key,
        (row_number() over (order by i.key) - 1) / cast(:batch as integer) as batch
      from run_items i join runs r on r.id = i.run_id
      where i.run_id = :run_id and (i.state = 'failed' or i.state = 'pending' and i.action <> 'removed')
        and i.fingerprint <> '' and not exists (
        select 1 from documents d where d.source_id = r.source_id and d.key = i.key and d.held = 'added')
    ), inserted as (
      insert into run_items (run_id, workspace_id, key, action, fingerprint, batch, from_key)
      select cast(:id as uuid), cast(:workspace_id as uuid), key, action, fingerprint, batch, from_key
      from failed
    )
    select count(*) as items, coalesce(max(batch) + 1, 0) as batches from failed
""")

_UPDATE_RUN = sa.text("update runs set total = :total, engine = :engine where id = :id")
