"""`Retry-After`: seconds and dates of RFC 9110, and what servers send instead."""

import time
from email.utils import formatdate

import pytest
from urllib3 import HTTPHeaderDict

from headwater.errors import MAX_RETRY_AFTER_S, UpstreamError
from headwater.retry_after import read_pause, read_retry_after


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("17", 17), (" 17 ", 17), ("1.5", 1.5), ("007", 7)])
def test_seconds_are_read(value: str, seconds: float) -> None:
    assert read_retry_after(value) == seconds


def test_date_is_read_as_seconds_from_now() -> None:
    assert read_retry_after(formatdate(time.time() + 3600, usegmt=True)) == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_date_in_the_past_is_no_pause(value: str) -> None:
    assert read_retry_after(value) == 0


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            "",
            " ",
            "soon",
            "-1",
            "+1",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "1e9",
            "0x10",
            "1,5",
            "1 2",
            "٣",
            "²",
            "1\x00",
        ),
        *("99 Foo 2026", "Fri, 31 Feb 2027 00:00:00 GMT", "Fri, 31 Dec 0000 23:59:59 GMT"),
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -9999",
    ],
)
def test_invalid_value_is_none_or_no_pause(value: str | None) -> None:
    assert not read_retry_after(value)


@pytest.mark.parametrize(
    "value", ["31536001", "9" * 400, "9" * 100_000, "1" + "0" * 308, "Fri, 31 Dec 2099 23:59:59 GMT", "999999999.9"]
)
def test_huge_value_is_limited_to_a_year(value: str) -> None:
    assert UpstreamError("busy", read_retry_after(value)).retry_after_s == MAX_RETRY_AFTER_S


@pytest.mark.parametrize("value", [float("nan"), -0.1, float("-inf"), None])
def test_error_ignores_pauses_that_are_no_time(value: float | None) -> None:
    assert UpstreamError("busy", value).retry_after_s is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "+60"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "-60"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "+60", "retry-after": "7"}, 7),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "+60"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({}, None),
    ],
)
def test_pause_ends_at_githubs_reset(headers: dict[str, str], seconds: float | None) -> None:
    reset = headers.get("x-ratelimit-reset", "")
    if reset[:1] in ("+", "-"):
        headers = {**headers, "x-ratelimit-reset": str(round(time.time()) + int(reset))}
    assert read_pause(HTTPHeaderDict(headers)) == (None if seconds is None else pytest.approx(seconds, abs=5))
