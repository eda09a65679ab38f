"""Start runs of standing questions that are due: by their schedule, or after changes of the sources.

A due time starts one run: it advances in the transaction that opens the run, under the lock of the question's row. One
run makes up for all missed times. A question has at most one open run. Functions run in the caller's transaction.
"""

import datetime as dt
import uuid
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UserError
from headwater.schedules.cron import next_time

StandingTrigger = Literal["schedule", "change", "request"]

STILL_OPEN = "The previous run was still open."


def start_due_questions(database: Database, now: dt.datetime) -> int:
    """Start a run of each standing question that is due. Returns the number of runs. The caller wakes the queue."""
    with database.transaction(ALL_WORKSPACES) as tx:
        due = tx.execute(_DUE, {"now": now}).all()
        resumed = tx.execute(_RESUME).scalar_one()
    started = 0
    for row in due:
        with database.transaction(row.workspace_id) as tx:
            started += start_if_due(tx, row.workspace_id, row.id, now)
    if started or resumed:
        logs.event("standing_questions.started", started=started, resumed=resumed)
    return started + int(resumed)


def start_if_due(
    tx: Connection, workspace_id: uuid.UUID, question_id: uuid.UUID, now: dt.datetime | None = None
) -> bool:
    """Start a run of a standing question if one is due, `now` by default. Locks the question's row.

    A scheduled time is skipped while a run is open; changes wait until it has ended.
    """
    row = tx.execute(_LOCK, {"id": question_id, "workspace_id": workspace_id}).one_or_none()
    if row is None or row.paused_at is not None:
        return False
    now = now or row.now
    if row.next_due_at is not None and row.next_due_at <= now:
        try:
            next_due_at = next_time(row.cron, row.time_zone, now)
        except UserError as error:  # a time zone that was removed from the time zone database
            pause(tx, workspace_id, question_id, error.message)
            return False
        tx.execute(_ADVANCE, {"id": question_id, "next": next_due_at})
        return open_standing_run(tx, workspace_id, question_id, "schedule", row.next_due_at) is not None
    # A statement of its own, which sees what was committed before the lock was free.
    is_open = tx.execute(_IS_OPEN, {"id": question_id, "workspace_id": workspace_id}).scalar_one()
    if row.change_due_at is not None and row.change_due_at <= now and not is_open:
        return open_standing_run(tx, workspace_id, question_id, "change", row.change_due_at) is not None
    return False


def open_standing_run(
    tx: Connection, workspace_id: uuid.UUID, question_id: uuid.UUID, trigger: StandingTrigger, due_at: dt.datetime
) -> uuid.UUID | None:
    """Open a run of a standing question whose row the caller has locked. Returns its id.

    Returns None if a run is open: then a scheduled one is stored as skipped. Changes before now are those of this run.
    """
    values: dict[str, Any] = {"workspace_id": workspace_id, "id": question_id, "trigger": trigger, "due_at": due_at}
    run_id: uuid.UUID | None = tx.execute(_OPEN, values).scalar_one_or_none()
    if run_id is None and trigger == "schedule":
        tx.execute(_SKIP, values | {"reason": STILL_OPEN})
    if run_id is not None:
        tx.execute(_FORGET_CHANGE, values)
    return run_id


def pause(tx: Connection, workspace_id: uuid.UUID, question_id: uuid.UUID, reason: str) -> None:
    """Pause a standing question, for a reason that its owner is told."""
    tx.execute(_PAUSE, {"workspace_id": workspace_id, "id": question_id, "reason": reason})
    logs.event("standing_question.paused", severity=30, standing_question_id=question_id, reason=reason)


def lock_askers(tx: Connection, run_id: uuid.UUID) -> None:
    """Lock the standing questions of the workspace of a run of a source, before the run's end is stored.

    A standing question reads the changes up to a time under the same lock. So a run that ends before that time has been
    committed, and no change is missed.
    """
    tx.execute(_LOCK_ASKERS, {"run_id": run_id})


def start_for_changes(tx: Connection, run_id: uuid.UUID) -> bool:
    """Start the standing questions that a run of a source, which has ended, has changed documents for.

    Those that were asked because of changes within their shortest interval are due later: the tick starts them. Returns
    True if any was started; the caller wakes the queue.
    """
    due = tx.execute(_NOTE_CHANGE, {"run_id": run_id}).all()
    started = [start_if_due(tx, row.workspace_id, row.id) for row in due if row.is_due]
    return any(started)


_DUE = sa.text("select id, workspace_id from due_standing_questions(:now)")

_RESUME = sa.text("select resume_standing_runs()")

_LOCK = sa.text("""
    select q.cron, q.time_zone, q.next_due_at, q.change_due_at, q.paused_at, clock_timestamp() as now
    from standing_questions q where q.id = :id and q.workspace_id = :workspace_id for no key update of q
""")

_IS_OPEN = sa.text("""
    select exists (select 1 from standing_runs
      where standing_question_id = :id and workspace_id = :workspace_id and state = 'running')
""")

_ADVANCE = sa.text("update standing_questions set next_due_at = :next where id = :id")

_OPEN = sa.text("""
    with opened as (
      insert into standing_runs (workspace_id, standing_question_id, trigger, due_at)
      select :workspace_id, :id, :trigger, :due_at
      where not exists (select 1 from standing_runs where standing_question_id = :id and state = 'running')
      on conflict (standing_question_id, trigger, due_at) do nothing
      returning id
    ), run as (
      insert into runs (workspace_id, kind, engine, standing_run_id)
      select :workspace_id, 'standing', 'tickets', id from opened returning id
    ), step as (
      insert into steps (run_id, workspace_id, queue, kind, key) select id, :workspace_id, 'chat', 'ask', '' from run
    )
    select id from opened
""")

_SKIP = sa.text("""
    insert into standing_runs (workspace_id, standing_question_id, trigger, due_at, state, reason, finished_at)
    values (:workspace_id, :id, :trigger, :due_at, 'skipped', :reason, clock_timestamp())
    on conflict (standing_question_id, trigger, due_at) do nothing
""")

_FORGET_CHANGE = sa.text("""
    update standing_questions set change_due_at = null
    where id = :id and workspace_id = :workspace_id and change_due_at is not null
""")

_PAUSE = sa.text("""
    update standing_questions set paused_at = now(), paused_reason = :reason
    where id = :id and workspace_id = :workspace_id
""")

# Every statement that locks several questions locks them in the order of their ids.
_LOCK_ASKERS = sa.text("""
    select q.id from standing_questions q
    where q.workspace_id = (select workspace_id from runs where id = :run_id) and (q.changes or q.on_change)
    order by q.id for no key update of q
""")

_NOTE_CHANGE = sa.text("""
    update standing_questions q set change_due_at = coalesce(q.change_due_at, greatest(clock_timestamp(), (
      select max(s.created_at) + make_interval(secs => q.min_interval_s) from standing_runs s
      where s.standing_question_id = q.id and s.trigger = 'change')))
    from runs r
    where r.id = :run_id and q.workspace_id = r.workspace_id and q.on_change and q.paused_at is null
      and (q.change_sources = '{}' or r.source_id = any(q.change_sources))
      and r.kind in ('collect', 'retry', 'removal', 'restore', 'upload')
      and exists (select 1 from run_items i where i.run_id = r.id and i.state = 'done'
        and i.action in ('added', 'changed', 'moved', 'removed'))
    returning q.id, q.workspace_id, q.change_due_at <= clock_timestamp() as is_due
""")
