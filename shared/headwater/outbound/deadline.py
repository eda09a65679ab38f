"""Time limits for whole exchanges with servers.

Clients' own time-outs are for each read: a server that sends a byte now and then is never timed out. A deadline limits
everything that the sockets of `headwater.outbound.sockets` do while it is applied, in the same context (thread):
looking the name up, connecting, TLS, sending, headers, interim answers and the body.

    with within(10.0):
        client.request(…)
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

E = TypeVar("E", bound=BaseException)
CHECK_EVERY_S = 0.5
"""Interval of the checks whether a result is still wanted."""


class DeadlineExceeded(TimeoutError):
    """The exchange took longer than `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The exchange took longer than {limit_s:g} s.")
        self.limit_s = limit_s


class NotWanted(ConnectionAbortedError):
    """The result is not wanted any more."""

    def __init__(self) -> None:
        super().__init__("The result is not wanted any more.")


class Deadline:
    """A time limit of `limit_s` from now on, for one exchange or several together."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._until = time.monotonic() + limit_s

    def restart(self, limit_s: float) -> None:
        """Limit what follows to `limit_s` from now on."""
        self.limit_s = limit_s
        self._until = time.monotonic() + limit_s

    def left_s(self) -> float:
        """Return the seconds left; raises DeadlineExceeded if there are none."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded(self.limit_s)
        return left_s

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Limit what sockets do in this block. Of nested deadlines, the soonest counts."""
        token = _applied.set((*_applied.get(), self))
        try:
            yield
        finally:
            _applied.reset(token)


_applied: ContextVar[tuple[Deadline, ...]] = ContextVar("deadlines", default=())
_is_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("is_wanted", default=None)


@contextmanager
def while_wanted(is_wanted: Callable[[], bool]) -> Iterator[None]:
    """End what sockets wait for in this block, by NotWanted, soon after `is_wanted()` becomes false."""
    token = _is_wanted.set(is_wanted)
    try:
        yield
    finally:
        _is_wanted.reset(token)


def within(limit_s: float) -> AbstractContextManager[None]:
    """Limit what sockets do in this block to `limit_s` seconds."""
    return Deadline(limit_s).apply()


def limited(timeout_s: float | None) -> float | None:
    """Return the time-out of the next wait: `timeout_s` (None: endless), or what the applied deadline leaves.

    Raises DeadlineExceeded if nothing is left.
    """
    limits = [deadline.left_s() for deadline in _applied.get()]
    return min(limits if timeout_s is None else [*limits, timeout_s], default=None)


def check_wanted() -> float:
    """Raise NotWanted if the result isn't wanted any more. Returns the seconds until the next check."""
    is_wanted = _is_wanted.get()
    if is_wanted is None:
        return math.inf
    if not is_wanted():
        raise NotWanted
    return CHECK_EVERY_S


def exceeded_limit_s(error: BaseException) -> float | None:
    """Return the limit of the deadline that ended an exchange; None if the error has another cause."""
    cause = _find_cause(error, DeadlineExceeded)
    return cause.limit_s if cause else None


def is_not_wanted(error: BaseException) -> bool:
    """Return True if an exchange was ended because its result is not wanted any more."""
    return _find_cause(error, NotWanted) is not None


def _find_cause(error: BaseException | None, kind: type[E]) -> E | None:
    """Find the error of a socket that a client's own error was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return error
        seen.add(id(error))
        reason = getattr(error, "reason", None)
        error = error.__cause__ or error.__context__ or (reason if isinstance(reason, BaseException) else None)
    return None
