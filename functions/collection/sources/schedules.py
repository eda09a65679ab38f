"""Schedules of sources: set, change and remove them, compute the next runs. The tick starts the runs."""

import datetime as dt
import uuid
from itertools import islice

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import UnprocessableContent
from headwater.schedules.cron import check_schedule, next_time, times_after

NEXT_RUNS = 3
"""Number of next times in a `Source`."""


class Schedule(msgspec.Struct, frozen=True):
    """A cron expression of five fields, and the time zone that it is evaluated in."""

    cron: str
    time_zone: str


def set_schedule(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, schedule: Schedule, *, tick_s: float
) -> None:
    """Set or replace a source's schedule. Raises UnprocessableContent if it is invalid."""
    cron = " ".join(schedule.cron.split())
    now: dt.datetime = tx.execute(sa.text("select now()")).scalar_one()
    check_schedule(cron, schedule.time_zone, tick_s=tick_s, now=now)
    values = {"cron": cron, "time_zone": schedule.time_zone, "next": next_time(cron, schedule.time_zone, now)}
    tx.execute(_SET, {"source_id": source_id, "workspace_id": workspace_id, **values})


def change_time_zone(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, time_zone: str, *, tick_s: float
) -> None:
    """Change the time zone of a source's schedule. Raises UnprocessableContent if it is invalid or there is none."""
    cron = tx.execute(_CRON, {"source_id": source_id}).scalar_one_or_none()
    if cron is None:
        raise UnprocessableContent("time_zone: the source has no schedule. Set `schedule` too, such as `0 3 * * *`.")
    set_schedule(tx, workspace_id, source_id, Schedule(cron, time_zone), tick_s=tick_s)


def remove_schedule(tx: Connection, source_id: uuid.UUID) -> None:
    """Remove a source's schedule, if it has one."""
    tx.execute(sa.text("delete from schedules where source_id = :source_id"), {"source_id": source_id})


def next_runs(schedule: Schedule, now: dt.datetime) -> list[dt.datetime]:
    """Return the next times of a schedule, in UTC. None if its zone was removed from the time zone database."""
    try:
        return list(islice(times_after(schedule.cron, schedule.time_zone, now), NEXT_RUNS))
    except UnprocessableContent:
        return []


_SET = sa.text("""
    insert into schedules (source_id, workspace_id, cron, time_zone, next_due_at)
    values (:source_id, :workspace_id, :cron, :time_zone, :next)
    on conflict (source_id) do update
      set cron = excluded.cron, time_zone = excluded.time_zone, next_due_at = excluded.next_due_at
""")

_CRON = sa.text("select cron from schedules where source_id = :source_id for update")
