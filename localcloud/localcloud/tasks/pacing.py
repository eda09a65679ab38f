"""How fast a queue may dispatch: its token bucket, and the hold that overloaded targets put on it.

Pure: the dispatcher brings the time, asks before each dispatch and reports each answer. Times are seconds since 1970.
"""

from dataclasses import dataclass

from localcloud.targets.backoff import backoff
from localcloud.tasks.resources import QueueConfig, RetryConfig

# No hold is longer, so that a target that recovers is found again soon.
MAX_HOLD_S = 60.0


class TokenBucket:
    """RateLimits: `max_burst_size` tokens at most, refilled at `max_dispatches_per_second`; a dispatch takes one."""

    def __init__(self, config: QueueConfig, now: float) -> None:
        self._rate = config.max_dispatches_per_second
        self._size = float(config.max_burst_size)
        self._tokens = self._size
        self._at = now

    def available(self, now: float) -> int:
        """Return the number of dispatches that may begin now."""
        self._refill(now)
        return int(self._tokens)

    def take(self, count: int, now: float) -> None:
        """Spend the tokens of `count` dispatches."""
        self._refill(now)
        self._tokens -= count

    def wait_s(self, now: float) -> float:
        """Return the seconds until there is a token."""
        self._refill(now)
        return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self, now: float) -> None:
        elapsed_s = max(0.0, now - self._at)  # a clock set back must not take tokens away
        self._tokens = min(self._size, self._tokens + elapsed_s * self._rate)
        self._at = now


@dataclass(slots=True)
class Hold:
    """System throttling: 429 and 503 stop the whole queue for a while, longer each time in a row.

    The real service's numbers are not published; here the hold grows like the queue's own back-off, up to MAX_HOLD_S,
    and lasts at least for the target's Retry-After.
    """

    until: float = 0.0
    in_a_row: int = 0

    def overloaded(self, *, dispatched_at: float, now: float, retry_after_s: float, retry: RetryConfig) -> None:
        """Report a 429 or 503; an attempt from before the last hold's end counts only for its Retry-After."""
        if dispatched_at >= self.until:
            self.in_a_row += 1
            pause_s = backoff(
                self.in_a_row,
                min_backoff_s=retry.min_backoff_s,
                max_backoff_s=min(retry.max_backoff_s, MAX_HOLD_S),
                max_doublings=retry.max_doublings,
            )
            self.until = now + pause_s
        self.until = max(self.until, now + retry_after_s)

    def answered(self, *, dispatched_at: float) -> None:
        """Report any other answer: the next hold, if there is one, is short again."""
        if dispatched_at >= self.until:
            self.in_a_row = 0

    def wait_s(self, now: float) -> float:
        """Return the seconds until the queue may dispatch."""
        return max(0.0, self.until - now)
