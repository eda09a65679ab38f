"""Count the tokens and requests that hosted models charge for, so that their caller can record them.

with metered() as meter:
    embedder.embed_documents(…)
meter.tokens
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Meter:
    """The requests answered so far, and their tokens. Safe to share between threads."""

    def __init__(self) -> None:
        self.calls = 0
        self.tokens = 0
        self._lock = threading.Lock()

    def add(self, tokens: int) -> None:
        """Count a request."""
        with self._lock:
            self.calls += 1
            self.tokens += tokens


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count the requests of this block."""
    meter = Meter()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


def count_request(tokens: int) -> None:
    """Add an answered request to the enclosing `metered`, if there is one."""
    if meter := _meter.get():
        meter.add(tokens)
