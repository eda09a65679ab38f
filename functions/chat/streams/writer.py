"""Write an answer: commit its events to the log, then send them to the client.

An answer has one writer: the generator made here, or a step of the queue `chat`, which takes over if the generator's
client disconnects or its process dies. Once the generator has sent a byte, no error handler can change the response, so
it catches every error and ends the answer properly.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal

from sqlalchemy.engine import Connection

from functions.chat.streams import message_log
from functions.chat.streams.answer_queue import WATCH_AFTER_S, AnswerQueue
from functions.chat.streams.group_commit import GroupCommit
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
from headwater.web.shutdown import Lifetime


class AnswerCut(Exception):
    """The model stopped before the answer was complete. `notice` says why, and what to do."""

    def __init__(self, reason: FinishReason, notice: str) -> None:
        super().__init__(notice)
        self.reason: FinishReason = reason
        self.notice = notice


class Writer:
    """Writes one answer, with a keep-alive after `keep_alive_s` seconds of silence.

    `queue` writes the answer again if the client disconnects.
    """

    def __init__(
        self,
        commits: GroupCommit,
        answer: message_log.AnswerKey,
        *,
        request_id: str,
        lifetime: Lifetime,
        keep_alive_s: float = KEEP_ALIVE_S,
        queue: AnswerQueue | None = None,
    ) -> None:
        self.commits = commits
        self.database = commits.database
        self.queue = queue or AnswerQueue(None)
        self.answer = answer
        self.request_id = request_id
        self.lifetime = lifetime
        self.keep_alive_s = keep_alive_s
        self._sent = 0  # number of the last event sent to the client

    def write(self, groups: Generator[list[Part], None, None], stored: Sequence[Event] = ()) -> Iterator[bytes]:
        """Store and yield groups of parts, then the end: complete, cut if `groups` raises AnswerCut, else failed.

        `stored` are the answer's first events, which the client gets before.
        If another request ends the answer first, its end is yielded. The answer ends as interrupted if the instance
        shuts down. If the client disconnects, which closes this generator, the answer is written again by a step of the
        queue, or ends as interrupted without a queue.
        """
        started = time.monotonic()
        ending: message_log.Ending | Literal["queued"] = "interrupted"
        last: Part = message_log.INTERRUPTED
        try:
            with closing(groups):
                if stored:
                    self._sent = stored[-1].seq
                    yield sse(stored)
                is_complete = yield from self._send(groups)
            if is_complete:
                ending, last = "complete", FinishPart("stop")
        except message_log.AnswerEnded:
            ending = "stopped"
        except AnswerCut as cut:
            ending, last = "cut", FinishPart(cut.reason, CutMetadata(cut.notice))
        except GeneratorExit:
            ending = "queued"
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
            ending, last = "failed", error_part(error, self.request_id)
            self._log("answer.failed", error=error, severity=30 if isinstance(error, errors.HeadwaterError) else 40)
        finally:
            # Runs too when the client has disconnected and nothing can be yielded.
            if ending == "queued" and not self._hand_over():
                ending = "interrupted"
            events = [] if ending == "queued" else self._end(ending, last)
            self._log_end(ending, events, started)
        yield sse(events)

    def write_unread(self, groups: Generator[list[Part], None, None]) -> None:
        """Store groups of parts and the end, as `write` does, for no client.

        Raises UpstreamError, for another attempt, and LeaseLost if the instance shuts down.
        """
        started = time.monotonic()
        try:
            ending, last = self._store(groups)
            with self.database.transaction(self.answer.workspace_id) as tx:
                events = message_log.end(tx, self.answer, ending, last)
        except message_log.AnswerEnded:
            ending, events = "stopped", []
        self._log_end(ending, events, started)

    def _store(self, groups: Generator[list[Part], None, None]) -> tuple[message_log.Ending, Part]:
        """Store each group. Returns the end."""
        sending = self._send(groups)
        try:
            with closing(groups):
                while True:
                    next(sending)
        except StopIteration as end:
            if not end.value:
                raise errors.LeaseLost("The instance shuts down. Another one writes the answer.") from end
            return "complete", FinishPart("stop")
        except AnswerCut as cut:
            return "cut", FinishPart(cut.reason, CutMetadata(cut.notice))
        except errors.PermanentError as error:
            return "failed", error_part(error, self.request_id)

    def _send(self, groups: Iterable[list[Part]]) -> Generator[bytes, None, bool]:
        """Store and yield each group; yield a keep-alive comment during long silences.

        Returns True after the last group, False if the instance shuts down first. Raises AnswerEnded.
        """
        started = sent_at = time.monotonic()
        for parts in groups:
            if self.lifetime.is_over():
                return False
            events = self.commits.append(self.answer, parts, self._sent)
            if time.monotonic() - started >= WATCH_AFTER_S:
                self.queue.watch()
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
                    return self._read_end(tx)
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            # Nothing can be stored. The client gets the error, and a later reader finds the lease expired.
            self._log("answer.not_ended", error=error, severity=40)
            return failure_events(error_part(error, self.request_id))

    def _read_end(self, tx: Connection) -> list[Event]:
        """Return the end that another request wrote. If another writer has taken over, the client is to reconnect."""
        answer = self.answer
        running = message_log.find_running(tx, answer.workspace_id, answer.conversation_id)
        events = message_log.read(tx, answer, self._sent)
        if (running and running.id == answer.id) or message_log.is_restarted(self._sent, events):
            return failure_events(message_log.SHUT_DOWN)
        return events or abort_events(self._sent)

    def _hand_over(self) -> bool:
        """Have the queue go on with the answer. A failure is logged; the watchdog repairs it."""
        try:
            with self.database.transaction(self.answer.workspace_id) as tx:
                return self.queue.hand_over(tx, self.answer)
        except Exception as error:  # noqa: BLE001 - the boundary, as above
            self._log("answer.not_queued", error=error, severity=30)
            return True

    def _log_end(self, ending: str, events: list[Event], started: float) -> None:
        duration_ms = round((time.monotonic() - started) * 1000, 1)
        self._log("answer", ending=ending, events=events[-1].seq if events else self._sent, duration_ms=duration_ms)

    def _log(self, action: str, *, severity: int = 20, error: Exception | None = None, **fields: Any) -> None:
        logs.event(action, severity=severity, error=error, answer_id=self.answer.id, **fields)
