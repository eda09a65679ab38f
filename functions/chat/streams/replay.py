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

SHUT_DOWN = ErrorPart("The server closed the connection. Open the conversation again to see the rest of the answer.")


def replay(
    database: Database,
    answer: message_log.AnswerKey,
    *,
    after: int,
    request_id: str,
    lifetime: Lifetime,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> Iterator[bytes]:
    """Yield an answer's events with numbers above `after` as server-sent events, until the last."""
    sent_at = time.monotonic()
    try:
        while True:
            if events := _read(database, answer, after):
                yield sse(events)
                after, sent_at = events[-1].seq, time.monotonic()
                if events[-1].data == DONE:
                    return
            elif time.monotonic() - sent_at >= keep_alive_s:
                yield KEEP_ALIVE
                sent_at = time.monotonic()
            if lifetime.is_over():
                yield sse(failure_events(SHUT_DOWN))
                return
            time.sleep(POLL_S)
    except Exception as error:  # noqa: BLE001 - the boundary: every stream must end properly
        logs.event("follow.failed", severity=40, error=error, answer_id=answer.id)
        yield sse(failure_events(error_part(error, request_id)))


def _read(database: Database, answer: message_log.AnswerKey, after: int) -> list[Event]:
    with database.transaction(answer.workspace_id) as tx:
        events = message_log.read(tx, answer, after)
        if events or message_log.find_running(tx, answer.workspace_id, answer.conversation_id) == answer:
            return events
        # The answer has just ended, or its events were deleted with the conversation or by a newer question.
        return message_log.read(tx, answer, after) or abort_events(after)
