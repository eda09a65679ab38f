"""The retry decision, and the numbers in its docstrings."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import NotFound, PermanentError, SystemicError, UpstreamError
from headwater.queue.retry_policy import GiveUp, Limits, Retry, backoff_s
from headwater.queue.retry_policy import decide as decide_with

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def decide(error: Exception, attempt: int = 0, failing_s: float = 0.0) -> Retry | GiveUp:
    return decide_with(
        error,
        Limits(max_attempts=3, max_upstream_attempts=5, patience_s=7200),
        attempt=attempt,
        failing_s=failing_s,
        server="github.com",
        now=NOON,
        random=0.5,
    )


def test_longest_backoffs_match_the_docstring() -> None:
    assert [backoff_s(n, 1.0) for n in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_lies_between_zero_and_the_cap(attempt: int, random: float) -> None:
    assert 0 <= backoff_s(attempt, random) <= 300


def test_retry_waits_for_the_pause_and_a_backoff() -> None:
    assert decide(UpstreamError("busy", 30)) == Retry("busy", 30.5, 30, 5)


def test_pause_as_long_as_the_patience_is_waited_for() -> None:
    assert decide(UpstreamError("busy", 7200)) == Retry("busy", 7200.5, 7200, 5)


def test_pause_beyond_the_patience_gives_up_all_similar_steps() -> None:
    decision = decide(UpstreamError("HTTP 429.", 7201))
    assert decision == GiveUp(
        "HTTP 429. github.com asks to wait until 2026-11-28 14:00 UTC, longer than Headwater waits: 7200 seconds in "
        "total (PROVIDER_PATIENCE_S). Try again then.",
        is_systemic=True,
    )


def test_patience_includes_the_time_since_the_first_failure() -> None:
    assert isinstance(decide(UpstreamError("busy", 3600), attempt=1, failing_s=3600), Retry)
    assert isinstance(decide(UpstreamError("busy", 3600), attempt=1, failing_s=3601), GiveUp)
    assert isinstance(decide(UpstreamError("busy"), attempt=1, failing_s=1e9), Retry)  # no pause: attempts count


@pytest.mark.parametrize("pause_s", [float("inf"), 1e300, 1e20, 31_536_000.0])
def test_hostile_pause_gives_up_at_once(pause_s: float) -> None:
    decision = decide(UpstreamError("busy", pause_s))
    assert isinstance(decision, GiveUp)
    assert "wait until 2027-11-28" in decision.reason


@pytest.mark.parametrize("pause_s", [float("nan"), -1.0, float("-inf"), None, 0.0])
def test_pause_that_is_none_does_not_delay(pause_s: float | None) -> None:
    assert decide(UpstreamError("busy", pause_s)) == Retry("busy", 0.5, 0, 5)


@pytest.mark.parametrize("error", [PermanentError("no"), NotFound("no")])
def test_permanent_error_is_not_retried(error: Exception) -> None:
    assert decide(error) == GiveUp("no")


def test_total_backoff_matches_the_docstring() -> None:
    assert sum(backoff_s(n, 1.0) for n in range(11)) == 1111
    assert sum(backoff_s(n, 1.0) for n in range(4)) == 15


def test_systemic_error_gives_up_all_similar_steps() -> None:
    assert decide(SystemicError("no key")) == GiveUp("no key", is_systemic=True)


def test_last_attempt_gives_up_and_names_the_attempts() -> None:
    assert decide(UpstreamError("busy"), attempt=4) == GiveUp("busy Gave up after 5 attempts.")


def test_unexpected_error_gets_fewer_attempts() -> None:
    assert [type(decide(ValueError(), attempt=n)) for n in range(3)] == [Retry, Retry, GiveUp]


@pytest.mark.parametrize("attempt", [0, 2])
def test_unexpected_error_text_is_not_shown(attempt: int) -> None:
    assert "secret" not in decide(ValueError("secret"), attempt=attempt).reason
