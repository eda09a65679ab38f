"""Rate limit and throttling of a queue."""

from localcloud.tasks.pacing import MAX_THROTTLE_S, Throttle, TokenBucket
from localcloud.tasks.resources import QueueConfig, RetryConfig

RETRY = RetryConfig(min_backoff_s=1, max_backoff_s=300, max_doublings=16)


def config(per_second: float) -> QueueConfig:
    return QueueConfig(per_second, max_concurrent_dispatches=10, retry=RETRY, log_sampling_ratio=0)


def test_burst_size_equals_that_of_real_queues() -> None:
    assert [config(rate).max_burst_size for rate in (1, 500)] == [10, 100]


def test_full_bucket_allows_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(config(2), now=0)
    assert bucket.available(0) == 10
    bucket.take(10, 0)
    assert (bucket.available(0), bucket.wait_s(0)) == (0, 0.5)
    assert (bucket.available(0.25), bucket.wait_s(0.25)) == (0, 0.25)
    assert (bucket.available(1), bucket.wait_s(1)) == (2, 0)


def test_bucket_is_limited_to_the_burst_size() -> None:
    assert TokenBucket(config(500), now=0).available(1000) == 100


def test_setting_the_clock_back_removes_no_tokens() -> None:
    bucket = TokenBucket(config(1), now=1000)
    bucket.take(10, 1000)
    assert bucket.wait_s(0) == 1
    assert bucket.available(1) == 1


def overload(throttle: Throttle, *, dispatched_at: float, now: float, retry_after_s: float = 0) -> float:
    throttle.overloaded(dispatched_at=dispatched_at, now=now, retry_after_s=retry_after_s, retry=RETRY)
    return throttle.wait_s(now)


def test_consecutive_throttling_grows_up_to_the_limit() -> None:
    throttle, now, waits = Throttle(), 0.0, []
    for _ in range(9):
        waits.append(overload(throttle, dispatched_at=now, now=now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(waits) == MAX_THROTTLE_S


def test_concurrent_failures_count_once() -> None:
    throttle = Throttle()
    assert [overload(throttle, dispatched_at=0, now=0.5) for _ in range(5)] == [1, 1, 1, 1, 1]


def test_throttling_lasts_at_least_retry_after() -> None:
    assert overload(Throttle(), dispatched_at=0, now=0, retry_after_s=30) == 30


def test_response_after_throttling_resets_the_interval() -> None:
    throttle = Throttle()
    overload(throttle, dispatched_at=0, now=0)
    overload(throttle, dispatched_at=1, now=1)
    throttle.answered(dispatched_at=0.5)  # started before throttling: ignored
    assert overload(throttle, dispatched_at=3, now=3) == 4
    throttle.answered(dispatched_at=7)
    assert overload(throttle, dispatched_at=8, now=8) == 1
