"""The time of day, as something that can be handed in: the real one here, one that tests move in the tests."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

# A laptop may sleep, and the clock that timers run by sleeps with it; the time of day does not. A timer for a moment
# that is hours away therefore looks again after this long.
LONGEST_SLEEP_S = 60.0


class Timer(Protocol):
    """Something that will be called, unless it is cancelled."""

    def cancel(self) -> None:
        """Don't call."""
        ...


class Clock(Protocol):
    """Tells the time and waits for times; seconds since 1970."""

    def now(self) -> float:
        """Return the time."""
        ...

    def call_at(self, moment: float, callback: Callable[[], None]) -> Timer:
        """Call back once, at a moment or, when that is past, as soon as what happens now is through."""
        ...


class SystemClock:
    """The machine's clock and the running event loop."""

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def call_at(self, moment: float, callback: Callable[[], None]) -> Timer:
        """Call back once, on the event loop."""
        return _SystemTimer(moment, callback)


class _SystemTimer:
    def __init__(self, moment: float, callback: Callable[[], None]) -> None:
        self._moment = moment
        self._callback = callback
        self._handle = self._sleep()

    def cancel(self) -> None:
        self._handle.cancel()

    def _sleep(self) -> asyncio.TimerHandle:
        delay_s = min(max(self._moment - time.time(), 0.0), LONGEST_SLEEP_S)
        return asyncio.get_running_loop().call_later(delay_s, self._look)

    def _look(self) -> None:
        if time.time() >= self._moment:
            self._callback()
        else:
            self._handle = self._sleep()
