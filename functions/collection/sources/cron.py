"""Cron expressions: five fields and a time zone flow in, the times they mean flow out, in UTC. Pure.

cronsim reads the fields as Debian's cron does, with `L` and `#` on top; zoneinfo knows the zones. Where clocks change,
an expression whose minute or hour begins with `*` follows the clock: times that are skipped don't come, times that are
repeated come twice. Any other means times of day: skipped, they come once as soon as the clocks have changed;
repeated, the first time only. In Europe/Berlin, on the last Sundays of March (02:00 becomes 03:00) and October (03:00
becomes 02:00):

    30 2 * * *     March: at 03:00       October: once, the first 02:30
    */30 * * * *   March: 01:30, 03:00   October: 02:00, 02:30, 02:00, 02:30, 03:00
    0 */2 * * *    March: 00:00, 04:00   October: 00:00, 02:00, 02:00, 04:00
"""

import datetime as dt
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from headwater.errors import UnprocessableContent

if TYPE_CHECKING:
    from cronsim import CronSim

_MAX_CHARS = 100
_ZONE = re.compile(r"[A-Z][\w+-]*(/[\w+-]+)*", re.ASCII)
"""A zone's name; `localtime` and the folders `posix` and `right` lie beside the zones and are none."""

_DAY_MINUTES = 24 * 60
_LOOK_AHEAD_DAYS = 28 * 366
"""After so long the weekdays fall on the same dates again."""


def check_schedule(cron: str, time_zone: str, *, tick_s: float, now: dt.datetime) -> None:
    """Raise UnprocessableContent for an expression or a zone that can't be read, never comes, or comes too often."""
    _zone(time_zone)
    if len(cron) > _MAX_CHARS or len(cron.split()) != 5:
        raise UnprocessableContent(
            "schedule: five fields are expected (minute, hour, day of the month, month, day of the week), "
            "such as `0 3 * * *` for every day at 03:00."
        )
    next_time(cron, time_zone, now)
    distance_s = min_interval_s(cron)
    if distance_s < tick_s:
        raise UnprocessableContent(
            f"schedule: {cron!r} comes again after {distance_s / 60:g} minutes. Sources are looked after every "
            f"{tick_s / 60:g} minutes, so none can be collected more often."
        )


def next_time(cron: str, time_zone: str, after: dt.datetime) -> dt.datetime:
    """Return the first time after `after`, in UTC; raises UnprocessableContent when there is none."""
    for time in times_after(cron, time_zone, after):
        return time
    raise UnprocessableContent(f"schedule: {cron!r} never comes.")


def times_after(cron: str, time_zone: str, after: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the times that an expression means in a zone, in UTC, the first one after `after`; ends when none is left.

    Raises UnprocessableContent when either can't be read.
    """
    # Times of day begin anew from the clock's face, so an hour that is repeated would yield what has been before.
    for time in _read(cron, after.astimezone(_zone(time_zone))):
        if (moment := time.astimezone(dt.UTC)) > after:
            yield moment


def min_interval_s(cron: str) -> float:
    """Return the least distance between two times of an expression by the clock's face, in seconds.

    Changes of the clock don't count: `5 2,3 * * *` comes at 03:00 and 03:05 when 02:05 is skipped, and may.
    `0 3 * * *` has 86,400; `0,10 3 1 1 *` has 600; `55 0,23 * * *`, whose 23:55 and 00:55 are neighbours, 3,600.
    """
    fields = _read(cron, dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    minutes = sorted(hour * 60 + minute for hour in fields.hours for minute in fields.minutes)
    least = min((b - a for a, b in pairwise(minutes)), default=_DAY_MINUTES)
    over_night = minutes[0] + _DAY_MINUTES - minutes[-1]
    if over_night < least and _has_neighbouring_days(fields):
        least = over_night
    return least * 60.0


def _has_neighbouring_days(fields: "CronSim") -> bool:
    before = False
    for n in range(_LOOK_AHEAD_DAYS):
        day = dt.date(2000, 1, 1) + dt.timedelta(days=n)
        comes = day.month in fields.months and fields.match_day(day)
        if comes and before:
            return True
        before = comes
    return False


def _read(cron: str, start: dt.datetime) -> "CronSim":
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(cron, start)
    except CronSimError as error:
        raise UnprocessableContent(f"schedule: {cron!r} can't be read: {str(error).lower()}.") from error


def _zone(name: str) -> ZoneInfo:
    """Look a zone up; raises UnprocessableContent."""
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (OSError, KeyError, ValueError):  # none of that name, or a folder's, or a name that is too long
        pass
    raise UnprocessableContent(f"time_zone: {name[:100]!r} is not known; a name such as Europe/Berlin is expected.")
