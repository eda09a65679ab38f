"""Batch the streamed pieces of an answer into groups, read on a separate thread.

The thread lets the caller send keep-alives while the model is silent, and abandon a model that hangs.
"""

import contextvars
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import cast

from functions.chat.answers.pace import pace_s, reads_are_paced, running_answer
from functions.chat.answers.pieces import Piece, Thought
from headwater.errors import UpstreamError
from headwater.outbound.deadline import while_wanted, within


class _End:
    """Marks the end of the pieces in the queue; `error` is what ended them, if anything."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Reading:
    """What the two threads share. `is_closed`: nothing more is wanted. `is_paced`: the pieces have the pace already."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Piece | _End] = SimpleQueue()
        self.is_closed = False
        self.is_paced = False


def batch_tokens(
    pieces: Iterable[Piece], *, timeout_s: float, silence_s: float = 1.0, group_s: float = 0.05, group_chars: int = 400
) -> Generator[list[Piece], None, None]:
    """Yield the pieces in groups, and an empty group whenever no piece has arrived for `silence_s`.

    The first group is empty: the thread has begun to read, whatever the caller does before it takes the next one. The
    first text is yielded at once. A later group is yielded `group_s` after the one before (later with many running
    answers, `pace`, unless they are read at its pace), or as soon as it has about `group_chars` characters. Adjacent
    pieces of text are joined, and so are adjacent thoughts. An error raised by `pieces` is raised here after the pieces
    before it. Raises UpstreamError if all of it takes longer than `timeout_s`, which is also the deadline of the
    provider's connection. After this generator is closed, the thread soon closes `pieces` and ends.
    """
    reading = _Reading()
    target = contextvars.copy_context().run
    threading.Thread(target=target, args=(_feed, pieces, reading, timeout_s), name="token-batches", daemon=True).start()
    deadline = time.monotonic() + timeout_s
    end: _End | None = None
    due = 0.0
    try:
        yield []
        while end is None:
            group, end = _take_group(reading.queue, silence_s, due, group_chars)
            if due or any(isinstance(piece, str) for piece in group):
                due = time.monotonic() + max(group_s, 0.0 if reading.is_paced else pace_s())
            if group or end is None:
                yield group
            if end is None and time.monotonic() > deadline:
                raise UpstreamError(f"The model took longer than {timeout_s:g} s (CHAT_TIMEOUT_S). Try again.")
        if end.error is not None:
            raise end.error
    finally:
        reading.is_closed = True


def _feed(pieces: Iterable[Piece], reading: _Reading, timeout_s: float) -> None:
    error: BaseException | None = None
    try:
        with within(timeout_s), while_wanted(lambda: not reading.is_closed), running_answer():
            for piece in pieces:
                if reading.is_closed:
                    return
                reading.is_paced = reads_are_paced()
                reading.queue.put(piece)
    except BaseException as caught:  # noqa: BLE001 - raised again in batch_tokens
        error = caught
    finally:
        if isinstance(pieces, Generator):
            pieces.close()  # on this thread, whose deadline it has applied
        reading.queue.put(_End(error))


def _take_group(
    queue: SimpleQueue[Piece | _End], silence_s: float, due: float, group_chars: int
) -> tuple[list[Piece], _End | None]:
    """Wait for a piece, then until the group is due, for the pieces after it."""
    pieces: list[Piece] = []
    chars, wait_s = 0, silence_s
    while chars < group_chars:
        try:
            piece = queue.get(timeout=wait_s) if wait_s > 0 else queue.get_nowait()
        except Empty:
            break
        if isinstance(piece, _End):
            return list(_join(pieces)), piece
        wait_s = due - time.monotonic()
        pieces.append(piece)
        chars += len(piece if isinstance(piece, str) else piece.text if isinstance(piece, Thought) else "")
    return list(_join(pieces)), None


def _join(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Join adjacent pieces of text, and adjacent thoughts."""
    for kind, adjacent in groupby(pieces, type):
        if kind is str:
            yield "".join(cast(Iterator[str], adjacent))
        elif kind is Thought:
            yield Thought("".join(thought.text for thought in cast(Iterator[Thought], adjacent)))
        else:
            yield from adjacent
