"""The tick, called by Cloud Scheduler: start scheduled runs and standing questions, repair what crashes left, go on
with models that are being built, delete expired data.

A tick may be delivered late, repeatedly or concurrently. A schedule advances in the transaction that opens its run, and
only from the time that the tick has read, so a run starts once. The next time is the first one after now: one run makes
up for all missed ticks.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from functions.collection.accounts.mcp_connections import revoke_due
from functions.collection.files.expiry import delete_expired_uploads
from functions.collection.models.builds import Builds
from functions.collection.runs.pause import PAUSED, is_paused
from functions.collection.runs.retention import sweep
from functions.collection.runs.start import check_kind, start_run
from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import Conflict, UserError
from headwater.file_store.contents import delete_unused
from headwater.queue.tickets import Tickets
from headwater.schedules.cron import next_time
from headwater.schedules.standing import start_due_questions
from headwater.web.app import Call, Route


class DueSource(msgspec.Struct, frozen=True):
    """A source that is due: the run that was started, or the reason why none was."""

    source_id: uuid.UUID
    run_id: uuid.UUID | None
    reason: str | None = None


class TickResult(msgspec.Struct, frozen=True):
    """Result of a tick. Sources that a concurrent delivery has handled are in neither list."""

    started: list[DueSource]
    skipped: list[DueSource]


def tick_route(database: Database, tickets: Tickets, watch: Callable[[], None], builds: Builds) -> Route:
    """Return the route that Cloud Scheduler calls. It also runs the watchdog, `watch`, in case no ticket does."""

    def tick(_: Call) -> TickResult:
        watch()
        with database.transaction(ALL_WORKSPACES) as tx:
            now = tx.execute(sa.text("select now()")).scalar_one()
        result = start_due(database, tickets, now)
        if start_due_questions(database, now):
            tickets.wake(["chat"])
        builds.open_all(retry=False)
        sweep(database, tickets.settings)
        delete_expired_uploads(database, tickets.settings)
        delete_unused(database, tickets.settings)
        revoke_due(database, tickets.settings)
        with database.transaction(ALL_WORKSPACES) as tx:
            oldest = tx.execute(_OLDEST_STEP).one_or_none()
        waiting = {"oldest_step_s": round(oldest.waited_s), "oldest_queue": oldest.queue} if oldest else {}
        logs.event("tick", started=len(result.started), skipped=len(result.skipped), **waiting)
        return result

    return Route("POST", "/cron/tick", tick, "Start scheduled runs", returns=TickResult, access="google", is_long=True)


def start_due(database: Database, tickets: Tickets, now: dt.datetime) -> TickResult:
    """Start a run of each source that is due.

    A source that is paused or has an open `collect` run is skipped until its next time; a source with an open run of
    another kind until the next tick. Raises UpstreamError, before anything is started, if Cloud Tasks is unavailable.
    """
    with database.transaction(ALL_WORKSPACES) as tx:
        schedules = tx.execute(_DUE, {"now": now}).all()
    if not schedules:
        return TickResult([], [])
    tickets.arm_watchdog()
    due = [source for schedule in schedules if (source := _start_source(database, schedule, now))]
    result = TickResult([source for source in due if not source.reason], [source for source in due if source.reason])
    for skipped in result.skipped:
        logs.event("schedule.skipped", severity=30, **msgspec.structs.asdict(skipped))
    tickets.wake(["collection"])
    return result


def _start_source(database: Database, schedule: Any, now: dt.datetime) -> DueSource | None:
    """Start a run of a source that is due. Returns None if the schedule has changed, e.g. by a concurrent tick."""
    source_id: uuid.UUID = schedule.source_id
    try:
        next_due_at = next_time(schedule.cron, schedule.time_zone, now)
    except UserError as error:  # a time zone that was removed from the time zone database: skip only this source
        return DueSource(source_id, None, error.message)
    try:
        with database.transaction(schedule.workspace_id) as tx:
            paused = is_paused(tx, source_id)  # locks the source before its schedule, as all code does
            values = {"source_id": source_id, "due_at": schedule.next_due_at, "next_due_at": next_due_at}
            if not tx.execute(_ADVANCE, values).rowcount:
                return None
            if paused:
                return DueSource(source_id, None, PAUSED.format(id=source_id))
            run_id, is_new = start_run(tx, schedule.workspace_id, source_id, "schedule")
            check_kind(tx, run_id, ["collect"])
    except Conflict as error:  # rolled back, so the next tick tries again
        return DueSource(source_id, None, error.message)
    return DueSource(source_id, run_id, None if is_new else "The previous run is still open.")


# A step is due at `not_before`. Steps of paused providers are not due.
_OLDEST_STEP = sa.text("""
    select s.queue, extract(epoch from now() - s.not_before) as waited_s
    from steps s left join providers p on p.name = s.provider
    where s.state = 'ready' and s.not_before < now() and (p.blocked_until is null or p.blocked_until < now())
    order by s.not_before limit 1
""")

_DUE = sa.text("""
    select source_id, workspace_id, cron, time_zone, next_due_at from schedules
    where next_due_at <= :now order by next_due_at, source_id
""")

_ADVANCE = sa.text("""
    update schedules set next_due_at = :next_due_at where source_id = :source_id and next_due_at = :due_at
""")
