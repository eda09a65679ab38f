"""A slow reference implementation of cron, for tests: compares every minute with the fields of a schedule."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def scan_minutes(schedule: str, zone: ZoneInfo, after: float, until: float) -> Iterator[float]:
    """Yield the times of a schedule in (`after`, `until`], in seconds since 1970.

    If minute or hour starts with `*`, skipped times are left out and repeated times come twice. Otherwise skipped times
    come at the first minute after the change, and repeated times come once.
    """
    matches = _matcher(schedule)
    is_interval = any(field.startswith("*") for field in schedule.split()[:2])
    time = after - after % 60 + 60
    expected = _wall_clock(time - 60, zone) + _MINUTE
    while time <= until:
        wall = _wall_clock(time, zone)
        comes = matches(wall) and (is_interval or datetime.fromtimestamp(time, zone).fold == 0)
        while expected < wall:  # skipped
            comes = comes or (matches(expected) and not is_interval)
            expected += _MINUTE
        if comes:
            yield time
        expected = wall + _MINUTE
        time += 60


def _wall_clock(time: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time, zone).replace(tzinfo=None)


def _matcher(schedule: str) -> Callable[[datetime], bool]:
    minute, hour, day, month, weekday = schedule.upper().split()
    minutes, hours = _values(minute, 0, 59), _values(hour, 0, 23)
    days, months = _values(day, 1, 31), _values(month, 1, 12, _MONTHS, first=1)
    weekdays = {value % 7 for value in _values(weekday, 0, 6 if weekday.startswith("*") else 7, _WEEKDAYS)}
    one_suffices = not day.startswith("*") and not weekday.startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        by_day, by_weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (by_day or by_weekday) if one_suffices else (by_day and by_weekday)

    return matches


def _values(field: str, low: int, high: int, names: list[str] | None = None, first: int = 0) -> set[int]:
    def number(text: str) -> int:
        return names.index(text) + first if names and text in names else int(text)

    values: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        start, _, end = f"{low}-{high}".partition("-") if span == "*" else span.partition("-")
        values |= set(range(number(start), number(end or start) + 1, int(step or 1)))
    return values
