"""Turn the parts of an answer into the events of OpenAI's responses API, and into the whole response. Pure.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from functions.chat.answers.collect import CollectedAnswer
from functions.chat.doors.openai_responses import (
    FunctionCallItem,
    IncompleteDetails,
    MessageItem,
    OutputItem,
    OutputText,
    ReasoningItem,
    ResponseError,
    ResponseObject,
    ResponseRequest,
    SummaryText,
    usage_of,
)
from functions.chat.streams.tool_parts import ToolInput
from functions.chat.streams.ui_message_stream import Part, ReasoningDelta, TextDelta
from headwater.usage.record import Tokens

_INCOMPLETE = {"length": IncompleteDetails("max_output_tokens"), "content-filter": IncompleteDetails("content_filter")}


class ResponseEvents:
    """Encodes an answer as events. `response` is the response so far."""

    def __init__(self, request: ResponseRequest) -> None:
        self.response = ResponseObject(
            id=f"resp_{uuid.uuid4().hex}",
            created_at=int(time.time()),
            model=request.model,
            output=[],
            instructions=request.instructions,
            tools=request.tools or [],
            tool_choice=request.tool_choice or "auto",
        )
        self._number = -1
        self._open: MessageItem | ReasoningItem | None = None
        self._texts: list[str] = []

    def start(self) -> bytes:
        """Return the first events."""
        return self._event("response.created", response=self.response) + self._event(
            "response.in_progress", response=self.response
        )

    def encode(self, parts: Sequence[Part]) -> Iterator[bytes]:
        """Yield the events of an answer's next parts."""
        for part in parts:
            match part:
                case TextDelta():
                    if not isinstance(self._open, MessageItem):
                        yield from self._begin(MessageItem(_new_id("msg"), []))
                    yield self._text("response.output_text.delta", delta=part.delta, logprobs=[])
                    self._texts.append(part.delta)
                case ReasoningDelta():
                    if not isinstance(self._open, ReasoningItem):
                        yield from self._begin(ReasoningItem(_new_id("rs"), []))
                    yield self._text("response.reasoning_summary_text.delta", delta=part.delta)
                    self._texts.append(part.delta)
                case ToolInput():
                    yield from self._call(part)

    def end(self, answer: CollectedAnswer, used: Tokens) -> bytes:
        """Return the last events, and complete the response."""
        details = _INCOMPLETE.get(answer.reason)
        events = b"".join(self._end_item("incomplete" if answer.notice else "completed"))
        self.response.status = "incomplete" if answer.notice else "completed"
        self.response.incomplete_details = details
        self.response.usage = usage_of(used)
        self.response.citations, self.response.notice = answer.citations, answer.notice
        return events + self._event(f"response.{self.response.status}", response=self.response)

    def fail(self, message: str, request_id: str) -> bytes:
        """Return the event of an answer that failed."""
        self.response.status = "failed"
        self.response.error = ResponseError(f"{message} (request {request_id})")
        return self._event("response.failed", response=self.response)

    def _begin(self, item: MessageItem | ReasoningItem) -> Iterator[bytes]:
        """Yield the events that begin an item and its only part."""
        yield from self._end_item("completed")
        self._open, self._texts = item, []
        self.response.output.append(item)
        yield self._item("response.output_item.added", item)
        if isinstance(item, MessageItem):
            yield self._text("response.content_part.added", part=OutputText())
        else:
            yield self._text("response.reasoning_summary_part.added", part=SummaryText())

    def _end_item(self, status: Any) -> Iterator[bytes]:
        """Yield the events that end the open item."""
        item, text = self._open, "".join(self._texts)
        if item is None:
            return
        item.status = status
        if isinstance(item, MessageItem):
            item.content.append(OutputText(text))
            yield self._text("response.output_text.done", text=text, logprobs=[])
            yield self._text("response.content_part.done", part=item.content[0])
        else:
            item.summary.append(SummaryText(text))
            yield self._text("response.reasoning_summary_text.done", text=text)
            yield self._text("response.reasoning_summary_part.done", part=item.summary[0])
        yield self._item("response.output_item.done", item)
        self._open = None

    def _call(self, part: ToolInput) -> Iterator[bytes]:
        """Yield the events of a call of a tool."""
        yield from self._end_item("completed")
        item = FunctionCallItem(_new_id("fc"), part.tool_call_id, part.tool_name, "")
        self.response.output.append(item)
        place = {"item_id": item.id, "output_index": len(self.response.output) - 1}
        yield self._item("response.output_item.added", item)
        item.arguments, item.status = part.input, "completed"
        yield self._event("response.function_call_arguments.delta", **place, delta=item.arguments)
        done = {**place, "name": item.name, "arguments": item.arguments}
        yield self._event("response.function_call_arguments.done", **done)
        yield self._item("response.output_item.done", item)

    def _item(self, name: str, item: OutputItem) -> bytes:
        return self._event(name, output_index=len(self.response.output) - 1, item=item)

    def _text(self, name: str, /, **fields: Any) -> bytes:
        """Encode an event of the open item's part."""
        assert self._open
        index = "content_index" if isinstance(self._open, MessageItem) else "summary_index"
        place = {"item_id": self._open.id, "output_index": len(self.response.output) - 1, index: 0}
        return self._event(name, **place, **fields)

    def _event(self, name: str, /, **fields: Any) -> bytes:
        self._number += 1
        body = msgspec.json.encode({"type": name, "sequence_number": self._number, **fields})
        return b"event: " + name.encode() + b"\ndata: " + body + b"\n\n"


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
