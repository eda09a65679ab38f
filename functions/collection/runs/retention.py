"""Retention: the tick flows in; runs that nobody needs any more and documents removed long ago are gone after it.

A run goes with its items and steps. Kept are what is open, each source's last run, and its last listing, which a retry
or an answer about withheld removals still needs. Every transaction is a small one, and a tick's share is bounded: what
is left goes with the next.
"""

import time
import uuid

import sqlalchemy as sa

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database

SWEEP_S = 10.0
"""How long one tick sweeps."""

_RUNS = 200
_ITEMS = 5000
_DOCUMENTS = 200


def sweep(database: Database, settings: Settings, for_s: float = SWEEP_S) -> tuple[int, int]:
    """Delete what is older than it is to be kept, for `for_s` at most; returns how many runs and how many documents."""
    until = time.monotonic() + for_s
    with database.transaction(ALL_WORKSPACES) as tx:
        old = tx.execute(_OLD_RUNS, {"days": settings.keep_runs_days, "most": _RUNS}).all()
        workspaces = tx.execute(_WORKSPACES, {"days": settings.keep_deleted_days}).scalars().all()
    runs = sum(_sweep_run(database, run.workspace_id, run.id, until) for run in old)
    documents = sum(_sweep_tombstones(database, settings, workspace_id, until) for workspace_id in workspaces)
    if runs or documents:
        logs.event("sweep", runs=runs, documents=documents)
    return runs, documents


def _sweep_run(database: Database, workspace_id: uuid.UUID, run_id: uuid.UUID, until: float) -> int:
    """Delete a run, its many items first; returns whether it came to that in time, 0 or 1."""
    while time.monotonic() < until:
        with database.transaction(workspace_id) as tx:
            if tx.execute(_DELETE_ITEMS, {"run_id": run_id, "most": _ITEMS}).rowcount < _ITEMS:
                return tx.execute(_DELETE_RUN, {"run_id": run_id}).rowcount
    return 0


def _sweep_tombstones(database: Database, settings: Settings, workspace_id: uuid.UUID, until: float) -> int:
    deleted = 0
    while time.monotonic() < until:
        with database.transaction(workspace_id) as tx:
            values = {"days": settings.keep_deleted_days, "most": _DOCUMENTS}
            batch = tx.execute(_DELETE_TOMBSTONES, values).rowcount
        deleted += batch
        if batch < _DOCUMENTS:
            break
    return deleted


# What is found here once may go whatever happens meanwhile: there is a later run in its place already.
_OLD_RUNS = sa.text("""
    select id, workspace_id from runs r
    where finished_at < now() - make_interval(days => cast(:days as integer))
      and exists (select 1 from runs l where l.source_id = r.source_id and l.created_at > r.created_at)
      and (kind not in ('collect', 'retry') or snapshot is null or exists (
        select 1 from runs l where l.source_id = r.source_id and l.created_at > r.created_at
          and l.kind in ('collect', r.kind) and l.snapshot is not null))
    order by finished_at limit :most
""")

_WORKSPACES = sa.text("""
    select workspaces_with_tombstones(now() - make_interval(days => cast(:days as integer)))
""")

_DELETE_ITEMS = sa.text("""
    delete from run_items where run_id = :run_id and key in (
      select key from run_items where run_id = :run_id limit :most)
""")

_DELETE_RUN = sa.text("delete from runs where id = :run_id and state <> 'running'")

# One that somebody is restoring at this moment is left alone.
_DELETE_TOMBSTONES = sa.text("""
    delete from documents where id in (
      select id from documents where deleted_at < now() - make_interval(days => cast(:days as integer))
      order by deleted_at limit :most for update skip locked)
""")
