"""Cloud Tasks' back-off and its two limits, with the worked example of the documentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.targets.backoff import backoff, gives_up


def test_the_intervals_are_those_of_the_documentations_example() -> None:
    intervals = [backoff(n, min_backoff_s=10, max_backoff_s=300, max_doublings=3) for n in range(1, 9)]
    assert intervals == [10, 20, 40, 80, 160, 240, 300, 300]


def test_without_doublings_the_interval_grows_by_the_first() -> None:
    assert [backoff(n, min_backoff_s=2, max_backoff_s=7, max_doublings=0) for n in range(1, 6)] == [2, 4, 6, 7, 7]


@given(st.integers(1, 100_000), st.floats(0.001, 1000), st.floats(1000, 1e6), st.integers(0, 2**31 - 1))
def test_intervals_never_shrink_and_stay_between_the_bounds(
    retry: int, least: float, most: float, doublings: int
) -> None:
    here, next_one = (
        backoff(n, min_backoff_s=least, max_backoff_s=most, max_doublings=doublings) for n in (retry, retry + 1)
    )
    assert least <= here <= next_one <= most


@pytest.mark.parametrize(
    ("attempts", "elapsed_s", "max_attempts", "max_retry_duration_s", "over"),
    [
        (2, 0, 3, 0, False),
        (3, 0, 3, 0, True),
        (3, 3599, 3, 3600, False),  # both limits must be met: three attempts, and the hour
        (9, 3600, 3, 3600, True),
        (2, 9999, 3, 3600, False),
        (9, 3599, -1, 3600, False),
        (9, 3600, -1, 3600, True),
        (10**6, 10**9, -1, 0, False),
    ],
)
def test_a_task_is_given_up_when_every_limit_it_has_is_met(
    *, attempts: int, elapsed_s: float, max_attempts: int, max_retry_duration_s: float, over: bool
) -> None:
    assert gives_up(attempts, elapsed_s, max_attempts=max_attempts, max_retry_duration_s=max_retry_duration_s) is over
