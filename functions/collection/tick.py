"""The tick: Cloud Scheduler's call flows in; what is due is started, once; what a crash left behind is healed.

A tick may be delivered again, late, or twice at once: a schedule moves on to its next time in the transaction that
opens its run, and only from the time that was seen. Its next time is the first one after now, so that ticks that were
missed are caught up with by one run. What has been kept for long enough is deleted after that (`retention`).
"""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from functions.collection.runs.pause import PAUSED, is_paused
from functions.collection.runs.retention import sweep
from functions.collection.runs.start import check_kind, start_run
from functions.collection.sources.cron import next_time
from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import Conflict, UserError
from headwater.queue.tickets import Tickets
from headwater.web.app import Call, Route


class DueSource(msgspec.Struct, frozen=True):
    """A source whose time has come: the run that was started, or `reason` why none was."""

    source_id: uuid.UUID
    run_id: uuid.UUID | None
    reason: str | None = None


class TickResult(msgspec.Struct, frozen=True):
    """What a tick did; a source that another delivery has dealt with is in neither."""

    started: list[DueSource]
    skipped: list[DueSource]


def tick_route(database: Database, tickets: Tickets, watch: Callable[[], None]) -> Route:
    """Make the route that Cloud Scheduler calls; `watch` is the watchdog, whose backstop the tick is."""

    def tick(_: Call) -> TickResult:
        watch()
        with database.transaction(ALL_WORKSPACES) as tx:
            now = tx.execute(sa.text("select now()")).scalar_one()
        ticked = start_due(database, tickets, now)
        sweep(database, tickets.settings)
        return ticked

    return Route("POST", "/cron/tick", tick, "Start what is due", returns=TickResult, access="google")


def start_due(database: Database, tickets: Tickets, now: dt.datetime) -> TickResult:
    """Start a run of each source whose time has come by `now`; one that is paused or being collected is skipped until
    its next time, one with an open run of another kind until the next tick.

    Raises UpstreamError when Cloud Tasks can't be reached; then nothing has been started.
    """
    with database.transaction(ALL_WORKSPACES) as tx:
        schedules = tx.execute(_DUE, {"now": now}).all()
    if not schedules:
        return TickResult([], [])
    tickets.arm_watchdog()
    due = [found for schedule in schedules if (found := _start_source(database, schedule, now))]
    ticked = TickResult([one for one in due if not one.reason], [one for one in due if one.reason])
    for skipped in ticked.skipped:
        logs.event("schedule.skipped", severity=30, **msgspec.structs.asdict(skipped))
    logs.event("tick", started=len(ticked.started), skipped=len(ticked.skipped))
    tickets.wake(["collection"])
    return ticked


def _start_source(database: Database, schedule: Any, now: dt.datetime) -> DueSource | None:
    """Start a source that is due; None when that has been done, or the schedule is no longer what was seen."""
    source_id: uuid.UUID = schedule.source_id
    try:
        following = next_time(schedule.cron, schedule.time_zone, now)
    except UserError as error:  # a zone that this machine no longer knows mustn't hold up the others
        return DueSource(source_id, None, error.message)
    try:
        with database.transaction(schedule.workspace_id) as tx:  # the source is locked before its schedule, as ever
            paused = is_paused(tx, source_id)
            moved = tx.execute(_MOVE_ON, {"source_id": source_id, "seen": schedule.next_due_at, "following": following})
            if not moved.rowcount:
                return None
            if paused:
                return DueSource(source_id, None, PAUSED.format(id=source_id))
            run_id, is_new = start_run(tx, schedule.workspace_id, source_id, "schedule")
            check_kind(tx, run_id, ["collect"])
    except Conflict as error:  # its time is still to come, by the next tick
        return DueSource(source_id, None, error.message)
    return DueSource(source_id, run_id, None if is_new else "The run that was started before is still open.")


_DUE = sa.text("""
    select source_id, workspace_id, cron, time_zone, next_due_at from schedules
    where next_due_at <= :now order by next_due_at, source_id
""")

_MOVE_ON = sa.text("""
    update schedules set next_due_at = :following where source_id = :source_id and next_due_at = :seen
""")
