"""Evaluate cron expressions of five fields in a time zone. Pure. Results are in UTC.

cronsim parses the fields like Debian's cron, plus `L` and `#`. At daylight saving changes, an expression whose minute
or hour starts with `*` follows wall-clock time: skipped times are left out, repeated times run twice. Other expressions
are times of day: a skipped time runs once right after the change, a repeated one only the first time. In Europe/Berlin,
on the last Sundays of March (02:00 becomes 03:00) and October (03:00 becomes 02:00):

    30 2 * * *     March: at 03:00       October: once, the first 02:30
    */30 * * * *   March: 01:30, 03:00   October: 02:00, 02:30, 02:00, 02:30, 03:00
    0 */2 * * *    March: 00:00, 04:00   October: 00:00, 02:00, 02:00, 04:00
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from headwater.errors import UnprocessableContent
from headwater.redaction import quote

if TYPE_CHECKING:
    from cronsim import CronSim

_MAX_CHARS = 100
_ZONE = re.compile(r"[A-Z][\w+-]*(/[\w+-]+)*", re.ASCII)
"""Name of a time zone. Excludes `localtime`, `posix` and `right` in the zoneinfo folder, which aren't zones."""

_DAY_MINUTES = 24 * 60
_LOOK_AHEAD_DAYS = 28 * 366
"""Weekdays repeat on the same dates after 28 years."""


def check_schedule(cron: str, time_zone: str, *, tick_s: float, now: dt.datetime) -> None:
    """Raise UnprocessableContent for an invalid expression or zone, or a schedule that never or too often runs.

    `tick_s` is the interval of the tick, and so the shortest interval of a schedule.
    """
    _zone(time_zone)
    if len(cron) > _MAX_CHARS or len(cron.split()) != 5:
        raise UnprocessableContent(
            "schedule: enter five fields (minute, hour, day of the month, month, day of the week), "
            "such as `0 3 * * *` for every day at 03:00."
        )
    next_time(cron, time_zone, now)
    interval_s = min_interval_s(cron)
    if interval_s < tick_s:
        raise UnprocessableContent(
            f"schedule: {cron!r} has runs {_minutes(interval_s)} apart. The shortest interval is {_minutes(tick_s)}."
        )


def next_time(cron: str, time_zone: str, after: dt.datetime) -> dt.datetime:
    """Return the first time after `after`, in UTC. Raises UnprocessableContent if there is none."""
    for time in times_after(cron, time_zone, after):
        return time
    raise UnprocessableContent(f"schedule: {cron!r} never runs. No date matches all fields.")


def times_after(cron: str, time_zone: str, after: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the times of an expression in a time zone after `after`, in UTC. Ends if none is left.

    Raises UnprocessableContent if the expression or the zone is invalid.
    """
    # cronsim starts from wall-clock time, so in a repeated hour it can yield times before `after`.
    for time in _read(cron, after.astimezone(_zone(time_zone))):
        if (moment := time.astimezone(dt.UTC)) > after:
            yield moment


def min_interval_s(cron: str) -> float:
    """Return the shortest interval between two times of an expression in wall-clock time, in seconds.

    Ignores daylight saving changes: `5 2,3 * * *` runs at 03:00 and 03:05 when 02:05 is skipped, which is allowed.
    `0 3 * * *` has 86,400; `0,10 3 1 1 *` has 600; `55 0,23 * * *` has 3,600, from 23:55 to 00:55.
    """
    fields = _read(cron, dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    minutes = sorted(hour * 60 + minute for hour in fields.hours for minute in fields.minutes)
    shortest = min((b - a for a, b in pairwise(minutes)), default=_DAY_MINUTES)
    overnight = minutes[0] + _DAY_MINUTES - minutes[-1]
    if overnight < shortest and _has_consecutive_days(fields):
        shortest = overnight
    return shortest * 60.0


def _has_consecutive_days(fields: "CronSim") -> bool:
    previous_matches = False
    for n in range(_LOOK_AHEAD_DAYS):
        day = dt.date(2000, 1, 1) + dt.timedelta(days=n)
        matches = day.month in fields.months and fields.match_day(day)
        if matches and previous_matches:
            return True
        previous_matches = matches
    return False


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} {'minute' if seconds == 60 else 'minutes'}"


def _read(cron: str, start: dt.datetime) -> "CronSim":
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(cron, start)
    except CronSimError as error:
        raise UnprocessableContent(
            f"schedule: {cron!r} isn't a valid cron expression: {quote(error).lower()}."
        ) from error


def _zone(name: str) -> ZoneInfo:
    """Return a time zone by name. Raises UnprocessableContent if there is none."""
    # ZoneInfo raises these for an unknown zone, the name of a folder, and a name that is too long.
    with suppress(OSError, KeyError, ValueError):
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    raise UnprocessableContent(f"time_zone: there is no time zone {name[:100]!r}. Enter a name such as Europe/Berlin.")
