"""Open runs for decisions about single documents: removals, restores, manual uploads. They do not list the source.

Their items are known when they open and their first step is `finish`, which resolves links and embeds as in any run.
Runs of `EXTENDABLE_KINDS` accept further items while they are open, so a second document can be restored or uploaded
without waiting for the first run to end.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.read import EXTENDABLE_KINDS
from functions.collection.runs.start import open_run_conflict
from headwater.database.transactions import json_rows
from headwater.queue import ledger
from headwater.queue.ledger import NewStep


def open_manual_run(
    tx: Connection,
    workspace_id: uuid.UUID,
    source_id: uuid.UUID,
    *,
    kind: Literal["removal", "restore", "upload"],
    items: Sequence[dict[str, Any]],
) -> uuid.UUID:
    """Open a run with `items`, or add them to the open run if it is of the same, extendable kind. Returns its id.

    An item has a key `k`, an action `a`, and optionally a fingerprint `f` and a warning `w`. The caller holds the
    source's lock. Raises Conflict if another run is open. Steps of an open run are not touched: cancelling locks a
    run's steps before the run, so locking them in the other order could deadlock.
    """
    open_run = tx.execute(_OPEN_RUN, {"source_id": source_id}).one_or_none()
    run_id = uuid.uuid4()
    if open_run is not None and (open_run.kind != kind or kind not in EXTENDABLE_KINDS):
        raise open_run_conflict(open_run.id, open_run.kind)
    if open_run is not None and tx.execute(_LOCK_OPEN_RUN, {"id": open_run.id}).one_or_none() is not None:
        run_id = open_run.id
    else:
        tx.execute(_INSERT, {"id": run_id, "source_id": source_id, "kind": kind})
        ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "finish", "0")])
    replaced = {row.key: row.action for row in tx.execute(_DELETE_ITEMS, {"run_id": run_id, "rows": json_rows(items)})}
    items = [{**item, "a": "added"} if _replaces_added(item, replaced) else item for item in items]
    tx.execute(_INSERT_ITEMS, {"run_id": run_id, "workspace_id": workspace_id, "rows": json_rows(items)})
    tx.execute(_ADD_TO_TOTAL, {"id": run_id, "more": len(items) - len(replaced)})
    return run_id


def record_chunks(tx: Connection, run_id: uuid.UUID, key: str, chunks: int) -> None:
    """Add a document's chunks, which the request has stored, to the run's counts."""
    tx.execute(_INSERT_STORE_STEP, {"run_id": run_id, "key": key, "chunks": chunks})


def mark_for_embedding(tx: Connection, source_id: uuid.UUID) -> None:
    """Make the next `finish` step look for chunks without a vector. The caller holds the source's lock."""
    tx.execute(sa.text("update sources set embedded_model_id = null where id = :id"), {"id": source_id})


def _replaces_added(item: dict[str, Any], replaced: Mapping[str, str]) -> bool:
    """Return whether a `changed` item replaces an `added` one. It remains `added`, so that links to it are resolved."""
    return item["a"] == "changed" and replaced.get(item["k"]) == "added"


_OPEN_RUN = sa.text("select id, kind from runs where source_id = :source_id and state = 'running'")

# No row if the run was cancelled since it was read; otherwise the lock keeps it open until this transaction ends.
_LOCK_OPEN_RUN = sa.text("select 1 from runs where id = :id and state = 'running' for no key update")

_INSERT = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, engine, embedded_model_id)
    select cast(:id as uuid), workspace_id, id, :kind, 'tickets', embedded_model_id from sources where id = :source_id
""")

# An item can't go from done back to pending, so a new decision about the same key replaces the item.
_DELETE_ITEMS = sa.text("""
    delete from run_items where run_id = :run_id and key in (
      select k from json_to_recordset(cast(:rows as json)) as r (k text))
    returning key, action
""")

_INSERT_ITEMS = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, fingerprint, warning)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), k, a, f, w
    from json_to_recordset(cast(:rows as json)) as r (k text, a text, f text, w text)
""")

_ADD_TO_TOTAL = sa.text("update runs set total = coalesce(total, 0) + :more where id = :id")

# A step that is already done: the request did its work.
_INSERT_STORE_STEP = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key, state, result, started_at, finished_at)
    select id, workspace_id, 'collection', 'store', :key, 'done',
      jsonb_build_object('chunks', cast(:chunks as integer)), now(), now()
    from runs where id = :run_id
    on conflict (run_id, kind, key) do update set result = excluded.result
""")
