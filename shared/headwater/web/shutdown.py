"""Graceful shutdown of a process after SIGTERM.

Cloud Run sends SIGTERM to services and job workers, and kills them ten seconds later. After the signal no new work
starts (`is_ending`). Running work may finish for `FINISH_S`; then it is handed back (`is_over`): answers end as
interrupted, steps return to the ledger. `gunicorn_config` and the job handle the signal; the worker and the streams
poll.
"""

import time
from collections.abc import Callable
from functools import cache

FINISH_S = 5.0
"""Seconds for running work to finish."""

HAND_BACK_S = 3.0
"""Seconds for handing back unfinished work; with `FINISH_S` well below ten."""


class Lifetime:
    """The state of a process's shutdown. Signal handlers may call `end`; any thread may call the other methods."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._over_at: float | None = None

    def end(self, *_: object, finish_s: float = FINISH_S) -> None:
        """Begin the shutdown. Takes no lock: a signal handler may interrupt a thread that holds it."""
        if self._over_at is None:
            self._over_at = self._clock() + finish_s

    def is_ending(self) -> bool:
        """Return True if no new work may start."""
        return self._over_at is not None

    def is_over(self) -> bool:
        """Return True if running work must be handed back."""
        return self._over_at is not None and self._clock() >= self._over_at


@cache
def get_lifetime() -> Lifetime:
    """Return this process's lifetime."""
    return Lifetime()
