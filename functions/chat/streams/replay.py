"""Replay an answer's events to a client that reconnects, from any instance.

Polls the event log, and looks at once when an answer ends on this instance. An answer whose writer dies while a client
reads ends as interrupted; one whose writer had died before is written again, and the client follows that. When this
instance shuts down, the stream ends and the client reconnects to another.
"""

import time
from collections.abc import Iterator

from functions.chat.streams import message_log
from functions.chat.streams.answer_queue import AnswerQueue
from functions.chat.streams.end_signal import wait_for_end
from functions.chat.streams.ui_message_stream import (
    DONE,
    KEEP_ALIVE,
    KEEP_ALIVE_S,
    Event,
    abort_events,
    error_part,
    failure_events,
    sse,
    waiting_events,
)
from headwater import logs
from headwater.database.transactions import Database
from headwater.web.shutdown import Lifetime

POLL_S = 0.2
"""Seconds between the polls of a replay, if there are few."""

MAX_POLLS_PER_S = 100
"""Polls of all replays of an instance together, a sixth of a core. With more than 20, each polls less often."""


class Replayer:
    """Replays answers to clients of this instance."""

    def __init__(
        self,
        database: Database,
        lifetime: Lifetime,
        keep_alive_s: float = KEEP_ALIVE_S,
        queue: AnswerQueue | None = None,
    ) -> None:
        self.database = database
        self.queue = queue or AnswerQueue(None)
        self.lifetime = lifetime
        self.keep_alive_s = keep_alive_s
        self._running: set[object] = set()

    @property
    def poll_s(self) -> float:
        """Seconds until a replay polls again."""
        return max(POLL_S, len(self._running) / MAX_POLLS_PER_S)

    def replay(self, answer: message_log.AnswerKey, *, after: int, request_id: str) -> Iterator[bytes]:
        """Yield an answer's events with numbers above `after` as server-sent events, until the last."""
        this = object()
        self._running.add(this)
        try:
            yield from self._follow(answer, after)
        except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
            logs.event("follow.failed", severity=40, error=error, answer_id=answer.id)
            yield sse(failure_events(error_part(error, request_id)))
        finally:
            self._running.remove(this)

    def _follow(self, answer: message_log.AnswerKey, after: int) -> Iterator[bytes]:
        sent_at = time.monotonic()
        is_first, has_sent = True, False
        while True:
            events = self._read(answer, after, is_first=is_first)
            if has_sent and message_log.is_restarted(after, events):
                # A reader such as `useChat` would append the new text to what it has.
                yield sse(failure_events(message_log.SHUT_DOWN))
                return
            is_first = False
            if events:
                has_sent = True
                yield sse(events)
                after, sent_at = events[-1].seq, time.monotonic()
                if events[-1].data == DONE:
                    return
            elif time.monotonic() - sent_at >= self.keep_alive_s:
                yield KEEP_ALIVE
                sent_at = time.monotonic()
            if self.lifetime.is_over():
                yield sse(failure_events(message_log.SHUT_DOWN))
                return
            wait_for_end(answer.id, self.poll_s)

    def _read(self, answer: message_log.AnswerKey, after: int, *, is_first: bool) -> list[Event]:
        rewrite = self.queue.rewrite if is_first else None
        with self.database.transaction(answer.workspace_id) as tx:
            running = None
            if is_first or not (events := message_log.read(tx, answer, after)):
                running = message_log.find_running(tx, answer.workspace_id, answer.conversation_id, rewrite)
                events = message_log.read(tx, answer, after)
            if events or (running is not None and running.id == answer.id):
                return events if events or running is None or not running.is_waiting else waiting_events()
            # The events were deleted with the conversation or by a newer question.
            return abort_events(after)
