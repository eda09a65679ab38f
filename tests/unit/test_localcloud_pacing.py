"""The token bucket and the hold of a queue; the tests bring the time."""

from localcloud.tasks.pacing import MAX_HOLD_S, Hold, TokenBucket
from localcloud.tasks.resources import QueueConfig, RetryConfig

RETRY = RetryConfig(min_backoff_s=1, max_backoff_s=300, max_doublings=16)


def config(per_second: float) -> QueueConfig:
    return QueueConfig(per_second, max_concurrent_dispatches=10, retry=RETRY, log_sampling_ratio=0)


def test_the_burst_size_follows_the_rate_as_on_real_queues() -> None:
    assert [config(rate).max_burst_size for rate in (1, 500)] == [10, 100]


def test_a_full_bucket_gives_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(config(2), now=0)
    assert bucket.available(0) == 10
    bucket.take(10, 0)
    assert (bucket.available(0), bucket.wait_s(0)) == (0, 0.5)
    assert (bucket.available(0.25), bucket.wait_s(0.25)) == (0, 0.25)
    assert (bucket.available(1), bucket.wait_s(1)) == (2, 0)


def test_a_bucket_never_holds_more_than_a_burst() -> None:
    assert TokenBucket(config(500), now=0).available(1000) == 100


def test_a_clock_set_back_takes_no_tokens_away() -> None:
    bucket = TokenBucket(config(1), now=1000)
    bucket.take(10, 1000)
    assert bucket.wait_s(0) == 1
    assert bucket.available(1) == 1


def overload(hold: Hold, *, dispatched_at: float, now: float, retry_after_s: float = 0) -> float:
    hold.overloaded(dispatched_at=dispatched_at, now=now, retry_after_s=retry_after_s, retry=RETRY)
    return hold.wait_s(now)


def test_holds_in_a_row_grow_up_to_a_limit() -> None:
    hold, now, waits = Hold(), 0.0, []
    for _ in range(9):
        waits.append(overload(hold, dispatched_at=now, now=now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(waits) == MAX_HOLD_S


def test_many_attempts_that_fail_together_count_as_one() -> None:
    hold = Hold()
    assert [overload(hold, dispatched_at=0, now=0.5) for _ in range(5)] == [1, 1, 1, 1, 1]


def test_retry_after_is_waited_at_least() -> None:
    assert overload(Hold(), dispatched_at=0, now=0, retry_after_s=30) == 30


def test_an_answer_after_the_hold_makes_the_next_one_short_again() -> None:
    hold = Hold()
    overload(hold, dispatched_at=0, now=0)
    overload(hold, dispatched_at=1, now=1)
    hold.answered(dispatched_at=0.5)  # it began before the hold and says nothing about the time since
    assert overload(hold, dispatched_at=3, now=3) == 4
    hold.answered(dispatched_at=7)
    assert overload(hold, dispatched_at=8, now=8) == 1
