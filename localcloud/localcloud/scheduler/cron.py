"""unix-cron schedules: five fields and a time zone flow in, the next time they mean flows out. Pure.

Fields are minute, hour, day of the month, month, day of the week, as Cloud Scheduler documents them
(https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules): `*`, numbers, ranges, lists, steps after `*`
or a range, JAN-DEC, SUN-SAT, 7 for Sunday. When both days are restricted, either suffices (crontab(5)).

Where clocks change, the real service promises nothing ("wall clock time … may run or not run unexpectedly"). Here the
rule is cron's own. A schedule whose minute or hour begins with `*` is an interval: it follows the clock, so times that
are skipped don't come and times that are repeated come twice. Any other is a time of day: skipped, it comes as soon as
the clocks have changed; repeated, it comes the first time only. In Europe/Berlin, on the last Sundays of March (02:00
becomes 03:00) and October (03:00 becomes 02:00):

    30 2 * * *     March: at 03:00       October: once, the first 02:30
    */30 * * * *   March: 01:30, 03:00   October: 02:00, 02:30, 02:00, 02:30, 03:00
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

# 29 February is up to eight years away.
_HORIZON_DAYS = 8 * 366
_DAY = timedelta(days=1)
_LONGEST_FOLD_S = 3 * 3600.0
_MONTHS = {
    "JAN": 1,
    "FEB": 2,
    "MAR": 3,
    "APR": 4,
    "MAY": 5,
    "JUN": 6,
    "JUL": 7,
    "AUG": 8,
    "SEP": 9,
    "OCT": 10,
    "NOV": 11,
    "DEC": 12,
}
_WEEKDAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class CronError(ValueError):
    """A schedule that can't be read or never comes; the message says why."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule: the values of each field; weekdays count from Sunday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    is_interval: bool

    def next(self, after: float, zone: ZoneInfo) -> float:
        """Return the first time after `after` that the schedule means in a time zone; seconds since 1970."""
        day = datetime.fromtimestamp(after - _LONGEST_FOLD_S, zone).date()  # clocks may go back over midnight
        for _ in range(_HORIZON_DAYS):
            first = math.inf
            for time in self._times(day, zone) if self._includes(day) else ():
                if time > first + _LONGEST_FOLD_S:  # times come in order but for those that are repeated
                    break
                if after < time < first:
                    first = time
            if first < math.inf:
                return first
            day += _DAY
        raise CronError("the schedule never comes")

    def _includes(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def _times(self, day: date, zone: ZoneInfo) -> Iterator[float]:
        for hour in self.hours:
            for minute in self.minutes:
                yield from _moments(datetime(day.year, day.month, day.day, hour, minute), zone, self.is_interval)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five: what it is called, its least and greatest value, and the names that stand for values."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)

    def values(self, text: str) -> tuple[int, ...]:
        """Return the values that a field's text means, in order."""
        return tuple(sorted({value for item in text.split(",") for value in self._span(item)}))

    def _span(self, item: str) -> range:
        span, slash, step = item.partition("/")
        first, dash, last = span.partition("-")
        if slash and (not step.isdecimal() or not int(step)):
            raise CronError(f"{self.name}: {step!r} is not a step")
        if slash and span != "*" and not dash:
            raise CronError(f"{self.name}: a step needs a range or *: {item!r}")
        if span == "*":
            start, end = self.low, self.high
        else:
            start = self._number(first)
            end = self._number(last) if dash else start
        if start > end:
            raise CronError(f"{self.name}: {item!r} begins after its end")
        return range(start, end + 1, int(step or 1))

    def _number(self, text: str) -> int:
        if text in self.names:
            return self.names[text]
        if not (text.isascii() and text.isdecimal()):
            raise CronError(f"{self.name}: {text!r} is not a number" + (" or a name" if self.names else ""))
        if not self.low <= int(text) <= self.high:
            raise CronError(f"{self.name}: {text} is not between {self.low} and {self.high}")
        return int(text)


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY_OF_MONTH = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, _WEEKDAYS)


def parse(schedule: str) -> Cron:
    """Read a schedule. Errors: CronError."""
    fields = schedule.upper().split()
    if len(fields) != 5:
        raise CronError(f"five fields are expected (minute hour day month weekday), not {len(fields)}")
    minute, hour, day, month, weekday = fields
    # The star of a weekday ends with Saturday, so that its steps don't come to Sunday by two ways.
    last_weekday = weekday.replace("*", "0-6") if weekday.startswith("*") else weekday
    cron = Cron(
        minutes=_MINUTE.values(minute),
        hours=_HOUR.values(hour),
        days=frozenset(_DAY_OF_MONTH.values(day)),
        months=frozenset(_MONTH.values(month)),
        weekdays=frozenset(value % 7 for value in _WEEKDAY.values(last_weekday)),
        any_day=day.startswith("*"),
        any_weekday=weekday.startswith("*"),
        is_interval=minute.startswith("*") or hour.startswith("*"),
    )
    if cron.any_weekday and all(min(cron.days) > _LONGEST_MONTHS.get(month, 31) for month in cron.months):
        raise CronError(f"no such month has a day {min(cron.days)}")
    return cron


def _moments(wall: datetime, zone: ZoneInfo, is_interval: bool) -> Iterator[float]:
    """Return when a clock shows a time: once, twice when clocks are set back, never when they are set forward."""
    first = wall.replace(tzinfo=zone)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert after is not None
    if before >= after:
        yield first.timestamp()
        if before > after and is_interval:
            yield second.timestamp()
    elif not is_interval:
        yield _change(second.timestamp(), first.timestamp(), zone)


def _change(low: float, high: float, zone: ZoneInfo) -> float:
    """Return the second at which clocks change between two times, whose offsets differ."""
    before, after = int(low), int(high)
    offset = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return float(after)
