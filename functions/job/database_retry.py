"""Retry database calls during an outage, so that a job worker survives a restart of Postgres."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from headwater import logs
from headwater.errors import DatabaseUnavailable
from headwater.queue.retry_policy import backoff_s

MAX_OUTAGE_S = 300.0
"""Longer than a failover or an upgrade takes."""

_MAX_WAIT_S = 5.0

T = TypeVar("T")


class DatabaseRetry:
    """Retries calls while the database is unavailable, for up to `max_outage_s` after its last answer.

    A database that has never answered is not retried: its URL is probably wrong.
    """

    def __init__(
        self,
        max_outage_s: float = MAX_OUTAGE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_outage_s = max_outage_s
        self._clock = clock
        self._sleep = sleep
        self._answered_at: float | None = None
        self._failures = 0
        self.ended_at = 0.0
        """End of the last outage, by the clock."""

    def call(self, function: Callable[[], T]) -> T:
        """Call a function until the database answers. Raises DatabaseUnavailable if the outage is too long."""
        while True:
            try:
                result = function()
            except DatabaseUnavailable as error:
                self._wait(error)
            else:
                self._answered_at = self._clock()
                if self._failures:
                    self._failures, self.ended_at = 0, self._answered_at
                return result

    def _wait(self, error: DatabaseUnavailable) -> None:
        if self._answered_at is None or self._clock() - self._answered_at > self._max_outage_s:
            raise error
        wait_s = min(backoff_s(self._failures, random.random()), _MAX_WAIT_S)  # noqa: S311
        self._failures += 1
        logs.event("database.away", severity=30, error=error, failures=self._failures)
        self._sleep(wait_s)
