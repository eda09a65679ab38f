"""Cron schedules: fields, next times, clock changes and errors."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.scheduler.cron import CronError, next_time
from tests.harness.cron_reference import scan_minutes

BERLIN = "Europe/Berlin"
CLOCK_CHANGES = [
    (BERLIN, "2026-03-29T03:00"),
    (BERLIN, "2026-10-25T03:00"),
    ("America/New_York", "2026-11-01T02:00"),
    ("Australia/Lord_Howe", "2026-04-05T02:00"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-04T02:00"),
    ("Africa/Cairo", "2026-04-24T00:00"),  # forward at midnight
    ("Asia/Beirut", "2026-10-25T00:00"),  # back to the day before
    ("America/St_Johns", "2006-10-29T00:01"),  # a minute past midnight
    ("Pacific/Apia", "2011-12-31T00:00"),  # by a day
    ("Asia/Kolkata", "2026-05-31T00:00"),  # no change
]


def times(schedule: str, zone: str, start: str, count: int) -> list[str]:
    """Return the next times after a wall-clock time, with their offsets."""
    tz = ZoneInfo(zone)
    time = datetime.fromisoformat(start).replace(tzinfo=tz).timestamp()
    following = []
    for _ in range(count):
        time = next_time(schedule, time, tz)
        following.append(datetime.fromtimestamp(time, tz).isoformat(" ", "minutes"))
    return following


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
def test_next_times_match_the_fields(schedule: str, expected: list[str]) -> None:
    assert [time[:16] for time in times(schedule, "UTC", "2026-03-02T10:00:30", len(expected))] == expected


def test_next_time_is_after_the_given_time() -> None:
    assert times("0 10 * * *", "UTC", "2026-03-02T10:00:00", 1) == ["2026-03-03 10:00+00:00"]


def test_leap_day_is_found_eight_years_ahead() -> None:
    assert times("0 0 29 2 *", "UTC", "2096-03-01T00:00", 1) == ["2104-02-29 00:00+00:00"]


@pytest.mark.parametrize(
    ("schedule", "start", "expected"),
    [
        # The examples in the module's docstring.
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
        # Two skipped times run once. An interval within the skipped hour does not run.
        ("15,45 2 * * *", "2026-03-28T12:00", ["2026-03-29 03:00+02:00", "2026-03-30 02:15+02:00"]),
        ("* 2 * * *", "2026-03-29T00:00", ["2026-03-30 02:00+02:00"]),
        # Other times are not affected.
        ("30 1,3 * * *", "2026-03-29T00:00", ["2026-03-29 01:30+01:00", "2026-03-29 03:30+02:00"]),
        ("0 12 * * *", "2026-10-24T12:00", ["2026-10-25 12:00+01:00", "2026-10-26 12:00+01:00"]),
    ],
)
def test_clock_changes_follow_the_rule_of_cron(schedule: str, start: str, expected: list[str]) -> None:
    assert times(schedule, BERLIN, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("schedule", "zone", "start", "expected"),
    [
        # Forward at midnight; forward by a day; forward by half an hour; back from midnight to the day before.
        ("15 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["2026-04-24 01:00+03:00", "2026-04-25 00:15+03:00"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00", ["2011-12-31 00:00+14:00", "2011-12-31 12:00+14:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-04 02:30+11:00"]),
        ("*/30 23 * * *", "America/St_Johns", "2006-10-28T23:45", ["2006-10-28 23:30-03:30", "2006-10-29 23:00-03:30"]),
    ],
)
def test_unusual_clock_changes_follow_the_rule_of_cron(
    schedule: str, zone: str, start: str, expected: list[str]
) -> None:
    assert times(schedule, zone, start, len(expected)) == expected


@given(
    st.tuples(
        st.sampled_from(["*", "0", "30", "*/15", "5,50", "10-50/20", "0-59/40"]),
        st.sampled_from(["*", "*/2", "*/3", "2", "0", "23", "0-4", "1,2", "22-23"]),
        st.sampled_from(["*", "*/2", "1-31/3", "28,29,30,31"]),
        st.sampled_from(["*", "JAN,MAR-MAY", "*/2", "SEP-DEC"]),
        st.sampled_from(["*", "SUN", "MON-FRI", "5-7", "*/3", "THU,FRI,SAT"]),
    ).map(" ".join),
    st.sampled_from(CLOCK_CHANGES),
    st.integers(-36 * 60, 2 * 60),
)
@settings(max_examples=100)
def test_times_around_clock_changes_equal_those_of_a_scan_of_every_minute(
    schedule: str, change: tuple[str, str], minutes: int
) -> None:
    zone = ZoneInfo(change[0])
    time = after = datetime.fromisoformat(change[1]).replace(tzinfo=zone).timestamp() + minutes * 60
    until = after + 2 * 86_400
    times = []
    while (time := next_time(schedule, time, zone)) <= until:
        times.append(time)
    assert times == list(scan_minutes(schedule, zone, after, until))


@given(st.text(alphabet="0129*/,-#? LMON", max_size=20))
def test_any_text_is_accepted_or_rejected(schedule: str) -> None:
    try:
        assert next_time(schedule, 0, ZoneInfo("UTC")) > 0
    except CronError:
        return
    assert len(schedule.split()) == 5


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "it must have five fields (minute hour day-of-month month day-of-week), not 0"),
        ("* * * * * *", "not 6"),
        ("60 * * * *", "invalid minute: '60'"),
        ("* 24 * * *", "invalid hour: '24'"),
        ("* * 0 * *", "invalid day-of-month: '0'"),
        ("* * * FOO *", "invalid month: 'FOO'"),
        ("* * * * 8", "invalid day-of-week: '8'"),
        ("x * * * *", "invalid minute: 'X'"),
        ("1,,2 * * * *", "invalid minute: '1,,2'"),
        ("9-3 * * * *", "invalid minute: '9-3'"),
        ("*/0 * * * *", "invalid minute: '*/0'"),
        ("1" * 5000 + " * * * *", "invalid minute: '1111"),
        # Syntax of cronsim that Cloud Scheduler does not have.
        ("5/10 * * * *", "invalid minute: '5/10'"),
        ("0 0 L * *", "invalid day-of-month: 'L'"),
        ("0 0 LW * *", "invalid day-of-month: 'LW'"),
        ("0 0 * * 5L", "invalid day-of-week: '5L'"),
        ("0 0 * * MON#2", "invalid day-of-week: 'MON#2'"),
        # Days that no month has.
        ("0 0 30 2 *", "invalid day-of-month: '30'"),
        ("0 0 31 4,6,9,11 *", "invalid day-of-month: '31'"),
    ],
)
def test_invalid_schedule_is_rejected_with_the_reason(schedule: str, reason: str) -> None:
    with pytest.raises(CronError) as error:
        next_time(schedule, 0, ZoneInfo("UTC"))
    assert reason in str(error.value)
