"""Messages between an agent's process and its parent: requests and replies, as MessagePack."""

import json
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from headwater.agents.items import Operation
from headwater.processes.messages import Failure
from headwater.tools import ToolDescription

MAX_MESSAGE_BYTES = 8_000_000
"""Longest message of an agent's process, such as a checkpoint of its state."""


MAX_STATE_BYTES = 1_000_000
"""State beside the messages that is kept for the next answer. A larger one is left out."""

_LARGEST = 1 << 63


def plain_json(value: Any) -> Any:
    """Return a value as one of JSON that MessagePack can hold.

    Objects, and integers of more than 64 bits, become texts. Raises RecursionError, and ValueError for a circle.
    """
    text = json.dumps(value, default=str, skipkeys=True, ensure_ascii=False)
    return json.loads(storable(text), parse_int=_integer)


def storable(text: str) -> str:
    """Return a text with `?` in place of surrogates, which UTF-8 does not have."""
    return text.encode(errors="replace").decode()


def _integer(digits: str) -> int | str:
    is_small = len(digits) <= 20 and -_LARGEST <= int(digits) < _LARGEST
    return int(digits) if is_small else digits


class Turn(msgspec.Struct, frozen=True):
    """A message of the conversation."""

    role: Literal["user", "assistant"]
    text: str


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """A value as LangGraph's serialiser has written it. Only the agent's process reads it."""

    format: str
    content: bytes


class AgentContext(msgspec.Struct, frozen=True):
    """What an agent is to answer, for whom, and the tools that it may call. `state`: that after its last answer."""

    conversation_id: str
    answer_id: uuid.UUID
    subject: str
    turns: Sequence[Turn]
    tools: Sequence[ToolDescription]
    state: Blob | None = None


class _Call(msgspec.Struct, frozen=True, tag=True):
    """Base of what the process asks for."""


class AskModel(_Call, frozen=True):
    """Call the workspace's model. Messages are LangChain's dicts. Answered by such a dict."""

    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]]
    tool_choice: str


class CallTool(_Call, frozen=True):
    """Call a tool of the workspace. Answered by ToolAnswer."""

    call_id: str
    name: str
    arguments: dict[str, Any]


class ToolAnswer(msgspec.Struct, frozen=True):
    """The result of a call. `is_waiting`: the call waits for the person, and is to be made again later."""

    text: str
    is_error: bool = False
    is_waiting: bool = False


class TaskWrite(msgspec.Struct, frozen=True, array_like=True):
    """What a task has written to a channel."""

    task_id: str
    position: int
    channel: str
    value: Blob


class StoredCheckpoint(msgspec.Struct, frozen=True):
    """The last checkpoint of a namespace, and what its tasks have written since."""

    id: str
    value: Blob
    metadata: dict[str, Any]
    writes: Sequence[TaskWrite]


class ReadCheckpoint(_Call, frozen=True):
    """Answered by StoredCheckpoint, or None before the first."""

    namespace: str


class Said(msgspec.Struct, frozen=True):
    """A message that the agent has added to its state."""

    text: str
    reasoning: str = ""


class StoreCheckpoint(_Call, frozen=True):
    """Store a checkpoint, and what the agent has said since the last one. The reply says whether to continue now."""

    namespace: str
    id: str
    value: Blob
    metadata: dict[str, Any]
    said: Sequence[Said]


class StoreWrites(_Call, frozen=True):
    """Store the writes of a task after a checkpoint."""

    namespace: str
    checkpoint_id: str
    writes: Sequence[TaskWrite]


class ShowData(_Call, frozen=True):
    """Show the person a value. A later one with the same id takes its place."""

    id: str
    value: Any


class ToolStarted(_Call, frozen=True):
    """One of the agent's own tools was called."""

    call_id: str
    name: str
    input: dict[str, Any]


class ToolEnded(_Call, frozen=True):
    """A call of one of the agent's own tools has ended."""

    call_id: str
    text: str
    is_error: bool


class ModelStarted(_Call, frozen=True):
    """A model of the agent's own is called. `id` identifies the call. Raises if a limit or a budget is reached."""

    id: str
    model: str
    chars: int


class ModelEnded(_Call, frozen=True):
    """A call of a model of the agent's own has ended, or failed."""

    id: str
    model: str
    input: int
    output: int


class AskPerson(_Call, frozen=True):
    """Ask the person: a question, or for the approval of a call. Answered by PersonAnswer, or None until then."""

    call_id: str
    name: str
    input: dict[str, Any]
    is_approval: bool


class PersonAnswer(msgspec.Struct, frozen=True):
    """The text of an answer, or of a rejection. `input`: the approved arguments, if the person has changed them."""

    text: str
    is_approved: bool = True
    input: dict[str, Any] | None = None


class UseStore(_Call, frozen=True):
    """Read and change the agent's stored items, in one transaction. Answered by a Found for each operation."""

    operations: Sequence[Operation]


class Outcome(_Call, frozen=True):
    """The last message: how far the agent has come. `text` is the answer of a graph without messages in its state,
    `state` the rest of the state, for the next answer."""

    kind: Literal["answered", "waiting", "time is up"]
    text: str = ""
    state: Blob | None = None


Call = (
    AskModel
    | CallTool
    | ReadCheckpoint
    | StoreCheckpoint
    | StoreWrites
    | ShowData
    | ToolStarted
    | ToolEnded
    | ModelStarted
    | ModelEnded
    | AskPerson
    | UseStore
    | Outcome
)


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What the process asks for."""

    id: int
    call: Call


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a request, or why there is none."""

    id: int
    value: msgspec.Raw = msgspec.Raw(b"\xc0")
    failure: Failure | None = None
