"""The clock that Cloud Scheduler runs by. Tests replace it with one that they set."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

# Timers stop while a laptop sleeps; the time of day does not. So a timer for a time that is hours away wakes up after
# at most this long to check the time.
LONGEST_SLEEP_S = 60.0


class Timer(Protocol):
    """A pending callback."""

    def cancel(self) -> None:
        """Cancel the callback."""
        ...


class Clock(Protocol):
    """A clock with timers. Times are seconds since 1970."""

    def now(self) -> float:
        """Return the time."""
        ...

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        """Call back once at a time. If it has passed, call in the next iteration of the event loop."""
        ...


class SystemClock:
    """The machine's clock and the running event loop."""

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        """Call back once at a time, on the running event loop."""
        return _SystemTimer(due, callback)


class _SystemTimer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self._due = due
        self._callback = callback
        self._handle = self._sleep()

    def cancel(self) -> None:
        self._handle.cancel()

    def _sleep(self) -> asyncio.TimerHandle:
        delay_s = min(max(self._due - time.time(), 0.0), LONGEST_SLEEP_S)
        return asyncio.get_running_loop().call_later(delay_s, self._check)

    def _check(self) -> None:
        if time.time() >= self._due:
            self._callback()
        else:
            self._handle = self._sleep()
