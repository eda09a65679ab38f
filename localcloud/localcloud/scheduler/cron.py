"""unix-cron schedules: the next time of a cron expression in a time zone.

cronsim parses the five fields and iterates over wall-clock times. This module restricts the syntax to what Cloud
Scheduler documents (https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules) and handles clock changes.

When clocks change, the real service guarantees nothing ("wall clock time … may run or not run unexpectedly"); here the
rule of cron applies. A schedule whose minute or hour starts with `*` is an interval: skipped times are not run,
repeated times run twice. Any other schedule is a time of day: if it is skipped, it runs as soon as the clocks have
changed; if it is repeated, it runs the first time only. In Europe/Berlin, on the last Sundays of March (02:00 becomes
03:00) and October (03:00 becomes 02:00):

    30 2 * * *     March: at 03:00       October: once, the first 02:30
    */30 * * * *   March: 01:30, 03:00   October: 02:00, 02:30, 02:00, 02:30, 03:00

cronsim has the same rule but misses times where clocks change by half an hour (Australia/Lord_Howe), so it is only used
with times without a zone.
"""

import math
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")  # as cronsim's errors name them
_NUMBER = r"[0-9]{1,4}"
_VALUE = rf"(?:{_NUMBER}|[A-Z]{{3}})"
_ITEM = rf"(?:(?:\*|{_VALUE}-{_VALUE})(?:/{_NUMBER})?|{_VALUE})"
_FIELD = re.compile(rf"{_ITEM}(?:,{_ITEM})*")

# Clocks are set back by at most this much, and never twice within it.
_LONGEST_REPEAT_S = 3 * 3600.0
_MINUTE = timedelta(minutes=1)


class CronError(ValueError):
    """The schedule is invalid or never comes due; the message says why."""


def next_time(schedule: str, after: float, zone: ZoneInfo) -> float:
    """Return the first time of a schedule after `after`; both are seconds since 1970. Errors: CronError."""
    fields = _split(schedule)
    is_interval = fields["minute"].startswith("*") or fields["hour"].startswith("*")
    # If clocks are about to be set back, wall-clock times before the present one will come again.
    repeated = _wall_clock(after + _LONGEST_REPEAT_S, zone) - timedelta(seconds=_LONGEST_REPEAT_S)
    first = math.inf
    for wall in _wall_clock_times(fields, min(_wall_clock(after, zone), repeated)):
        first = min([first, *(time for time in _times(wall, zone, is_interval=is_interval) if time > after)])
        if wall.replace(tzinfo=zone).timestamp() >= first:  # the times of later wall-clock times are not earlier
            return first
    raise CronError("it never comes due")


def _split(schedule: str) -> dict[str, str]:
    """Return the fields by name, after a check of their syntax."""
    texts = schedule.upper().split()
    if len(texts) != len(_FIELDS):
        raise CronError(f"it must have five fields (minute hour day-of-month month day-of-week), not {len(texts)}")
    fields = dict(zip(_FIELDS, texts, strict=True))
    for name, text in fields.items():
        if not _FIELD.fullmatch(text):
            raise CronError(f"invalid {name}: {text[:80]!r}")
    return fields


def _wall_clock_times(fields: dict[str, str], start: datetime) -> CronSim:
    """Return an iterator over the wall-clock times after `start`."""
    try:
        return CronSim(" ".join(fields.values()), start)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        raise CronError(f"invalid {name}: {fields[name]!r}") from error


def _times(wall: datetime, zone: ZoneInfo, *, is_interval: bool) -> list[float]:
    """Return when a wall-clock time of a schedule is run: once, or twice or not at all for intervals."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if first < second:  # repeated: the clocks are set back over it
        return [first, second] if is_interval else [first]
    if first > second:  # skipped: the clocks are set forward over it
        return [] if is_interval else [_end_of_gap(wall, zone)]
    return [first]


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> float:
    """Return the first minute after the clocks were set forward over a wall-clock time."""
    while (time := wall.replace(tzinfo=zone).timestamp()) != wall.replace(tzinfo=zone, fold=1).timestamp():
        wall += _MINUTE
    return time


def _wall_clock(time: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time, zone).replace(tzinfo=None)
