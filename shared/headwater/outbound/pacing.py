"""Pace requests to a host: each waits for its turn.

Turns are kept in this process, unless the caller has set where else they are kept (`headwater.queue.turns` shares them
through the database):

    with paced_by(reserve):
        client.get(url, delay_s=0.5)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

Reserve = Callable[[str, float], float]
"""Take the next turn at a host, whose following turn is `delay_s` later. Returns the seconds until the turn."""

MAX_WAIT_S = 120.0
"""A request waits no longer, however many are before it."""

_own_turns: dict[str, float] = {}
_lock = threading.Lock()
_reserve: ContextVar[Reserve | None] = ContextVar("reserve", default=None)


@contextmanager
def paced_by(reserve: Reserve | None) -> Iterator[None]:
    """Take the turns of requests in this block by `reserve`; None keeps them in this process."""
    token = _reserve.set(reserve)
    try:
        yield
    finally:
        _reserve.reset(token)


def wait_for_turn(url: str, delay_s: float) -> None:
    """Wait until a request to a URL's host may be sent. Without a delay, it may always."""
    if delay_s <= 0:
        return
    reserve = _reserve.get() or _reserve_here
    time.sleep(min(max(reserve(urlsplit(url).hostname or "", delay_s), 0.0), MAX_WAIT_S))


def _reserve_here(host: str, delay_s: float) -> float:
    with _lock:
        now = time.monotonic()
        for other in [other for other, at in _own_turns.items() if at < now]:
            del _own_turns[other]
        turn = max(_own_turns.get(host, now), now)
        _own_turns[host] = turn + delay_s
        return turn - now
