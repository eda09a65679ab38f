"""The retry decision, and the numbers in its docstrings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import NotFound, PermanentError, SystemicError, UpstreamError
from headwater.queue.retry_policy import GiveUp, Retry, backoff_s, decide


def test_longest_backoffs_match_the_docstring() -> None:
    assert [backoff_s(n, 1.0) for n in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_lies_between_zero_and_the_cap(attempt: int, random: float) -> None:
    assert 0 <= backoff_s(attempt, random) <= 300


def test_retry_waits_at_least_retry_after() -> None:
    assert decide(UpstreamError("busy", 30), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == Retry(
        30.5
    )


def test_retry_after_is_capped_at_one_hour() -> None:
    assert decide(UpstreamError("busy", 1e20), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == Retry(
        3600.5
    )


@pytest.mark.parametrize("error", [PermanentError("no"), NotFound("no")])
def test_permanent_error_is_not_retried(error: Exception) -> None:
    assert decide(error, attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == GiveUp("no")


def test_total_backoff_matches_the_docstring() -> None:
    assert sum(backoff_s(n, 1.0) for n in range(11)) == 1111
    assert sum(backoff_s(n, 1.0) for n in range(4)) == 15


def test_systemic_error_gives_up_all_similar_steps() -> None:
    decision = decide(SystemicError("no key"), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert decision == GiveUp("no key", is_systemic=True)


def test_last_attempt_gives_up_and_names_the_attempts() -> None:
    decision = decide(UpstreamError("busy"), attempt=4, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert decision == GiveUp("busy Gave up after 5 attempts.")


def test_unexpected_error_gets_fewer_attempts() -> None:
    decisions = [decide(ValueError(), attempt=n, max_attempts=3, max_upstream_attempts=5, random=0.5) for n in range(3)]
    assert [type(decision) for decision in decisions] == [Retry, Retry, GiveUp]


def test_unexpected_error_text_is_not_shown() -> None:
    decision = decide(ValueError("secret"), attempt=2, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert isinstance(decision, GiveUp)
    assert "secret" not in decision.reason
