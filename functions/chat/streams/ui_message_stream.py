"""The AI SDK's UI message stream, v1: the parts of an answer and their encoding as server-sent events. Pure.

The shapes are those of `uiMessageChunkSchema` and `UIMessage`
in the npm package `ai` (5 to 7); up to version 6 its schema rejects other fields.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from functions.chat.streams.part_base import PartBase
from functions.chat.streams.tool_parts import (
    ApprovalRequest,
    ApprovalResponse,
    BuildPart,
    FilesPart,
    LogPart,
    OutputDenied,
    ToolError,
    ToolInput,
    ToolOutput,
    ToolPart,
)
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
"""An answer has one text part, that of an agent one for each turn of the model."""

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "other"]
"""Ends of an answer that did not fail: complete, cut at the model's limit, by its filter, or for another reason.

`tool-calls`: the model calls tools of the caller and waits for their results."""


class Start(PartBase, frozen=True, tag="start"):
    """Start of an answer, in the message with this id."""

    message_id: str


class ModelName(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The model that answers; `configured` is false for the built-in extractive model.

    `insteadOf`: the models that come before it and failed, or have failed a short time ago. `agent`: it calls tools as
    an agent. `agentName` is that of an installed agent.
    """

    name: str
    configured: bool
    instead_of: tuple[str, ...] = ()
    agent: bool = False
    agent_name: str = ""


class ModelPart(PartBase, frozen=True, tag="data-model"):
    """The model that answers. A later one replaces it: another model took over before the first token."""

    data: ModelName
    id: str = "model"


class Title(msgspec.Struct, frozen=True):
    """A title."""

    title: str


class TitlePart(PartBase, frozen=True, tag="data-title"):
    """The new title of the conversation. Not part of the stored message."""

    data: Title
    transient: bool = True


class ThinkingPart(PartBase, frozen=True, tag="data-thinking"):
    """The model is silent before its first token, as reasoning models are. Not part of the stored message."""

    data: ModelName
    transient: bool = True


class Citation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The place of a passage: `text` is the document's `text[start:end]`, in Unicode code points.

    `page` is the number of the page on which it begins, null for formats without pages. `conversationFile`: it is of
    a file of the conversation, whose id is `documentId`.
    """

    document_id: str
    start: int
    end: int
    heading_path: list[str]
    url: str | None
    text: str
    page: int | None = None
    conversation_file: Literal[True] | UnsetType = UNSET


class SourceMetadata(msgspec.Struct, frozen=True):
    """The AI SDK's field for provider-specific data."""

    headwater: Citation


class SourcePart(PartBase, frozen=True, tag="source-document", kw_only=True):
    """A passage; `[n]` in the text cites the one whose `sourceId` is "n"."""

    source_id: str
    media_type: str
    title: str
    filename: str
    provider_metadata: SourceMetadata


class FailedPage(msgspec.Struct, frozen=True):
    """A page that could not be read, and why."""

    url: str
    problem: str


class Stage(msgspec.Struct, frozen=True):
    """What is done for an answer from the web.

    `searching` has the `query`, and the number of results in `total`. `reading` has how many of the `total` pages are
    `done`, and which failed. `answering` has the number of passages that the model is given. `tokens`, an estimate, are
    those of the text that was read, or is given to the model. `problem`: why there are no results.
    """

    name: Literal["searching", "reading", "answering"]
    query: str = ""
    done: int = 0
    total: int = 0
    tokens: int = 0
    failed: list[FailedPage] = []
    problem: str = ""


class StagePart(PartBase, frozen=True, tag="data-stage"):
    """A stage. A later part with the same id takes its place."""

    id: str
    data: Stage


class WebCitation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The place of a passage of a web page: `text` is `[start:end]` of the page's main text, in code points."""

    start: int
    end: int
    heading_path: list[str]
    text: str


class WebMetadata(msgspec.Struct, frozen=True):
    """The AI SDK's field for provider-specific data."""

    headwater: WebCitation


class WebSourcePart(PartBase, frozen=True, tag="source-url", kw_only=True):
    """A passage of a web page; `[n]` in the text cites the one whose `sourceId` is "n"."""

    source_id: str
    url: str
    title: str
    provider_metadata: WebMetadata


class CustomPart(PartBase, frozen=True, tag="data-custom", kw_only=True):
    """What an installed agent shows: any JSON. A later part with the same id takes its place."""

    id: str
    data: Any


class Declined(msgspec.Struct, frozen=True):
    """What was searched for, and where."""

    query: str
    mode: Literal["documents", "web", "both"]


class DeclinedPart(PartBase, frozen=True, tag="data-declined"):
    """No passage is relevant: the text says that nothing was found."""

    data: Declined
    id: str = "declined"


WeakReason = Literal["meaning", "numbers", "negation"]


class WeakCitation(msgspec.Struct, frozen=True):
    """A sentence whose passages may not support it: `[start, end)` of the answer's text, in code points.

    `sources` are the ids of the passages that it cites. `reason`: they have neither its words nor its `meaning`, or
    don't have a number that it states (`numbers`), or only say the opposite in its words (`negation`).
    """

    start: int
    end: int
    sources: list[str]
    reason: WeakReason


class Grounding(msgspec.Struct, frozen=True):
    """The weak citations of an answer, in their order."""

    weak: list[WeakCitation]


class GroundingPart(PartBase, frozen=True, tag="data-grounding"):
    """Marks weak citations, after the text. An answer without one has none, or a model that only quotes."""

    data: Grounding
    id: str = "grounding"


class TextStart(PartBase, frozen=True, tag="text-start"):
    """Start of the text."""

    id: str = TEXT_ID


class TextDelta(PartBase, frozen=True, tag="text-delta", kw_only=True):
    """The next piece of the text."""

    id: str = TEXT_ID
    delta: str


class TextEnd(PartBase, frozen=True, tag="text-end"):
    """End of the text."""

    id: str = TEXT_ID


class ReasoningStart(PartBase, frozen=True, tag="reasoning-start", kw_only=True):
    """Start of some of the model's thoughts."""

    id: str


class ReasoningDelta(PartBase, frozen=True, tag="reasoning-delta", kw_only=True):
    """The next piece of thoughts."""

    id: str
    delta: str


class ReasoningEnd(PartBase, frozen=True, tag="reasoning-end", kw_only=True):
    """End of thoughts."""

    id: str


class CutMetadata(msgspec.Struct, frozen=True):
    """The metadata of an answer that the model cut, as `MessageMetadata` has them."""

    notice: str
    state: Literal["cut"] = "cut"


class FinishPart(PartBase, frozen=True, tag="finish", omit_defaults=True):
    """The answer is complete, or the model cut it."""

    finish_reason: FinishReason
    message_metadata: CutMetadata | None = None


class ErrorPart(PartBase, frozen=True, tag="error"):
    """The answer failed. The text says what to do."""

    error_text: str


class Abort(PartBase, frozen=True, tag="abort"):
    """The answer was stopped."""


class ReasoningPart(PartBase, frozen=True, tag="reasoning", kw_only=True):
    """Thoughts in a stored message."""

    id: str
    text: str
    state: Literal["streaming", "done"] = "done"


class TextPart(PartBase, frozen=True, tag="text"):
    """The text of a stored message."""

    text: str
    state: Literal["streaming", "done"] = "done"


Part = (
    Start
    | ModelPart
    | ThinkingPart
    | TitlePart
    | SourcePart
    | WebSourcePart
    | StagePart
    | GroundingPart
    | DeclinedPart
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | TextStart
    | TextDelta
    | TextEnd
    | ToolInput
    | ToolOutput
    | ToolError
    | ApprovalRequest
    | ApprovalResponse
    | OutputDenied
    | FilesPart
    | BuildPart
    | CustomPart
    | LogPart
    | FinishPart
    | ErrorPart
    | Abort
)
StoredPart = (
    TextPart
    | ReasoningPart
    | SourcePart
    | WebSourcePart
    | StagePart
    | ModelPart
    | ToolPart
    | FilesPart
    | BuildPart
    | CustomPart
    | GroundingPart
    | DeclinedPart
)
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


def abort_events(after: int) -> list[Event]:
    """Return the end of a deleted answer, for a client that has its first `after` events."""
    return [Event(after + 1, encode(Abort())), Event(after + 2, DONE)]


def failure_events(last: ErrorPart) -> list[Event]:
    """Return the end of a stream whose answer may continue. Not logged, so a client that reconnects misses nothing."""
    return [Event(0, encode(last)), Event(0, DONE)]


def waiting_events() -> list[Event]:
    """Return the end of a stream whose answer waits for the person. Not logged: a response continues the answer."""
    return [Event(0, encode(FinishPart("tool-calls"))), Event(0, DONE)]


def error_part(error: Exception, request_id: str) -> ErrorPart:
    """Return an error's message as a part. Messages of unexpected errors are replaced, with the request id added."""
    detail = str(problem(error)["detail"])
    return ErrorPart(detail if isinstance(error, HeadwaterError) else f"{detail} ({request_id})")
