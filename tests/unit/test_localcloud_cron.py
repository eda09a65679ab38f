"""Schedules: what they say, when they come, and what happens when clocks change."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.scheduler.cron import CronError, parse

BERLIN = "Europe/Berlin"


def times(schedule: str, zone: str, start: str, count: int) -> list[str]:
    """Return the next times from behind a wall-clock time on, with their offsets."""
    place, cron = ZoneInfo(zone), parse(schedule)
    at, found = datetime.fromisoformat(start).replace(tzinfo=place).timestamp(), []
    for _ in range(count):
        at = cron.next(at, place)
        found.append(datetime.fromtimestamp(at, place).isoformat(" ", "minutes"))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["2026-03-02 10:01", "2026-03-02 10:02"]),
        ("*/25 * * * *", ["2026-03-02 10:25", "2026-03-02 10:50", "2026-03-02 11:00"]),
        ("5,10-12 9-17/4 * * *", ["2026-03-02 13:05", "2026-03-02 13:10", "2026-03-02 13:11"]),
        ("0 0 * * *", ["2026-03-03 00:00", "2026-03-04 00:00"]),
        ("30 8 * * mon-Fri", ["2026-03-03 08:30", "2026-03-04 08:30"]),
        ("0 9 * * 7", ["2026-03-08 09:00", "2026-03-15 09:00"]),
        ("0 9 * * 6-7", ["2026-03-07 09:00", "2026-03-08 09:00", "2026-03-14 09:00"]),
        ("0 0 31 * *", ["2026-03-31 00:00", "2026-05-31 00:00"]),
        ("0 0 1 JAN,jul *", ["2026-07-01 00:00", "2027-01-01 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 9 13 * FRI", ["2026-03-06 09:00", "2026-03-13 09:00", "2026-03-20 09:00"]),
        ("0 9 */2 * MON", ["2026-03-09 09:00", "2026-03-23 09:00"]),
    ],
)
def test_a_schedule_comes_when_its_fields_say(schedule: str, expected: list[str]) -> None:
    assert [time[:16] for time in times(schedule, "UTC", "2026-03-02T10:00:30", len(expected))] == expected


def test_the_next_time_is_after_and_never_at_the_given_one() -> None:
    assert times("0 10 * * *", "UTC", "2026-03-02T10:00:00", 1) == ["2026-03-03 10:00+00:00"]


def test_the_leap_day_is_found_over_the_longest_gap() -> None:
    assert times("0 0 29 2 *", "UTC", "2096-03-01T00:00", 1) == ["2104-02-29 00:00+00:00"]


@pytest.mark.parametrize(
    ("schedule", "start", "expected"),
    [
        # The worked examples of the module.
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"]),
        ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"]),
        ("*/30 * * * *", "2026-03-29T01:10", ["2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00"]),
        (
            "*/30 * * * *",
            "2026-10-25T01:40",
            [
                "2026-10-25 02:00+02:00",
                "2026-10-25 02:30+02:00",
                "2026-10-25 02:00+01:00",
                "2026-10-25 02:30+01:00",
                "2026-10-25 03:00+01:00",
            ],
        ),
        # Two skipped times become one; an interval within the skipped hour does not come at all.
        ("15,45 2 * * *", "2026-03-28T12:00", ["2026-03-29 03:00+02:00", "2026-03-30 02:15+02:00"]),
        ("* 2 * * *", "2026-03-29T00:00", ["2026-03-30 02:00+02:00"]),
        # Around the change nothing else moves.
        ("30 1,3 * * *", "2026-03-29T00:00", ["2026-03-29 01:30+01:00", "2026-03-29 03:30+02:00"]),
        ("0 12 * * *", "2026-10-24T12:00", ["2026-10-25 12:00+01:00", "2026-10-26 12:00+01:00"]),
    ],
)
def test_clock_changes_follow_crons_rule(schedule: str, start: str, expected: list[str]) -> None:
    assert times(schedule, BERLIN, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("schedule", "zone", "start", "expected"),
    [
        # Forward at midnight; over a whole day; by half an hour; back over midnight, into the day before.
        ("15 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["2026-04-24 01:00+03:00", "2026-04-25 00:15+03:00"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00", ["2011-12-31 00:00+14:00", "2011-12-31 12:00+14:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-04 02:30+11:00"]),
        ("*/30 23 * * *", "America/St_Johns", "2006-10-28T23:45", ["2006-10-28 23:30-03:30", "2006-10-29 23:00-03:30"]),
    ],
)
def test_odd_clock_changes_follow_it_too(schedule: str, zone: str, start: str, expected: list[str]) -> None:
    assert times(schedule, zone, start, len(expected)) == expected


@given(
    st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 */3 * * *", "59 23 31 12 *", "0 9 * * MON-FRI"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.integers(1_700_000_000, 1_900_000_000),
)
def test_times_rise_and_none_between_is_left_out(schedule: str, zone: str, start: int) -> None:
    place, cron = ZoneInfo(zone), parse(schedule)
    first = cron.next(start, place)
    assert first > start
    assert cron.next((start + first) / 2, place) == first
    assert cron.next(first - 1, place) == first
    assert first % 60 == 0


def test_without_clock_changes_every_minute_is_compared_with_its_fields() -> None:
    """The slow way: look at each minute of a month."""
    zone, cron = ZoneInfo("Asia/Kolkata"), parse("*/20 6-8 1-7 * TUE")
    at = datetime(2026, 6, 1, tzinfo=zone)
    end = at + timedelta(days=30)
    expected = []
    while at < end:
        if at.minute % 20 == 0 and at.hour in (6, 7, 8) and (at.day <= 7 or at.isoweekday() == 2):
            expected.append(at.isoformat(" ", "minutes"))
        at += timedelta(minutes=1)
    assert times("*/20 6-8 1-7 * TUE", "Asia/Kolkata", "2026-05-31T23:59", len(expected)) == expected
    assert cron.is_interval


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "five fields are expected (minute hour day month weekday), not 0"),
        ("* * * * * *", "not 6"),
        ("60 * * * *", "minute: 60 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24 is not between 0 and 23"),
        ("* * 0 * *", "day of the month: 0 is not between 1 and 31"),
        ("* * * FOO *", "month: 'FOO' is not a number or a name"),
        ("* * * * 8", "day of the week: 8 is not between 0 and 7"),
        ("x * * * *", "minute: 'X' is not a number"),
        ("1,,2 * * * *", "minute: '' is not a number"),
        ("9-3 * * * *", "minute: '9-3' begins after its end"),
        ("*/0 * * * *", "minute: '0' is not a step"),
        ("5/10 * * * *", "minute: a step needs a range or *: '5/10'"),
        ("0 0 30 2 *", "no such month has a day 30"),
        ("0 0 31 4,6,9,11 *", "no such month has a day 31"),
    ],
)
def test_what_is_no_schedule_is_told_why(schedule: str, reason: str) -> None:
    with pytest.raises(CronError) as refused:
        parse(schedule)
    assert reason in str(refused.value)
