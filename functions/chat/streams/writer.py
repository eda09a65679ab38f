"""Write an answer: commit its events to the log, then send them to the client.

An answer has one writer, the generator made here. Once it has sent a byte, no error handler can change the response, so
it catches every error and ends the answer properly.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import (
    KEEP_ALIVE,
    KEEP_ALIVE_S,
    CutMetadata,
    Event,
    FinishPart,
    FinishReason,
    Part,
    abort_events,
    error_part,
    failure_events,
    sse,
)
from headwater import errors, logs
from headwater.database.transactions import Database
from headwater.web.shutdown import Lifetime


class AnswerCut(Exception):
    """The model stopped before the answer was complete. `notice` says why, and what to do."""

    def __init__(self, reason: FinishReason, notice: str) -> None:
        super().__init__(notice)
        self.reason: FinishReason = reason
        self.notice = notice


class Writer:
    """Writes one answer, with a keep-alive after `keep_alive_s` seconds of silence."""

    def __init__(
        self,
        database: Database,
        answer: message_log.AnswerKey,
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
        self._sent = 0  # number of the last event sent to the client

    def write(self, groups: Generator[list[Part], None, None]) -> Iterator[bytes]:
        """Store and yield groups of parts, then the end: complete, cut if `groups` raises AnswerCut, else failed.

        If another request ends the answer first, its end is yielded. The answer ends as interrupted if the client
        disconnects (which closes this generator) or the instance shuts down.
        """
        started = time.monotonic()
        ending: message_log.Ending = "interrupted"
        last: Part = message_log.INTERRUPTED
        try:
            with closing(groups):
                is_complete = yield from self._send(groups)
            if is_complete:
                ending, last = "complete", FinishPart("stop")
        except message_log.AnswerEnded:
            ending = "stopped"
        except AnswerCut as cut:
            ending, last = "cut", FinishPart(cut.reason, CutMetadata(cut.notice))
        except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
            ending, last = "failed", error_part(error, self.request_id)
            self._log("answer.failed", error=error, severity=30 if isinstance(error, errors.HeadwaterError) else 40)
        finally:
            # Runs too when the client has disconnected and nothing can be yielded.
            events = self._end(ending, last)
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            self._log("answer", ending=ending, events=events[-1].seq or self._sent, duration_ms=duration_ms)
        yield sse(events)

    def _send(self, groups: Iterable[list[Part]]) -> Generator[bytes, None, bool]:
        """Store and yield each group; yield a keep-alive comment during long silences.

        Returns True after the last group, False if the instance shuts down first. Raises AnswerEnded.
        """
        sent_at = time.monotonic()
        for parts in groups:
            if self.lifetime.is_over():
                return False
            with self.database.transaction(self.answer.workspace_id) as tx:
                events = message_log.append(tx, self.answer, parts)
            if events:
                self._sent = events[-1].seq
                yield sse(events)
            elif time.monotonic() - sent_at >= self.keep_alive_s:
                yield KEEP_ALIVE
            else:
                continue
            sent_at = time.monotonic()
        return True

    def _end(self, ending: message_log.Ending, last: Part) -> list[Event]:
        """End the answer, or read how another request ended it. Returns the events that the client does not have."""
        try:
            with self.database.transaction(self.answer.workspace_id) as tx:
                try:
                    return message_log.end(tx, self.answer, ending, last)
                except message_log.AnswerEnded:
                    return message_log.read(tx, self.answer, self._sent) or abort_events(self._sent)
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            # Nothing can be stored. The client gets the error, and a later reader finds the lease expired.
            self._log("answer.not_ended", error=error, severity=40)
            return failure_events(error_part(error, self.request_id))

    def _log(self, action: str, *, severity: int = 20, error: Exception | None = None, **fields: Any) -> None:
        logs.event(action, severity=severity, error=error, answer_id=self.answer.id, **fields)
