"""Rate limits of a queue: a token bucket, and throttling after responses of overloaded targets. Pure.

Times are seconds since 1970, passed by the caller.
"""

from dataclasses import dataclass

from localcloud.targets.backoff import backoff
from localcloud.tasks.resources import QueueConfig, RetryConfig

# Bounds throttling, so that a recovered target is soon called again.
MAX_THROTTLE_S = 60.0


class TokenBucket:
    """RateLimits: at most `max_burst_size` tokens, refilled at `max_dispatches_per_second`. A dispatch takes one."""

    def __init__(self, config: QueueConfig, now: float) -> None:
        self._rate = config.max_dispatches_per_second
        self._size = float(config.max_burst_size)
        self._tokens = self._size
        self._at = now

    def available(self, now: float) -> int:
        """Return the number of tokens."""
        self._refill(now)
        return int(self._tokens)

    def take(self, count: int, now: float) -> None:
        """Take `count` tokens."""
        self._refill(now)
        self._tokens -= count

    def wait_s(self, now: float) -> float:
        """Return the seconds until a token is available."""
        self._refill(now)
        return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self, now: float) -> None:
        elapsed_s = max(0.0, now - self._at)  # a clock that is set back must not remove tokens
        self._tokens = min(self._size, self._tokens + elapsed_s * self._rate)
        self._at = now


@dataclass(slots=True)
class Throttle:
    """System throttling: 429 and 503 stop the whole queue, for longer each time in a row.

    The real intervals are not published. Here they follow the queue's own backoff, up to MAX_THROTTLE_S, and last at
    least as long as the target's Retry-After.
    """

    until: float = 0.0
    consecutive: int = 0

    def overloaded(self, *, dispatched_at: float, now: float, retry_after_s: float, retry: RetryConfig) -> None:
        """Record a 429 or 503. For an attempt from before the end of throttling, only its Retry-After counts."""
        if dispatched_at >= self.until:
            self.consecutive += 1
            pause_s = backoff(
                self.consecutive,
                min_backoff_s=retry.min_backoff_s,
                max_backoff_s=min(retry.max_backoff_s, MAX_THROTTLE_S),
                max_doublings=retry.max_doublings,
            )
            self.until = now + pause_s
        self.until = max(self.until, now + retry_after_s)

    def answered(self, *, dispatched_at: float) -> None:
        """Record any other response; it resets the interval."""
        if dispatched_at >= self.until:
            self.consecutive = 0

    def wait_s(self, now: float) -> float:
        """Return the seconds until throttling ends."""
        return max(0.0, self.until - now)
