"""How often the text of an answer is read and sent. This depends on how many answers an instance is writing.

To read, commit and send a group of tokens costs about the same, whatever its size. With few answers, tokens are sent
when they arrive. With a hundred, each answer sends ten groups a second.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

UNPACED_ANSWERS = 10
"""Running answers up to which each piece is read and sent as it comes."""

GROUPS_PER_S = 1000
"""Groups of all answers of an instance in a second, which take most of a processor's time."""

_running: set[object] = set()
_reading = threading.local()
"""An answer is read on one thread. `is_paced`: by `paced_reads`."""


@contextmanager
def running_answer() -> Iterator[None]:
    """Count an answer as running."""
    this = object()
    _running.add(this)
    try:
        yield
    finally:
        _running.remove(this)


def pace_s() -> float:
    """Return the seconds between two groups of one answer, at least."""
    return len(_running) / GROUPS_PER_S if len(_running) > UNPACED_ANSWERS else 0.0


def paced_reads(reads: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is read from a provider, at least `pace_s` apart: what arrives meanwhile is one read."""
    _reading.is_paced = True
    for data in reads:
        next_read = time.monotonic() + pace_s()
        yield data
        if (wait_s := next_read - time.monotonic()) > 0:
            time.sleep(wait_s)


def reads_are_paced() -> bool:
    """Return True if this thread's answer is read at this pace, so that its pieces need not wait for others."""
    return getattr(_reading, "is_paced", False)
