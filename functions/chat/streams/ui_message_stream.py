"""The AI SDK's UI message stream, v1: the parts of an answer and their encoding as server-sent events. Pure.

`fold` builds the final message from an answer's parts. The shapes are those of `uiMessageChunkSchema` and `UIMessage`
in the npm package `ai` (5 to 7); up to version 6 its schema rejects other fields.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from headwater.errors import HeadwaterError, problem

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "X-Vercel-AI-UI-Message-Stream": "v1",
}
CONTENT_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_S = 10.0
DONE = "[DONE]"
"""The data of the last event."""

TEXT_ID = "t1"
"""An answer has one text part."""


class _Part(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    pass


class Start(_Part, frozen=True, tag="start"):
    """Start of an answer, in the message with this id."""

    message_id: str


class ModelName(msgspec.Struct, frozen=True):
    """The model that answers; `configured` is false for the built-in extractive model."""

    name: str
    configured: bool


class ModelPart(_Part, frozen=True, tag="data-model"):
    """The model that answers."""

    data: ModelName


class Citation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The place of a passage: `text` is the document's `text[start:end]`, in Unicode code points."""

    document_id: str
    start: int
    end: int
    heading_path: list[str]
    url: str | None
    text: str


class SourceMetadata(msgspec.Struct, frozen=True):
    """The AI SDK's field for provider-specific data."""

    headwater: Citation


class SourcePart(_Part, frozen=True, tag="source-document", kw_only=True):
    """A passage; `[n]` in the text cites the one whose `sourceId` is "n"."""

    source_id: str
    media_type: str
    title: str
    filename: str
    provider_metadata: SourceMetadata


class TextStart(_Part, frozen=True, tag="text-start"):
    """Start of the text."""

    id: str = TEXT_ID


class TextDelta(_Part, frozen=True, tag="text-delta", kw_only=True):
    """The next piece of the text."""

    id: str = TEXT_ID
    delta: str


class TextEnd(_Part, frozen=True, tag="text-end"):
    """End of the text."""

    id: str = TEXT_ID


class Finish(_Part, frozen=True, tag="finish"):
    """The answer is complete."""


class ErrorPart(_Part, frozen=True, tag="error"):
    """The answer failed. The text says what to do."""

    error_text: str


class Abort(_Part, frozen=True, tag="abort"):
    """The answer was stopped."""


class TextPart(_Part, frozen=True, tag="text"):
    """The text of a stored message."""

    text: str
    state: Literal["streaming", "done"] = "done"


Part = Start | ModelPart | SourcePart | TextStart | TextDelta | TextEnd | Finish | ErrorPart | Abort
StoredPart = TextPart | SourcePart | ModelPart
"""The parts of a stored `UIMessage`."""


class Event(NamedTuple):
    """One event: its number in the log from 1, or 0 if it is not logged, and a part as JSON, or `DONE`."""

    seq: int
    data: str


def encode(part: Part) -> str:
    """Encode a part as an event's data."""
    return msgspec.json.encode(part).decode()


def sse(events: Iterable[Event]) -> bytes:
    r"""Encode events as server-sent events: `sse([Event(1, "{}")]) == b"id: 1\ndata: {}\n\n"`. Number 0 has no id."""
    lines = (f"id: {event.seq}\ndata: {event.data}" if event.seq else f"data: {event.data}" for event in events)
    return "".join(f"{line}\n\n" for line in lines).encode()


def fold(data: Iterable[str]) -> list[StoredPart]:
    """Fold an answer's events into the parts of its message, as the AI SDK's reader does."""
    parts: list[StoredPart] = []
    text: list[str] = []
    for part in map(_decode, data):
        match part:
            case ModelPart() | SourcePart():
                parts.append(part)
            case TextDelta():
                text.append(part.delta)
    return [*parts, TextPart(text="".join(text))] if text else parts


def closing_events(data: Iterable[str], last: Part) -> list[str]:
    """Return the events that end an answer after the given ones. Closes an open text first."""
    kinds = [type(_decode(item)) for item in data]
    is_open = kinds.count(TextStart) > kinds.count(TextEnd)
    return [*([encode(TextEnd())] if is_open else []), encode(last), DONE]


def abort_events(after: int) -> list[Event]:
    """Return the end of a deleted answer, for a client that has its first `after` events."""
    return [Event(after + 1, encode(Abort())), Event(after + 2, DONE)]


def failure_events(last: ErrorPart) -> list[Event]:
    """Return the end of a stream whose answer may continue. Not logged, so a client that reconnects misses nothing."""
    return [Event(0, encode(last)), Event(0, DONE)]


def error_part(error: Exception, request_id: str) -> ErrorPart:
    """Return an error's message as a part. Messages of unexpected errors are replaced, with the request id added."""
    detail = str(problem(error)["detail"])
    return ErrorPart(detail if isinstance(error, HeadwaterError) else f"{detail} ({request_id})")


def _decode(data: str) -> Any:
    return None if data == DONE else _DECODER.decode(data)


_DECODER = msgspec.json.Decoder(Part)
