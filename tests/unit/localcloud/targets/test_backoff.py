"""Backoff and retry limits of Cloud Tasks, with the example of its documentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.targets.backoff import backoff, retries_exhausted


def test_intervals_equal_the_documented_example() -> None:
    intervals = [backoff(n, min_backoff_s=10, max_backoff_s=300, max_doublings=3) for n in range(1, 9)]
    assert intervals == [10, 20, 40, 80, 160, 240, 300, 300]


def test_intervals_grow_linearly_without_doublings() -> None:
    assert [backoff(n, min_backoff_s=2, max_backoff_s=7, max_doublings=0) for n in range(1, 6)] == [2, 4, 6, 7, 7]


@given(st.integers(1, 100_000), st.floats(0.001, 1000), st.floats(1000, 1e6), st.integers(0, 2**31 - 1))
def test_intervals_never_shrink_and_stay_within_the_bounds(retry: int, low: float, high: float, doublings: int) -> None:
    interval, next_interval = (
        backoff(n, min_backoff_s=low, max_backoff_s=high, max_doublings=doublings) for n in (retry, retry + 1)
    )
    assert low <= interval <= next_interval <= high


@pytest.mark.parametrize(
    ("attempts", "elapsed_s", "max_attempts", "max_retry_duration_s", "exhausted"),
    [
        (2, 0, 3, 0, False),
        (3, 0, 3, 0, True),
        (3, 3599, 3, 3600, False),  # both limits must be reached: three attempts and one hour
        (9, 3600, 3, 3600, True),
        (2, 9999, 3, 3600, False),
        (9, 3599, -1, 3600, False),
        (9, 3600, -1, 3600, True),
        (10**6, 10**9, -1, 0, False),
    ],
)
def test_retries_are_exhausted_when_every_limit_is_reached(
    *, attempts: int, elapsed_s: float, max_attempts: int, max_retry_duration_s: int, exhausted: bool
) -> None:
    assert (
        retries_exhausted(attempts, elapsed_s, max_attempts=max_attempts, max_retry_duration_s=max_retry_duration_s)
        is exhausted
    )
