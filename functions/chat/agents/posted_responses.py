"""Read responses to an agent's calls from the message that the AI SDK posts. Pure.

`addToolApprovalResponse` and `addToolOutput` change the parts of the answer, which is posted as the last message.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from functions.chat.retrieval.routes import check_question
from functions.chat.tools.ask_user import ASK_USER
from functions.chat.tools.text import clean
from headwater.errors import UnprocessableContent
from headwater.schemas import has_nul

MAX_REASON_CHARS = 2_000
MAX_INPUT_BYTES = 200_000
"""Arguments of a call as JSON."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The response to a call: approved or not, or, if `answer` is not None, the answer to a question.

    `input`: the arguments as the person has left or changed them, None if they were not posted.
    """

    call_id: str
    approved: bool = False
    reason: str = ""
    input: dict[str, Any] | None = None
    answer: str | None = None

    def rejection(self) -> str:
        """Return the message to the model about a rejected call."""
        why = f" The person's reason: {self.reason}" if self.reason else ""
        return f"The person has rejected this call, so it was not made.{why}"


def read_responses(parts: Sequence[Mapping[str, Any]], max_answer_chars: int) -> list[Response]:
    """Return the responses in the parts of a posted answer. Raises UnprocessableContent for one that can't be used."""
    found = [_read(part, max_answer_chars) for part in parts if _is_tool(part)]
    return [response for response in found if response is not None]


def _is_tool(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and (kind == "dynamic-tool" or kind.startswith("tool-"))


def _read(part: Mapping[str, Any], max_answer_chars: int) -> Response | None:
    call_id, state = part.get("toolCallId"), part.get("state")
    if state == "approval-responded":
        return _read_approval(_check_id(call_id), part)
    name = part.get("toolName") or str(part["type"]).removeprefix("tool-")
    # What the stream said has the seconds that the person took.
    if state == "output-available" and name == ASK_USER and not isinstance(part.get("output"), dict):
        return _read_answer(_check_id(call_id), part.get("output"), max_answer_chars)
    return None


def _check_id(call_id: object) -> str:
    if not isinstance(call_id, str):
        raise UnprocessableContent("A part of the answer has no toolCallId.")
    return call_id


def _read_approval(call_id: str, part: Mapping[str, Any]) -> Response:
    approval = part.get("approval")
    if not isinstance(approval, dict) or not isinstance(approval.get("approved"), bool):
        raise UnprocessableContent(f"The part {call_id} has no approval with `approved`: true or false.")
    reason = approval.get("reason")
    text = clean(reason).strip() if isinstance(reason, str) else ""
    if len(text) > MAX_REASON_CHARS:
        raise UnprocessableContent(f"The reason has {len(text):,} characters. The limit is {MAX_REASON_CHARS:,}.")
    return Response(call_id=call_id, approved=approval["approved"], reason=text, input=_input(part))


def _read_answer(call_id: str, output: object, max_chars: int) -> Response:
    if not isinstance(output, str):
        raise UnprocessableContent(f"output: the answer to {call_id} must be a text.")
    return Response(call_id=call_id, answer=clean(check_question(output, max_chars, "The answer"), max_chars))


def _input(part: Mapping[str, Any]) -> dict[str, Any] | None:
    value = part.get("input")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UnprocessableContent("input: the arguments of a call must be a JSON object.")
    size = len(msgspec.json.encode(value))
    if size > MAX_INPUT_BYTES:
        raise UnprocessableContent(f"input: the arguments have {size:,} bytes. The limit is {MAX_INPUT_BYTES:,}.")
    if has_nul(value):
        raise UnprocessableContent("input: the arguments have a NUL character.")
    return value
