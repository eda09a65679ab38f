"""Read questions from requests of OpenAI's API: the conversation, instructions, tools and their results. Pure."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from functions.chat.answers.pieces import ToolCall
from functions.chat.answers.prompt import CallerInput, Tool, Turn
from headwater.errors import UnprocessableContent

MAX_INSTRUCTIONS_CHARS = 32_000
MAX_TOOLS = 128

FunctionName = Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]

_TEXT_TYPES = ("text", "input_text", "output_text")
_FORCED = {"auto": "", "none": "", "required": "any"}
_NO_QUESTION = "the last message must have the role `user`, or be the result of a tool."


class ContentPart(msgspec.Struct, frozen=True):
    """A part of a message. Only text can be read."""

    type: str
    text: str = ""


Content = str | list[ContentPart] | None


class ChosenFunction(msgspec.Struct, frozen=True):
    """The function that a model must call."""

    name: str


class ToolChoice(msgspec.Struct, frozen=True):
    """The tool that a model must call: `function.name` in chat completions, `name` in responses."""

    type: Literal["function"]
    name: str = ""
    function: ChosenFunction | None = None


class Asked(msgspec.Struct, frozen=True):
    """A question with the conversation before it, and what the program adds to it."""

    text: str
    history: list[Turn]
    added: CallerInput


def read_text(content: Content, field: str) -> str:
    """Return the text of a message. Raises UnprocessableContent if it has other parts."""
    if not isinstance(content, list):
        return content or ""
    if any(part.type not in _TEXT_TYPES for part in content):
        raise UnprocessableContent(f"{field}: only parts of text can be read. Send text.")
    return "\n".join(part.text for part in content)


def function_tool(name: str, description: str, parameters: dict[str, Any] | None, *, strict: bool | None) -> Tool:
    """Return a tool as models are given it."""
    function: dict[str, Any] = {"name": name, "description": description}
    function["parameters"] = parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function if strict is None else {**function, "strict": strict}}


def read_question(
    turns: Sequence[Turn],
    field: str,
    *,
    instructions: str = "",
    tools: Sequence[Tool] = (),
    tool_choice: str | ToolChoice | None = None,
) -> Asked:
    """Return the last question of `turns`, which may have calls of tools with their results after it.

    Calls in earlier answers are left out. Raises UnprocessableContent, with the request's `field` that has the turns.
    """
    last = max((n for n, turn in enumerate(turns) if turn.role == "user"), default=-1)
    if last < 0:
        raise UnprocessableContent(f"{field}: {_NO_QUESTION}")
    if len(instructions) > MAX_INSTRUCTIONS_CHARS:
        raise UnprocessableContent(
            f"{field}: the instructions have {len(instructions)} characters; the limit is {MAX_INSTRUCTIONS_CHARS}."
        )
    history = [Turn(turn.role, turn.text) for turn in turns[:last] if turn.role != "tool" and turn.text]
    rounds = _read_rounds(turns[last + 1 :], field)
    added = CallerInput(instructions, *_read_tools(tools, tool_choice), rounds)
    return Asked(turns[last].text, history, added)


def _read_rounds(turns: Iterable[Turn], field: str) -> list[Turn]:
    """Return the calls of tools and their results. Raises UnprocessableContent if not each call has one."""
    rounds: list[Turn] = []
    missing: set[str] = set()
    for turn in turns:
        if turn.role == "tool":
            if turn.call_id not in missing:
                raise UnprocessableContent(f"{field}: no call has the id {turn.call_id[:100]!r} of this result.")
            missing.remove(turn.call_id)
            rounds.append(turn)
            continue
        if rounds and rounds[-1].role == "assistant":
            rounds.append(_join(rounds.pop(), turn))
        elif missing:
            break
        else:
            rounds.append(turn)
        missing |= {call.id for call in turn.calls}
    if missing:
        raise UnprocessableContent(f"{field}: the result of the call {min(missing)[:100]!r} is missing.")
    if rounds and rounds[-1].role != "tool":
        raise UnprocessableContent(f"{field}: {_NO_QUESTION}")
    return rounds


def _join(before: Turn, after: Turn) -> Turn:
    """Join two turns of the assistant: the responses API has an item for each call."""
    text = "\n".join(filter(None, (before.text, after.text)))
    return Turn("assistant", text, calls=(*before.calls, *after.calls))


def read_call(id_: str, name: str, arguments: str, field: str) -> ToolCall:
    """Return a call of a tool. Raises UnprocessableContent if its arguments are not a JSON object."""
    try:
        is_object = isinstance(msgspec.json.decode(arguments or "{}"), dict)
    except (msgspec.DecodeError, RecursionError):
        is_object = False
    if not is_object:
        raise UnprocessableContent(f"{field}: the arguments of the call {id_[:100]!r} are not a JSON object.")
    return ToolCall(id_, name, arguments or "{}")


def _read_tools(tools: Sequence[Tool], choice: str | ToolChoice | None) -> tuple[Sequence[Tool], str]:
    """Return the tools that the model may call, and which it must call. Raises UnprocessableContent."""
    names = {tool["function"]["name"] for tool in tools}
    if isinstance(choice, ToolChoice):
        name = choice.function.name if choice.function else choice.name
        if name not in names:
            raise UnprocessableContent(f"tool_choice: {name[:100]!r} is not among the tools.")
        return tools, name
    if choice and choice not in _FORCED:
        raise UnprocessableContent("tool_choice: use auto, none, required, or a function.")
    if choice == "required" and not tools:
        raise UnprocessableContent("tool_choice: there are no tools to call.")
    return () if choice == "none" else tools, _FORCED[choice or "auto"]
