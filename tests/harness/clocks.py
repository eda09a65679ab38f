"""A manual clock for localcloud's Cloud Scheduler."""

import asyncio
from collections.abc import Callable
from datetime import datetime

START = datetime.fromisoformat("2026-03-02T10:00:30Z").timestamp()


class ManualClock:
    """A clock whose time only changes with `move_to`."""

    def __init__(self) -> None:
        self.time = START
        self.timers: list[_Timer] = []

    def now(self) -> float:
        return self.time

    def call_at(self, due: float, callback: Callable[[], None]) -> "_Timer":
        timer = _Timer(self, due, callback)
        self.timers.append(timer)
        if due <= self.time:
            asyncio.get_running_loop().call_soon(timer.fire)
        return timer

    def move_to(self, text: str) -> None:
        """Set the time and call all callbacks that are due."""
        self.time = datetime.fromisoformat(text).timestamp()
        for timer in [timer for timer in self.timers if timer.due <= self.time]:
            timer.fire()


class _Timer:
    def __init__(self, clock: ManualClock, due: float, callback: Callable[[], None]) -> None:
        self.clock, self.due, self.callback = clock, due, callback

    def cancel(self) -> None:
        if self in self.clock.timers:
            self.clock.timers.remove(self)

    def fire(self) -> None:
        if self in self.clock.timers:
            self.clock.timers.remove(self)
            self.callback()
