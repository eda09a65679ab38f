"""Following: the number of the last event that a client has flows in, all that come after it flow out.

Works on any instance, wherever the answer is written: the log is asked again and again, and an answer whose writer has
died is ended. When this process is over the stream ends, and the client may come back to another. Called by the route
that clients come back to.
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
    advise,
    broken_off,
    gone,
    sse,
)
from headwater import logs
from headwater.database.transactions import Database
from headwater.web.shutdown import Lifetime

POLL_S = 0.2

OVER = ErrorPart("The server had to end this connection. Open the conversation again to see how the answer goes on.")


def follow(
    database: Database,
    answer: message_log.Answer,
    *,
    after: int,
    request_id: str,
    lifetime: Lifetime,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> Iterator[bytes]:
    """Yield an answer's events with numbers over `after` as server-sent ones, until the last."""
    spoke = time.monotonic()
    try:
        while True:
            if events := _read(database, answer, after):
                yield sse(events)
                after, spoke = events[-1].seq, time.monotonic()
                if events[-1].data == DONE:
                    return
            elif time.monotonic() - spoke >= keep_alive_s:
                yield KEEP_ALIVE
                spoke = time.monotonic()
            if lifetime.is_over():
                yield sse(broken_off(OVER))
                return
            time.sleep(POLL_S)
    except Exception as error:  # noqa: BLE001 - the boundary: a stream ends properly, whatever happens in it
        logs.event("follow.failed", severity=40, error=error, answer_id=answer.id)
        yield sse(broken_off(advise(error, request_id)))


def _read(database: Database, answer: message_log.Answer, after: int) -> list[Event]:
    with database.transaction(answer.workspace_id) as tx:
        events = message_log.read(tx, answer, after)
        if events or message_log.find_running(tx, answer.workspace_id, answer.conversation_id) == answer:
            return events
        # It has ended just now, or its events are gone: the conversation was deleted, or asked something else.
        return message_log.read(tx, answer, after) or gone(after)
