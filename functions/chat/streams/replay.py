"""Replay an answer's events to a client that reconnects, from any instance.

Polls the event log, and ends an answer whose writer has died. When this instance shuts down, the stream ends and the
client reconnects to another.
"""

import time
from collections.abc import Iterator

from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import (
    DONE,
    KEEP_ALIVE,
    KEEP_ALIVE_S,
    ErrorPart,
    Event,
    abort_events,
    error_part,
    failure_events,
    sse,
)
from headwater import logs
from headwater.database.transactions import Database
from headwater.web.shutdown import Lifetime

POLL_S = 0.2
"""Seconds between the polls of a replay, if there are few."""

MAX_POLLS_PER_S = 100
"""Polls of all replays of an instance together, a sixth of a core. With more than 20, each polls less often."""

SHUT_DOWN = ErrorPart("The server closed the connection. Open the conversation again to see the rest of the answer.")


class Replayer:
    """Replays answers to clients of this instance."""

    def __init__(self, database: Database, lifetime: Lifetime, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self.database = database
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
        while True:
            if events := _read(self.database, answer, after):
                yield sse(events)
                after, sent_at = events[-1].seq, time.monotonic()
                if events[-1].data == DONE:
                    return
            elif time.monotonic() - sent_at >= self.keep_alive_s:
                yield KEEP_ALIVE
                sent_at = time.monotonic()
            if self.lifetime.is_over():
                yield sse(failure_events(SHUT_DOWN))
                return
            time.sleep(self.poll_s)


def _read(database: Database, answer: message_log.AnswerKey, after: int) -> list[Event]:
    with database.transaction(answer.workspace_id) as tx:
        events = message_log.read(tx, answer, after)
        if events or message_log.find_running(tx, answer.workspace_id, answer.conversation_id) == answer:
            return events
        # The answer has just ended, or its events were deleted with the conversation or by a newer question.
        return message_log.read(tx, answer, after) or abort_events(after)
