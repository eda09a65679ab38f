"""Writing: the parts of an answer flow in, server-sent events flow out, each committed before it is sent.

The generator made here is the answer's one writer. After its first byte no handler can help, so it catches whatever
happens, and the answer always ends properly. Called by the chat route with what `answer` composes.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import (
    KEEP_ALIVE,
    KEEP_ALIVE_S,
    Event,
    Finish,
    Part,
    advise,
    broken_off,
    gone,
    sse,
)
from headwater import errors, logs
from headwater.database.transactions import Database
from headwater.web.shutdown import Lifetime


class Writer:
    """Writes one answer; `keep_alive_s` is how often it gives a sign of life."""

    def __init__(
        self,
        database: Database,
        answer: message_log.Answer,
        *,
        request_id: str,
        lifetime: Lifetime,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self.database = database
        self.answer = answer
        self.request_id = request_id
        self.lifetime = lifetime
        self.keep_alive_s = keep_alive_s
        self._sent = 0  # the number of the last event that the client has

    def write(self, groups: Generator[list[Part], None, None]) -> Iterator[bytes]:
        """Store and yield groups of parts, then the answer's end: complete, or failed if `groups` raises.

        Somebody else may end the answer first: then their end is passed on. When this is closed, because the client
        has gone, or the process is over, the answer ends as interrupted.
        """
        started = time.monotonic()
        ending: message_log.Ending = "interrupted"
        last: Part = message_log.INTERRUPTED
        try:
            with closing(groups):
                is_whole = yield from self._send(groups)
            if is_whole:
                ending, last = "complete", Finish()
        except message_log.Ended:
            ending = "stopped"
        except Exception as error:  # noqa: BLE001 - the boundary: a stream ends properly, whatever happens in it
            ending, last = "failed", advise(error, self.request_id)
            self._log("answer.failed", error=error, severity=30 if isinstance(error, errors.HeadwaterError) else 40)
        finally:
            # Also when the client has gone, and nothing can be yielded any more.
            events = self._end(ending, last)
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            self._log("answer", ending=ending, events=events[-1].seq or self._sent, duration_ms=duration_ms)
        yield sse(events)

    def _send(self, groups: Iterable[list[Part]]) -> Generator[bytes, None, bool]:
        """Store each group, then yield it; a comment when there has been nothing for long.

        Returns whether that was all of them, and not the process over first; raises Ended.
        """
        spoke = time.monotonic()
        for parts in groups:
            if self.lifetime.is_over():
                return False
            with self.database.transaction(self.answer.workspace_id) as tx:
                events = message_log.append(tx, self.answer, parts)
            if events:
                self._sent = events[-1].seq
                yield sse(events)
            elif time.monotonic() - spoke >= self.keep_alive_s:
                yield KEEP_ALIVE
            else:
                continue
            spoke = time.monotonic()
        return True

    def _end(self, ending: message_log.Ending, last: Part) -> list[Event]:
        """End the answer, or find how it was ended already; returns the events that the client doesn't have yet."""
        try:
            with self.database.transaction(self.answer.workspace_id) as tx:
                try:
                    return message_log.end(tx, self.answer, ending, last)
                except message_log.Ended:
                    return message_log.read(tx, self.answer, self._sent) or gone(self._sent)
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            # Nothing can be stored. The client is told all the same, and a reader will find that the lease has run out.
            self._log("answer.not_ended", error=error, severity=40)
            return broken_off(advise(error, self.request_id))

    def _log(self, action: str, *, severity: int = 20, error: Exception | None = None, **fields: Any) -> None:
        logs.event(action, severity=severity, error=error, answer_id=self.answer.id, **fields)
