"""Outages: a database that goes away flows in, patience flows out; a job worker outlives a restart of Postgres."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from headwater import logs
from headwater.errors import DatabaseUnavailable
from headwater.queue.retry_policy import backoff_s

MAX_OUTAGE_S = 300.0
"""Longer than a fail-over or an upgrade takes; after that, somebody has to look."""

_LONGEST_WAIT_S = 5.0

T = TypeVar("T")


class DatabaseRetry:
    """Try again while the database is away, for `max_outage_s` at most; one that was never there isn't waited for."""

    def __init__(
        self,
        max_outage_s: float = MAX_OUTAGE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_outage_s = max_outage_s
        self._clock = clock
        self._sleep = sleep
        self._seen_at: float | None = None
        self._failures = 0
        self.ended_at = 0.0
        """When the database came back the last time, by the clock."""

    def call(self, call: Callable[[], T]) -> T:
        """Call until the database answers; raises DatabaseUnavailable when it has been away for too long."""
        while True:
            try:
                answer = call()
            except DatabaseUnavailable as error:
                self._wait(error)
            else:
                self._seen_at = self._clock()
                if self._failures:
                    self._failures, self.ended_at = 0, self._seen_at
                return answer

    def _wait(self, error: DatabaseUnavailable) -> None:
        if self._seen_at is None or self._clock() - self._seen_at > self._max_outage_s:
            raise error
        wait_s = min(backoff_s(self._failures, random.random()), _LONGEST_WAIT_S)  # noqa: S311
        self._failures += 1
        logs.event("database.away", severity=30, error=error, failures=self._failures)
        self._sleep(wait_s)
