"""Chat completions in the shape of OpenAI's API. Pure: requests to questions, parts of an answer to responses.

https://platform.openai.com/docs/api-reference/chat
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from functions.chat.answers.collect import CitedPassage, CollectedAnswer
from functions.chat.answers.pieces import ToolCall
from functions.chat.answers.prompt import Turn
from functions.chat.doors.openai_input import (
    MAX_TOOLS,
    Asked,
    Content,
    FunctionName,
    ToolChoice,
    function_tool,
    read_call,
    read_question,
    read_text,
)
from functions.chat.streams.tool_parts import ToolInput
from functions.chat.streams.ui_message_stream import FinishReason, Part, ReasoningDelta, TextDelta
from headwater.usage.record import Tokens

DEFAULT_MODEL = "headwater"
"""The name that stands for the installation's model."""

DONE = b"data: [DONE]\n\n"


class CalledFunction(msgspec.Struct, frozen=True):
    """The function that a model calls; `arguments` is JSON."""

    name: FunctionName
    arguments: str


class FunctionCall(msgspec.Struct, frozen=True):
    """A call of one of the caller's tools."""

    id: str
    function: CalledFunction
    type: str = "function"


class ChatMessage(msgspec.Struct, frozen=True):
    """One message. Those of the roles `system` and `developer` are instructions; `tool` has the result of a call."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    tool_calls: list[FunctionCall] | None = None
    tool_call_id: str = ""


class Function(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: FunctionName
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(msgspec.Struct, frozen=True):
    """A tool of the caller, which runs it."""

    type: Literal["function"]
    function: Function


class StreamOptions(msgspec.Struct, frozen=True):
    """Options of a stream."""

    include_usage: bool = False


class CompletionRequest(msgspec.Struct, frozen=True):
    """A question with the messages before it. Other fields of OpenAI's API are ignored.

    `filter` says which documents the answer is from, as in a search.
    """

    messages: list[ChatMessage]
    model: str = DEFAULT_MODEL
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: Annotated[list[FunctionTool], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: str | ToolChoice | None = None
    filter: str = ""


class AnswerMessage(msgspec.Struct, frozen=True):
    """The answer. Citations `[n]` refer to `citations` of the response. `tool_calls`: calls of the caller's tools."""

    content: str | None
    role: str = "assistant"
    refusal: str | None = None
    tool_calls: list[FunctionCall] | None = None


class Choice(msgspec.Struct, frozen=True):
    """There is always one. `finish_reason` is `stop`, `length`, `content_filter` or `tool_calls`."""

    message: AnswerMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class PromptDetails(msgspec.Struct, frozen=True):
    """Of the tokens of a prompt."""

    cached_tokens: int


class CompletionDetails(msgspec.Struct, frozen=True):
    """Of the tokens of an answer."""

    reasoning_tokens: int


class CompletionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that the model used: an estimate if its provider doesn't count them, 0 if no model was asked."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, with the passages that it cites. `notice` says why it is incomplete, null for a complete one."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    citations: list[CitedPassage]
    notice: str | None
    usage: CompletionUsage
    object: str = "chat.completion"


def read_request(request: CompletionRequest) -> Asked:
    """Return the question of a request. Raises UnprocessableContent if there is none, or a field is invalid."""
    turns, instructions = [], []
    for message in request.messages:
        text = read_text(message.content, "messages")
        match message.role:
            case "system" | "developer":
                instructions.append(text)
            case "user":
                turns.append(Turn("user", text))
            case "assistant":
                turns.append(Turn("assistant", text, calls=_calls(message)))
            case "tool":
                turns.append(Turn("tool", text, call_id=message.tool_call_id))
    functions = [tool.function for tool in request.tools or ()]
    return read_question(
        turns,
        "messages",
        instructions="\n\n".join(filter(None, instructions)),
        tools=[function_tool(f.name, f.description, f.parameters, strict=f.strict) for f in functions],
        tool_choice=request.tool_choice,
    )


def _calls(message: ChatMessage) -> tuple[ToolCall, ...]:
    calls = message.tool_calls or ()
    return tuple(read_call(call.id, call.function.name, call.function.arguments, "messages") for call in calls)


def completion(
    completion_id: str, model: str, answer: CollectedAnswer, calls: Sequence[ToolInput], used: Tokens
) -> Completion:
    """Return the response with a whole answer."""
    called = [FunctionCall(call.tool_call_id, CalledFunction(call.tool_name, call.input)) for call in calls]
    message = AnswerMessage(answer.text or (None if called else ""), tool_calls=called or None)
    return Completion(
        id=completion_id,
        created=int(time.time()),
        model=model,
        choices=[Choice(message, finish_reason(answer.reason, has_calls=bool(called)))],
        citations=answer.citations,
        notice=answer.notice,
        usage=usage_of(used),
    )


def usage_of(used: Tokens) -> CompletionUsage:
    """Return a model's usage."""
    return CompletionUsage(
        prompt_tokens=used.input,
        completion_tokens=used.output,
        total_tokens=used.input + used.output,
        prompt_tokens_details=PromptDetails(used.cached),
        completion_tokens_details=CompletionDetails(used.reasoning),
    )


def finish_reason(reason: FinishReason, *, has_calls: bool) -> str:
    """Return OpenAI's word for the end of an answer. Any other end is `stop`."""
    end = "tool_calls" if has_calls else "stop"
    return {"length": "length", "content-filter": "content_filter"}.get(reason, end)


class Chunks:
    """Encodes the parts of an answer as server-sent chunks. With `include_usage` a last one has the usage."""

    def __init__(self, completion_id: str, model: str, *, include_usage: bool) -> None:
        self._head: dict[str, Any] = {
            "id": completion_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage
        self._calls = 0
        if include_usage:
            self._head["usage"] = None

    def start(self) -> bytes:
        """Return the first chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def encode(self, parts: Sequence[Part]) -> Iterator[bytes]:
        """Yield a chunk for each piece of text or of a thought, and for each call of a tool."""
        for part in parts:
            match part:
                case TextDelta():
                    yield self._chunk({"content": part.delta})
                case ReasoningDelta():
                    yield self._chunk({"reasoning_content": part.delta})
                case ToolInput():
                    function = {"name": part.tool_name, "arguments": part.input}
                    call = {"index": self._calls, "id": part.tool_call_id, "type": "function", "function": function}
                    self._calls += 1
                    yield self._chunk({"tool_calls": [call]})

    def end(self, answer: CollectedAnswer, used: Tokens) -> bytes:
        """Return the last chunks: the citations, then the usage if it was asked for."""
        reason = finish_reason(answer.reason, has_calls=self._calls > 0)
        last = self._chunk({}, reason, citations=answer.citations, notice=answer.notice)
        return (
            last
            + (event({**self._head, "choices": [], "usage": usage_of(used)}) if self._include_usage else b"")
            + DONE
        )

    def fail(self, message: str, request_id: str) -> bytes:
        """Return an error, as OpenAI's clients expect it in a stream."""
        return event({"error": {"message": message, "type": "server_error", "code": None, "request_id": request_id}})

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None, **added: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event({**self._head, "choices": [choice], **added})


def event(body: Any) -> bytes:
    """Encode a server-sent event."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
