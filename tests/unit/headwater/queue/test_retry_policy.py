"""The retry decision, with the worked numbers of its docstring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import NotFound, PermanentError, SystemicError, UpstreamError
from headwater.queue.retry_policy import GiveUp, Retry, backoff_s, decide


def test_the_longest_waits_are_those_of_the_docstring() -> None:
    assert [backoff_s(n, 1.0) for n in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_between_nothing_and_the_cap(attempt: int, random: float) -> None:
    assert 0 <= backoff_s(attempt, random) <= 300


def test_what_the_other_side_asks_for_is_waited_at_least() -> None:
    assert decide(UpstreamError("busy", 30), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == Retry(
        30.5
    )


def test_nobody_is_waited_for_longer_than_an_hour() -> None:
    assert decide(UpstreamError("busy", 1e20), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == Retry(
        3600.5
    )


@pytest.mark.parametrize("error", [PermanentError("no"), NotFound("no")])
def test_what_will_fail_again_is_not_tried_again(error: Exception) -> None:
    assert decide(error, attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5) == GiveUp("no")


def test_twelve_attempts_last_as_long_as_the_docstring_says() -> None:
    assert sum(backoff_s(n, 1.0) for n in range(11)) == 1111
    assert sum(backoff_s(n, 1.0) for n in range(4)) == 15


def test_what_everything_like_it_will_meet_is_given_up_everywhere() -> None:
    decision = decide(SystemicError("no key"), attempt=0, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert decision == GiveUp("no key", is_systemic=True)


def test_the_last_attempt_gives_up_and_says_so() -> None:
    decision = decide(UpstreamError("busy"), attempt=4, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert decision == GiveUp("busy Gave up after 5 attempts.")


def test_what_nobody_foresaw_is_tried_less_often() -> None:
    tried = [decide(ValueError(), attempt=n, max_attempts=3, max_upstream_attempts=5, random=0.5) for n in range(3)]
    assert [type(decision) for decision in tried] == [Retry, Retry, GiveUp]


def test_the_text_of_an_unexpected_error_is_not_told() -> None:
    decision = decide(ValueError("secret"), attempt=2, max_attempts=3, max_upstream_attempts=5, random=0.5)
    assert isinstance(decision, GiveUp)
    assert "secret" not in decision.reason
