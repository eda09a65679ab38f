"""Build the message of an answer from its events, and the events that end it. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from functions.chat.streams.tool_parts import ToolError, ToolInput, ToolOutput, ToolPart
from functions.chat.streams.ui_message_stream import (
    DONE,
    ModelPart,
    Part,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningPart,
    ReasoningStart,
    SourcePart,
    StagePart,
    StoredPart,
    TextDelta,
    TextEnd,
    TextPart,
    TextStart,
    WebSourcePart,
    encode,
)


def fold(data: Iterable[str]) -> list[StoredPart]:
    """Fold an answer's events into the parts of its message, as the AI SDK's reader does."""
    message = _Message()
    for part in map(_decode, data):
        message.add(part)
    return message.parts()


class _Message:
    """The parts of a message, in the order in which they began, by their kind and id."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], StoredPart | None] = {}
        self._texts: dict[tuple[str, str], list[str]] = {}

    def add(self, part: Any) -> None:
        """Add the next part of the stream. Parts that no message has are ignored."""
        match part:
            case ModelPart() | StagePart():
                self._parts[type(part).__name__, part.id] = part
            case SourcePart() | WebSourcePart():
                self._parts["source", str(len(self._parts))] = part
            case TextStart() | ReasoningStart():
                key = ("text" if isinstance(part, TextStart) else "reasoning", part.id)
                self._parts[key], self._texts[key] = None, []
            case TextDelta() | ReasoningDelta():
                self._texts["text" if isinstance(part, TextDelta) else "reasoning", part.id].append(part.delta)
            case ToolInput():
                call = ToolPart(tool_call_id=part.tool_call_id, tool_name=part.tool_name, input=part.input)
                self._parts["tool", part.tool_call_id] = call
            case ToolOutput() | ToolError():
                self._end_call(part)

    def parts(self) -> list[StoredPart]:
        """Return the parts."""
        for (kind, id_), pieces in self._texts.items():
            text = "".join(pieces)
            self._parts[kind, id_] = TextPart(text) if kind == "text" else ReasoningPart(id=id_, text=text)
        return [part for part in self._parts.values() if part is not None]

    def _end_call(self, part: ToolOutput | ToolError) -> None:
        call = self._parts["tool", part.tool_call_id]
        assert isinstance(call, ToolPart)
        if isinstance(part, ToolOutput):
            call = msgspec.structs.replace(call, state="output-available", output=part.output)
        else:
            call = msgspec.structs.replace(call, state="output-error", error_text=part.error_text)
        self._parts["tool", part.tool_call_id] = call


def closing_events(data: Iterable[str], last: Part) -> list[str]:
    """Return the events that end an answer after the given ones. Closes open text and thoughts first."""
    still_open: dict[str, Part] = {}
    for part in map(_decode, data):
        match part:
            case TextStart():
                still_open[part.id] = TextEnd(part.id)
            case ReasoningStart():
                still_open[part.id] = ReasoningEnd(id=part.id)
            case TextEnd() | ReasoningEnd():
                still_open.pop(part.id, None)
    return [*map(encode, still_open.values()), encode(last), DONE]


def _decode(data: str) -> Any:
    return None if data == DONE else _DECODER.decode(data)


_DECODER = msgspec.json.Decoder(Part)
