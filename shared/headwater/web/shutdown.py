"""The end of a process: a signal flows in, how near the end is flows out.

Cloud Run sends SIGTERM and kills ten seconds later, services and job workers alike. From the signal on nothing new is
begun (`is_ending`); what is being done may finish for `FINISH_S`; then it is handed back in an orderly way (`is_over`):
an answer ends as interrupted, a step returns to the ledger. `gunicorn_config` and the job catch the signal; the worker
and the streams ask.
"""

import time
from collections.abc import Callable
from functools import cache

FINISH_S = 5.0
"""How long what is being done may go on."""

HAND_BACK_S = 3.0
"""How long handing back may take; with `FINISH_S` well under the ten seconds."""


class Lifetime:
    """How long a process has: `end` may be called by a signal handler, everything else from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._over_at: float | None = None

    def end(self, *_: object, finish_s: float = FINISH_S) -> None:
        """Begin the end; takes no lock, since a signal may come while the main thread holds any."""
        if self._over_at is None:
            self._over_at = self._clock() + finish_s

    def is_ending(self) -> bool:
        """Tell whether nothing new may be begun."""
        return self._over_at is not None

    def is_over(self) -> bool:
        """Tell whether what is still being done must be handed back."""
        return self._over_at is not None and self._clock() >= self._over_at


@cache
def get_lifetime() -> Lifetime:
    """Give the lifetime of this process."""
    return Lifetime()
