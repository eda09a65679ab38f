"""The AI SDK's UI message stream, v1: parts of an answer flow in, events as they go over the wire flow out. Pure.

`answer` composes parts, `log` stores them as events, and `fold` makes of all parts of an answer the message that a
client has in the end. The shapes are those of `uiMessageChunkSchema` and `UIMessage` in the npm package `ai` (5 to 7);
up to 6 its schema takes no other fields than these.
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
"""What the last event holds instead of a part."""

TEXT_ID = "t1"
"""An answer has one text part."""


class _Part(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    pass


class Start(_Part, frozen=True, tag="start"):
    """An answer begins, in the message of this id."""

    message_id: str


class ModelName(msgspec.Struct, frozen=True):
    """Which model answers; `configured` is false for the built-in one that only quotes."""

    name: str
    configured: bool


class ModelPart(_Part, frozen=True, tag="data-model"):
    """Which model answers."""

    data: ModelName


class Citation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a passage stands: `text` is the document's `text[start:end]`, in Unicode code points."""

    document_id: str
    start: int
    end: int
    heading_path: list[str]
    url: str | None
    text: str


class SourceMetadata(msgspec.Struct, frozen=True):
    """The AI SDK's place for what a provider adds."""

    headwater: Citation


class SourcePart(_Part, frozen=True, tag="source-document", kw_only=True):
    """A passage; `[n]` in the text cites the one whose `source_id` is "n"."""

    source_id: str
    media_type: str
    title: str
    filename: str
    provider_metadata: SourceMetadata


class TextStart(_Part, frozen=True, tag="text-start"):
    """The text begins."""

    id: str = TEXT_ID


class TextDelta(_Part, frozen=True, tag="text-delta", kw_only=True):
    """More of the text."""

    id: str = TEXT_ID
    delta: str


class TextEnd(_Part, frozen=True, tag="text-end"):
    """The text is over."""

    id: str = TEXT_ID


class Finish(_Part, frozen=True, tag="finish"):
    """The answer is complete."""


class ErrorPart(_Part, frozen=True, tag="error"):
    """The answer has failed; the text says what to do."""

    error_text: str


class Abort(_Part, frozen=True, tag="abort"):
    """The answer was stopped."""


class TextPart(_Part, frozen=True, tag="text"):
    """The text of a stored message."""

    text: str
    state: Literal["streaming", "done"] = "done"


Part = Start | ModelPart | SourcePart | TextStart | TextDelta | TextEnd | Finish | ErrorPart | Abort
StoredPart = TextPart | SourcePart | ModelPart
"""What the parts of a `UIMessage` are, as far as we make them."""


class Event(NamedTuple):
    """One event of an answer: its number in the log, from 1, or 0 outside of it, and a part as JSON, or `DONE`."""

    seq: int
    data: str


def encode(part: Part) -> str:
    """Encode a part as an event's data."""
    return msgspec.json.encode(part).decode()


def sse(events: Iterable[Event]) -> bytes:
    r"""Write events as server-sent ones: `sse([Event(1, "{}")]) == b"id: 1\ndata: {}\n\n"`; 0 is no id."""
    lines = (f"id: {event.seq}\ndata: {event.data}" if event.seq else f"data: {event.data}" for event in events)
    return "".join(f"{line}\n\n" for line in lines).encode()


def fold(data: Iterable[str]) -> list[StoredPart]:
    """Fold the data of an answer's events into the parts of its message, as the AI SDK's own reader would."""
    parts: list[StoredPart] = []
    text: list[str] = []
    for part in map(_decode, data):
        match part:
            case ModelPart() | SourcePart():
                parts.append(part)
            case TextDelta():
                text.append(part.delta)
    return [*parts, TextPart(text="".join(text))] if text else parts


def closing(data: Iterable[str], last: Part) -> list[str]:
    """Compose the events that end an answer properly after the ones given: an open text is closed first."""
    kinds = [type(_decode(one)) for one in data]
    is_open = kinds.count(TextStart) > kinds.count(TextEnd)
    return [*([encode(TextEnd())] if is_open else []), encode(last), DONE]


def gone(after: int) -> list[Event]:
    """Compose the end of an answer that isn't there any more, for a client that has its first `after` events."""
    return [Event(after + 1, encode(Abort())), Event(after + 2, DONE)]


def broken_off(last: ErrorPart) -> list[Event]:
    """Compose the end of a stream that can't go on, while its answer may; who comes back misses nothing of that."""
    return [Event(0, encode(last)), Event(0, DONE)]


def advise(error: Exception, request_id: str) -> ErrorPart:
    """Say what to do about an error, in words that are safe to show."""
    detail = str(problem(error)["detail"])
    return ErrorPart(detail if isinstance(error, HeadwaterError) else f"{detail} ({request_id})")


def _decode(data: str) -> Any:
    return None if data == DONE else _DECODER.decode(data)


_DECODER = msgspec.json.Decoder(Part)
