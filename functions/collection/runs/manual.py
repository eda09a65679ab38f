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

from functions.collection.runs.runs import open_run_conflict
from headwater.database.transactions import json_rows
from headwater.errors import NotFound
from headwater.queue import ledger
from headwater.queue.ledger import NewStep

LISTING_KINDS = ("collect", "retry", "dry_run")
"""Kinds of run that talk to the source."""

EXTENDABLE_KINDS = ("restore", "upload")
"""Kinds of run that more of the same may join while they are open."""


def lock_source(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID) -> None:
    """Hold a source until the transaction ends: no run of it opens, and none that others may join ends meanwhile.

    Raises NotFound for one that isn't in the workspace.
    """
    if tx.execute(_HOLD, {"id": source_id, "workspace_id": workspace_id}).one_or_none() is None:
        raise NotFound(f"No source {source_id} is here.")


def lock_extendable_run(tx: Connection, run_id: uuid.UUID) -> None:
    """Let nobody join a run until the transaction ends, if it is of a kind that may be joined."""
    tx.execute(_KEEP_OUT, {"run_id": run_id, "joined": list(EXTENDABLE_KINDS)})


def check_no_open_run(tx: Connection, source_id: uuid.UUID) -> None:
    """Raise Conflict while a run of a source is open; the source must be held."""
    found = tx.execute(_OPEN, {"source_id": source_id}).one_or_none()
    if found is not None:
        raise open_run_conflict(found.id, found.kind)


def open_manual_run(
    tx: Connection,
    workspace_id: uuid.UUID,
    source_id: uuid.UUID,
    kind: Literal["removal", "restore", "upload"],
    items: Sequence[dict[str, Any]],
) -> uuid.UUID:
    """Open a run with `items` (`k` key, `a` action, `f` fingerprint, `w` warning), or have an open one take them, too.

    The source must be held. Raises Conflict while another run of it is open. Of an open run no step is touched: whoever
    cancels it holds those first, and then the run.
    """
    found = tx.execute(_OPEN, {"source_id": source_id}).one_or_none()
    run_id = uuid.uuid4()
    if found is not None and (found.kind != kind or kind not in EXTENDABLE_KINDS):
        raise open_run_conflict(found.id, found.kind)
    if found is not None and tx.execute(_STAY, {"id": found.id}).one_or_none() is not None:
        run_id = found.id
    else:
        tx.execute(_INSERT, {"id": run_id, "source_id": source_id, "kind": kind})
        ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "finish", "0")])
    replaced = {row.key: row.action for row in tx.execute(_REPLACE, {"run_id": run_id, "rows": json_rows(items)})}
    items = [{**item, "a": "added"} if _is_new(item, replaced) else item for item in items]
    tx.execute(_ITEMS, {"run_id": run_id, "workspace_id": workspace_id, "rows": json_rows(items)})
    tx.execute(_TOTAL, {"id": run_id, "more": len(items) - len(replaced)})
    return run_id


def _is_new(item: dict[str, Any], replaced: Mapping[str, str]) -> bool:
    """Tell whether an item that changes a document takes the place of one that adds it: links may lead there now."""
    return item["a"] == "changed" and replaced.get(item["k"]) == "added"


def record_chunks(tx: Connection, run_id: uuid.UUID, key: str, chunks: int) -> None:
    """Have a run count the chunks that a document was cut into before it was opened."""
    tx.execute(_STORED, {"run_id": run_id, "key": key, "chunks": chunks})


def mark_for_embedding(tx: Connection, source_id: uuid.UUID) -> None:
    """Have the next `finish` look for what lacks a vector in a source; the source must be held."""
    tx.execute(sa.text("update sources set embedded_model_id = null where id = :id"), {"id": source_id})


_HOLD = sa.text("select 1 from sources where id = :id and workspace_id = :workspace_id for update")

# Whoever joins a run holds its source first.
_KEEP_OUT = sa.text("""
    select 1 from sources s join runs r on r.source_id = s.id
    where r.id = :run_id and r.kind = any(cast(:joined as text[])) for update of s
""")

_OPEN = sa.text("select id, kind from runs where source_id = :source_id and state = 'running'")

# It is done already: the request itself was the step.
_STORED = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key, state, result, started_at, finished_at)
    select id, workspace_id, 'collection', 'store', :key, 'done',
      jsonb_build_object('chunks', cast(:chunks as integer)), now(), now()
    from runs where id = :run_id
    on conflict (run_id, kind, key) do update set result = excluded.result
""")

# It may have been cancelled since it was seen; if not, it can't be before this transaction has ended.
_STAY = sa.text("select 1 from runs where id = :id and state = 'running' for no key update")

_INSERT = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, engine, embedded_model_id)
    select cast(:id as uuid), workspace_id, id, :kind, 'tickets', embedded_model_id from sources where id = :source_id
""")

# An item that is done can't become pending again; what is decided anew about the same key takes its place.
_REPLACE = sa.text("""
    delete from run_items where run_id = :run_id and key in (
      select k from json_to_recordset(cast(:rows as json)) as r (k text))
    returning key, action
""")

_ITEMS = sa.text("""
    insert into run_items (run_id, workspace_id, key, action, fingerprint, warning)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), k, a, f, w
    from json_to_recordset(cast(:rows as json)) as r (k text, a text, f text, w text)
""")

_TOTAL = sa.text("update runs set total = coalesce(total, 0) + :more where id = :id")
