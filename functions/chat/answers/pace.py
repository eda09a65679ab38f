"""How often the text of an answer is read and sent, which depends on how many answers an instance is writing.

A group of tokens costs about the same whatever its size: to read, commit and send it. Few answers are sent as they
come. With a hundred, a group of each has a tenth of a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager

GROUPS_PER_S = 1000
"""Groups of all answers of an instance in a second, which take most of a processor's time."""

_running: set[object] = set()


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
    return len(_running) / GROUPS_PER_S
