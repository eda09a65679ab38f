"""Build the message of an answer from its events, and the events that end it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from functions.chat.streams.tool_parts import (
    ApprovalRequest,
    ApprovalResponse,
    BuildPart,
    FilesPart,
    OutputDenied,
    ToolApproval,
    ToolError,
    ToolInput,
    ToolOutput,
    ToolPart,
)
from functions.chat.streams.ui_message_stream import (
    DONE,
    CustomPart,
    DeclinedPart,
    GroundingPart,
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
    for part in map(decode, data):
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
            case (
                ModelPart() | StagePart() | FilesPart() | BuildPart() | CustomPart() | GroundingPart() | DeclinedPart()
            ):
                self._parts[type(part).__name__, part.id] = part
            case SourcePart() | WebSourcePart():
                self._parts["source", str(len(self._parts))] = part
            case TextStart() | ReasoningStart():
                key = ("text" if isinstance(part, TextStart) else "reasoning", part.id)
                self._parts[key], self._texts[key] = None, []
            case TextDelta() | ReasoningDelta():
                self._texts["text" if isinstance(part, TextDelta) else "reasoning", part.id].append(part.delta)
            case _:
                self._add_to_call(part)

    def parts(self) -> list[StoredPart]:
        """Return the parts."""
        for (kind, id_), pieces in self._texts.items():
            text = "".join(pieces)
            self._parts[kind, id_] = TextPart(text) if kind == "text" else ReasoningPart(id=id_, text=text)
        return [part for part in self._parts.values() if part is not None]

    def _add_to_call(self, part: Any) -> None:
        """Begin or change a call of a tool."""
        match part:
            case ToolInput() if ("tool", part.tool_call_id) in self._parts:
                self._change_call(part.tool_call_id, input=part.input)
            case ToolInput():
                call = ToolPart(
                    tool_call_id=part.tool_call_id,
                    tool_name=part.tool_name,
                    input=part.input,
                    call_provider_metadata=part.provider_metadata,
                )
                self._parts["tool", part.tool_call_id] = call
            case ApprovalRequest():
                approval = ToolApproval(part.approval_id)
                self._change_call(part.tool_call_id, state="approval-requested", approval=approval)
            case ApprovalResponse():
                approval = ToolApproval(part.approval_id, part.approved, part.reason)
                self._change_call(part.approval_id, state="approval-responded", approval=approval)
            case OutputDenied():
                self._change_call(part.tool_call_id, state="output-denied")
            case ToolOutput():
                self._change_call(part.tool_call_id, state="output-available", output=part.output)
            case ToolError():
                self._change_call(part.tool_call_id, state="output-error", error_text=part.error_text)

    def _change_call(self, call_id: str, **changes: Any) -> None:
        """Change the part of a call. The id of an approval is that of its call."""
        call = self._parts["tool", call_id]
        assert isinstance(call, ToolPart)
        self._parts["tool", call_id] = msgspec.structs.replace(call, **changes)


def closing_events(data: Iterable[str], last: Part) -> list[str]:
    """Return the events that end an answer after the given ones. Closes open text and thoughts first."""
    return [*map(encode, _missing_ends(map(decode, data)).values()), encode(last), DONE]


def without_unfinished(data: Sequence[str]) -> list[str]:
    """Return events without the text that has no end, and without the thoughts just before it."""
    parts = [decode(each) for each in data]
    keys = [_text_key(part) for part in parts]
    unfinished = _missing_ends(parts)
    if not unfinished:
        return list(data)
    begin = min(keys.index(key) for key in unfinished)
    while begin and (key := keys[begin - 1]) and key[0] == "reasoning":
        begin -= 1
    return [*data[:begin], *(each for each, key in zip(data[begin:], keys[begin:], strict=True) if not key)]


def _missing_ends(parts: Iterable[Any]) -> dict[tuple[str, str], Part]:
    """Return the parts that would end open texts and thoughts, by their keys."""
    missing: dict[tuple[str, str], Part] = {}
    for part in parts:
        match part:
            case TextStart():
                missing["text", part.id] = TextEnd(part.id)
            case ReasoningStart():
                missing["reasoning", part.id] = ReasoningEnd(id=part.id)
            case TextEnd():
                missing.pop(("text", part.id), None)
            case ReasoningEnd():
                missing.pop(("reasoning", part.id), None)
    return missing


def _text_key(part: Any) -> tuple[str, str] | None:
    """Return the kind and id of the text or thoughts that a part belongs to."""
    match part:
        case TextStart() | TextDelta() | TextEnd():
            return "text", part.id
        case ReasoningStart() | ReasoningDelta() | ReasoningEnd():
            return "reasoning", part.id
    return None


def decode(data: str) -> Any:
    return None if data == DONE else _DECODER.decode(data)


_DECODER = msgspec.json.Decoder(Part)
