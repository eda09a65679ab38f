"""Delete expired runs, audit entries, blocks of providers, share links, items of agents and entries of the web's cache,
and purge documents removed long ago. Called by the tick.

A run is deleted with its items and steps. Open runs stay, and so do each source's last run and last listing: a retry or
a decision about withheld removals needs them. Transactions are small and the time per tick is bounded; the next tick
continues.
"""

import time
import uuid

import sqlalchemy as sa

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger

SWEEP_S = 10.0
"""Maximum duration of the sweep in one tick."""

_RUNS = 200
"""Maximum number of runs deleted per tick."""

_ITEMS = 5000
_DOCUMENTS = 200
_AUDIT_ENTRIES = 5000
_WEB_ENTRIES = 1000
_LINKS = 1000
_AGENT_ITEMS = 1000
"""Rows deleted per transaction."""


def sweep(database: Database, settings: Settings, for_s: float = SWEEP_S) -> tuple[int, int]:
    """Delete expired runs and tombstones, for at most `for_s`. Returns the number of runs and of documents deleted."""
    until = time.monotonic() + for_s
    with database.transaction(ALL_WORKSPACES) as tx:
        ledger.delete_expired_blocks(tx)
        expired = tx.execute(_EXPIRED_RUNS, {"days": settings.keep_runs_days, "limit": _RUNS}).all()
        workspaces = tx.execute(_WORKSPACES, {"days": settings.keep_deleted_days}).scalars().all()
    runs = sum(_sweep_run(database, run.workspace_id, run.id, until) for run in expired)
    documents = sum(_sweep_tombstones(database, settings, workspace_id, until) for workspace_id in workspaces)
    days = settings.keep_audit_days
    entries = _sweep_batches(database, until, _DELETE_AUDIT_ENTRIES, _AUDIT_ENTRIES, days=days)
    pages = _sweep_batches(database, until, _DELETE_WEB_ENTRIES, _WEB_ENTRIES)
    links = _sweep_batches(database, until, _DELETE_LINKS, _LINKS)
    items = _sweep_batches(database, until, _DELETE_AGENT_ITEMS, _AGENT_ITEMS)
    if runs or documents or entries or pages or links or items:
        logs.event(
            "sweep",
            runs=runs,
            documents=documents,
            audit_entries=entries,
            web_entries=pages,
            share_links=links,
            agent_items=items,
        )
    return runs, documents


def _sweep_run(database: Database, workspace_id: uuid.UUID, run_id: uuid.UUID, until: float) -> int:
    """Delete a run, after its items in batches. Returns 1 if the run was deleted in time, else 0."""
    while time.monotonic() < until:
        with database.transaction(workspace_id) as tx:
            if tx.execute(_DELETE_ITEMS, {"run_id": run_id, "limit": _ITEMS}).rowcount < _ITEMS:
                standing = tx.execute(_DELETE_STANDING_RUNS, {"run_id": run_id}).rowcount
                return tx.execute(_DELETE_RUN, {"run_id": run_id}).rowcount or min(1, standing)
    return 0


def _sweep_tombstones(database: Database, settings: Settings, workspace_id: uuid.UUID, until: float) -> int:
    deleted = 0
    while time.monotonic() < until:
        with database.transaction(workspace_id) as tx:
            values = {"days": settings.keep_deleted_days, "limit": _DOCUMENTS}
            batch = tx.execute(_DELETE_TOMBSTONES, values).rowcount
        deleted += batch
        if batch < _DOCUMENTS:
            break
    return deleted


def _sweep_batches(database: Database, until: float, statement: sa.TextClause, size: int, **values: object) -> int:
    """Delete rows in batches of `size`, with a statement that returns the number of deleted ones."""
    deleted = 0
    while time.monotonic() < until:
        with database.transaction(ALL_WORKSPACES) as tx:
            batch: int = tx.execute(statement, {"limit": size, **values}).scalar_one()
        deleted += batch
        if batch < size:
            break
    return deleted


# A run that qualifies once stays deletable, since a later run of the source has replaced it.
_EXPIRED_RUNS = sa.text("""
    select id, workspace_id from runs r
    where finished_at < now() - make_interval(days => cast(:days as integer))
      and (kind in ('build', 'answer', 'extraction', 'standing')
        or exists (select 1 from runs l where l.source_id = r.source_id and l.created_at > r.created_at))
      and (kind not in ('collect', 'retry') or snapshot is null or exists (
        select 1 from runs l where l.source_id = r.source_id and l.created_at > r.created_at
          and l.kind in ('collect', r.kind) and l.snapshot is not null))
    order by finished_at limit :limit
""")

_WORKSPACES = sa.text("""
    select workspaces_with_tombstones(now() - make_interval(days => cast(:days as integer)))
""")

_DELETE_ITEMS = sa.text("""
    delete from run_items where run_id = :run_id and key in (
      select key from run_items where run_id = :run_id limit :limit)
""")

_DELETE_RUN = sa.text("delete from runs where id = :run_id and state <> 'running'")

# The run of a standing question is deleted with those before it, of which skipped ones have no run.
_DELETE_STANDING_RUNS = sa.text("""
    delete from standing_runs s using runs r join standing_runs expired on expired.id = r.standing_run_id
    where r.id = :run_id and s.standing_question_id = expired.standing_question_id and s.state <> 'running'
      and s.created_at <= expired.created_at
""")

# SKIP LOCKED leaves out documents that are being restored.
_DELETE_TOMBSTONES = sa.text("""
    delete from documents where id in (
      select id from documents where deleted_at < now() - make_interval(days => cast(:days as integer))
      order by deleted_at limit :limit for update skip locked)
""")

# The role may not delete entries itself: the function keeps those of the last 30 days.
_DELETE_AUDIT_ENTRIES = sa.text("""
    select delete_audit_entries(now() - make_interval(days => cast(:days as integer)), cast(:limit as integer))
""")

_DELETE_WEB_ENTRIES = sa.text("select delete_expired_web_entries(cast(:limit as integer))")

_DELETE_LINKS = sa.text("select delete_expired_share_links(cast(:limit as integer))")

_DELETE_AGENT_ITEMS = sa.text("select delete_expired_agent_items(cast(:limit as integer))")
