"""The shapes of OpenAI's responses API. Pure: requests to questions, and the objects of responses.

https://platform.openai.com/docs/api-reference/responses
"""

from typing import Annotated, Any, Literal

import msgspec

from functions.chat.answers.collect import CitedPassage
from functions.chat.answers.prompt import Turn
from functions.chat.doors.openai_chat import DEFAULT_MODEL
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
from headwater.errors import UnprocessableContent
from headwater.usage.record import Tokens

Status = Literal["in_progress", "completed", "incomplete", "failed"]


class InputItem(msgspec.Struct, frozen=True):
    """A message, a call of a tool (`function_call`) or its result (`function_call_output`). `reasoning` is ignored."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: Content = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: Content = None


class ResponseTool(msgspec.Struct, frozen=True):
    """A tool of the caller, which runs it. `parameters` is a JSON schema."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseRequest(msgspec.Struct, frozen=True):
    """A question with the conversation before it. Other fields of OpenAI's API are ignored.

    Nothing is stored, so that `previous_response_id` and `conversation` can't be used. `filter` says which documents
    the answer is from, as in a search.
    """

    input: str | list[InputItem]
    model: str = DEFAULT_MODEL
    instructions: str | None = None
    stream: bool | None = None
    tools: Annotated[list[ResponseTool], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: str | ToolChoice | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool | None = None
    filter: str = ""


class OutputText(msgspec.Struct, tag="output_text"):
    """The text of an answer. Citations `[n]` refer to `citations` of the response."""

    text: str = ""
    annotations: list[Any] = []
    logprobs: list[Any] = []


class SummaryText(msgspec.Struct, tag="summary_text"):
    """A model's thoughts."""

    text: str = ""


class MessageItem(msgspec.Struct, tag="message"):
    """An answer."""

    id: str
    content: list[OutputText]
    status: Status = "in_progress"
    role: str = "assistant"


class ReasoningItem(msgspec.Struct, tag="reasoning"):
    """A model's thoughts before its answer."""

    id: str
    summary: list[SummaryText]
    status: Status = "in_progress"


class FunctionCallItem(msgspec.Struct, tag="function_call"):
    """A call of one of the caller's tools; `arguments` is JSON."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status = "in_progress"


OutputItem = MessageItem | ReasoningItem | FunctionCallItem


class InputDetails(msgspec.Struct, frozen=True):
    """Of the tokens of a prompt."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    """Of the tokens of an answer."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    """The tokens that the model used: an estimate if its provider doesn't count them, 0 if no model was asked."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why an answer is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseError(msgspec.Struct, frozen=True):
    """Why an answer failed."""

    message: str
    code: str = "server_error"


class ResponseObject(msgspec.Struct, kw_only=True):
    """An answer, with the passages that it cites. `notice` says why it is incomplete, null for a complete one."""

    id: str
    created_at: int
    model: str
    status: Status = "in_progress"
    output: list[OutputItem] = []
    instructions: str | None = None
    tools: list[ResponseTool] = []
    tool_choice: str | ToolChoice = "auto"
    usage: ResponseUsage | None = None
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    citations: list[CitedPassage] = []
    notice: str | None = None
    object: str = "response"
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    store: bool = False
    temperature: float | None = None
    top_p: float | None = None
    metadata: dict[str, str] = {}


def read_request(request: ResponseRequest) -> Asked:
    """Return the question of a request. Raises UnprocessableContent if there is none, or a field is invalid."""
    for name in ("previous_response_id", "conversation", "background"):
        if getattr(request, name):
            raise UnprocessableContent(f"{name}: responses are not stored. Send the whole conversation in `input`.")
    items = [InputItem(role="user", content=request.input)] if isinstance(request.input, str) else request.input
    turns, instructions = [], [request.instructions or ""]
    for item in items:
        if item.role in ("system", "developer"):
            instructions.append(read_text(item.content, "input"))
        elif item.type != "reasoning":
            turns.append(_turn(item))
    return read_question(
        turns,
        "input",
        instructions="\n\n".join(filter(None, instructions)),
        tools=[function_tool(t.name, t.description or "", t.parameters, strict=t.strict) for t in request.tools or ()],
        tool_choice=request.tool_choice,
    )


def _turn(item: InputItem) -> Turn:
    match item.type:
        case "function_call":
            return Turn("assistant", "", calls=(read_call(item.call_id, item.name, item.arguments, "input"),))
        case "function_call_output":
            return Turn("tool", read_text(item.output, "input"), call_id=item.call_id)
        case "message" if item.role:
            return Turn("user" if item.role == "user" else "assistant", read_text(item.content, "input"))
    raise UnprocessableContent(
        f"input: items of the type {item.type[:100]!r} can't be read. Send messages, function_call and its output."
    )


def usage_of(used: Tokens) -> ResponseUsage:
    """Return a model's usage."""
    return ResponseUsage(
        input_tokens=used.input,
        input_tokens_details=InputDetails(used.cached, used.cache_written),
        output_tokens=used.output,
        output_tokens_details=OutputDetails(used.reasoning),
        total_tokens=used.input + used.output,
    )
