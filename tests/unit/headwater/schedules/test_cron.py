"""Cron expressions of sources: validation, and times across daylight saving changes."""

import datetime as dt
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import UnprocessableContent
from headwater.schedules.cron import check_schedule, min_interval_s, times_after
from tests.harness.cron_reference import scan_minutes

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def local_times(cron: str, zone: str, day: str) -> list[str]:
    """Return the times of an expression on a day, in the zone's local time."""
    start = dt.datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    times = [time.astimezone(ZoneInfo(zone)) for time in islice(times_after(cron, zone, _just_before(start)), 30)]
    return [f"{time:%H:%M}" for time in times if time.date() == start.date()]


def _just_before(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC) - dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("cron", "zone", "spring", "autumn"),
    [
        ("30 2 * * *", "Europe/Berlin", ["03:00"], ["02:30"]),
        ("0,30 2 * * *", "Europe/Berlin", ["03:00"], ["02:00", "02:30"]),
        ("5 2,3 * * *", "Europe/Berlin", ["03:00", "03:05"], ["02:05", "03:05"]),
        ("0 1-4 * * *", "Europe/Berlin", ["01:00", "03:00", "04:00"], ["01:00", "02:00", "03:00", "04:00"]),
        ("0 */2 * * *", "Europe/Berlin", ["00:00", "04:00", "06:00"], ["00:00", "02:00", "02:00", "04:00"]),
        ("15 * * * *", "Europe/Berlin", ["00:15", "01:15", "03:15"], ["00:15", "01:15", "02:15", "02:15", "03:15"]),
        ("*/15 2 * * *", "Europe/Berlin", [], ["02:00", "02:15", "02:30", "02:45"] * 2),
        ("30 1 * * *", "America/New_York", ["01:30"], ["01:30"]),
        ("30 2 * * *", "America/New_York", ["03:00"], ["02:30"]),
        ("0 * * * *", "America/New_York", ["00:00", "01:00", "03:00"], ["00:00", "01:00", "01:00", "02:00"]),
    ],
)
def test_times_follow_both_daylight_saving_changes(cron: str, zone: str, spring: list[str], autumn: list[str]) -> None:
    days = {"Europe/Berlin": ("2026-03-29", "2026-10-25"), "America/New_York": ("2026-03-08", "2026-11-01")}[zone]
    for day, expected in zip(days, (spring, autumn), strict=True):
        assert local_times(cron, zone, day)[: len(expected) or 1] == expected


def test_daily_time_does_not_repeat_in_a_repeated_hour() -> None:
    second_two_o_clock = dt.datetime(2026, 10, 25, 1, 0, tzinfo=dt.UTC)
    assert next(times_after("30 2 * * *", "Europe/Berlin", second_two_o_clock)).day == 26


_minutes = st.sampled_from(["*", "0", "30", "7", "*/15", "*/20", "0,30", "10-50/20"])
_hours = st.sampled_from(["*", "*/2", "2", "1-3", "0,23", "3", "1,2"])
_days = st.sampled_from(["*", "1", "15", "1-7", "*/10", "29,30,31"])
_weekdays = st.sampled_from(["*", "MON", "1-5", "SUN,WED", "*/3", "7"])
_expressions = st.tuples(_minutes, _hours, _days, st.just("*"), _weekdays).map(" ".join)
_zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo"])
_changes = [dt.datetime(2026, 3, 7), dt.datetime(2026, 3, 28), dt.datetime(2026, 10, 24), dt.datetime(2026, 10, 31)]


@given(
    _expressions,
    _zones,
    st.sampled_from(_changes),
    st.integers(0, 48 * 60),
)
@settings(max_examples=100)
def test_times_equal_those_of_a_scan_of_every_minute(cron: str, zone: str, start: dt.datetime, minutes: int) -> None:
    after = start.replace(tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    until = after + dt.timedelta(days=3)
    times = takewhile(lambda time: time <= until, times_after(cron, zone, after))
    scanned = scan_minutes(cron, ZoneInfo(zone), after.timestamp(), until.timestamp())
    assert [time.timestamp() for time in times] == list(scanned)


@pytest.mark.parametrize(
    ("cron", "interval_s"),
    [
        ("0 3 * * *", 86_400),
        ("55 23 * * *", 86_400),
        ("0,10 3 1 1 *", 600),
        ("55 0,23 * * *", 3_600),
        ("5,55 0,23 * * *", 600),
        ("5,55 0,23 1 * *", 3_000),
        ("5,55 0,23 1,31 1,12 *", 600),
        ("*/15 * * * *", 900),
        ("*/14 * * * *", 240),
        ("5 2,3 * * *", 3_600),
    ],
)
def test_min_interval_ignores_daylight_saving_changes(cron: str, interval_s: int) -> None:
    assert min_interval_s(cron) == interval_s


@pytest.mark.parametrize(
    ("cron", "zone", "reason"),
    [
        ("*/10 * * * *", "UTC", "10 minutes apart"),
        ("0,5 3 1 1 *", "UTC", "5 minutes apart"),
        ("nonsense", "UTC", "five fields"),
        ("", "UTC", "five fields"),
        ("0 0 3 * * *", "UTC", "five fields"),
        ("0 3 * * " + "MON," * 30, "UTC", "five fields"),
        ("61 * * * *", "UTC", "bad minute"),
        ("0 25 * * *", "UTC", "bad hour"),
        ("0 3 30 2 *", "UTC", "bad day-of-month"),
        ("0 3 * * \0", "UTC", "bad day-of-week"),
        ("0 3 29 2 MON#5,TUE", "Mars/Olympus", "time_zone"),
        ("0 3 * * *", "Europe", "time_zone"),
        ("0 3 * * *", "../../etc/passwd", "time_zone"),
        ("0 3 * * *", "right/Europe/Berlin", "time_zone"),
        ("0 3 * * *", "Z" * 5000, "time_zone"),
        ("0 3 * * *", "UTC\0", "time_zone"),
    ],
)
def test_invalid_schedule_is_rejected_with_the_reason(cron: str, zone: str, reason: str) -> None:
    with pytest.raises(UnprocessableContent, match=reason) as caught:
        check_schedule(cron, zone, tick_s=900, now=NOW)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 3 * * mon-fri", "0 3 L * *", "0 3 * * 5L", "0 0 29 2 *"])
def test_valid_schedule_is_accepted(cron: str) -> None:
    check_schedule(cron, "America/New_York", tick_s=900, now=NOW)


_any_fields = st.lists(st.text("0123459*/,-L#MONSU", min_size=1, max_size=6), min_size=5, max_size=5).map(" ".join)


@given(st.text(max_size=40) | _any_fields | _expressions)
def test_any_text_is_accepted_or_rejected(cron: str) -> None:
    try:
        check_schedule(cron, "UTC", tick_s=900, now=NOW)
    except UnprocessableContent:
        return
    assert min_interval_s(cron) >= 900
