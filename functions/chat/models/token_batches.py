"""The pump: pieces of text flow in on a thread of their own, groups of them flow out as often as is worth an event.

Called by `answer`, so that it can give signs of life while a model is silent, and stop listening to one.
"""

import contextvars
import threading
import time
from collections.abc import Generator, Iterable
from queue import Empty, SimpleQueue

from headwater.errors import UpstreamError


class _Over:
    """The last thing in the queue: the pieces are over, by an error or not."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


_Queue = SimpleQueue[str | _Over]


def pump(
    pieces: Iterable[str], *, timeout_s: float, silence_s: float = 1.0, group_s: float = 0.05, group_chars: int = 400
) -> Generator[str, None, None]:
    """Yield the pieces in groups, and '' whenever none has come for `silence_s`.

    A group is what comes within `group_s` of its first piece, but not much more than `group_chars`. An error of
    `pieces` is raised here, after what came before it; UpstreamError when it all takes longer than `timeout_s`. When
    this generator is closed, the thread ends at its next piece.
    """
    queue: _Queue = SimpleQueue()
    closed = threading.Event()
    target = contextvars.copy_context().run
    threading.Thread(target=target, args=(_feed, pieces, queue, closed), name="pump", daemon=True).start()
    until = time.monotonic() + timeout_s
    over: _Over | None = None
    try:
        while over is None:
            group, over = _take_group(queue, silence_s, group_s, group_chars)
            if group or over is None:
                yield group
            if over is None and time.monotonic() > until:
                raise UpstreamError(f"The model took longer than CHAT_TIMEOUT_S, {timeout_s:g} s. Ask again.")
        if over.error is not None:
            raise over.error
    finally:
        closed.set()


def _feed(pieces: Iterable[str], queue: _Queue, closed: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for piece in pieces:
            if closed.is_set():
                return
            queue.put(piece)
    except BaseException as caught:  # noqa: BLE001 - not handled here: it is raised again where the groups are read
        error = caught
    finally:
        queue.put(_Over(error))


def _take_group(queue: _Queue, silence_s: float, group_s: float, group_chars: int) -> tuple[str, _Over | None]:
    """Wait for a piece, then for those that come right after it."""
    group, wait_s, until = "", silence_s, 0.0
    while len(group) < group_chars:
        try:
            piece = queue.get(timeout=wait_s) if wait_s > 0 else queue.get_nowait()
        except Empty:
            break
        if isinstance(piece, _Over):
            return group, piece
        until = until or time.monotonic() + group_s
        wait_s = until - time.monotonic()
        group += piece
    return group, None
