"""Send server-sent events to programs, with comments during silences."""

import time
from collections.abc import Iterable, Iterator

import flask

from functions.chat.streams.ui_message_stream import CONTENT_TYPE, KEEP_ALIVE, KEEP_ALIVE_S

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


def event_response(events: Iterable[bytes]) -> flask.Response:
    """Return the response that streams encoded events. An empty one means that there is nothing new yet."""
    return flask.Response(keep_alive(events), headers=_HEADERS, content_type=CONTENT_TYPE)


def keep_alive(events: Iterable[bytes], silence_s: float = KEEP_ALIVE_S) -> Iterator[bytes]:
    """Yield the events that are not empty; in place of an empty one a comment, if `silence_s` have passed."""
    sent_at = time.monotonic()
    for event in events:
        if event or time.monotonic() - sent_at >= silence_s:
            yield event or KEEP_ALIVE
            sent_at = time.monotonic()
