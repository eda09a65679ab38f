"""The parts of a stream and of a stored message that are calls of tools, and approvals of them. Pure."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from functions.chat.streams.part_base import PartBase


class ToolInput(PartBase, frozen=True, tag="tool-input-available", kw_only=True):
    """A call of a tool, by an agent. `dynamic`: clients know no tools by name.

    A second one with the same id has the arguments as the person has changed them. A call of one of the caller's tools
    has JSON as its `input`. Only answers to programs have it: none is stored.
    """

    tool_call_id: str
    tool_name: str
    input: Any
    dynamic: bool = True


class ApprovalRequest(PartBase, frozen=True, tag="tool-approval-request", kw_only=True):
    """A call waits until the person who asked approves or rejects it."""

    approval_id: str
    tool_call_id: str


class ApprovalResponse(PartBase, frozen=True, tag="tool-approval-response", kw_only=True):
    """The person has approved or rejected a call, with a reason if one was given."""

    approval_id: str
    approved: bool
    reason: str | UnsetType = UNSET


class OutputDenied(PartBase, frozen=True, tag="tool-output-denied", kw_only=True):
    """A call was rejected, so it has no output."""

    tool_call_id: str


class ToolText(msgspec.Struct, frozen=True):
    """What a tool returned to the agent's model, and the time that it took."""

    text: str
    seconds: float


class ToolOutput(PartBase, frozen=True, tag="tool-output-available", kw_only=True):
    """The result of a call."""

    tool_call_id: str
    output: ToolText
    dynamic: bool = True


class ToolError(PartBase, frozen=True, tag="tool-output-error", kw_only=True):
    """A call failed. The agent goes on."""

    tool_call_id: str
    error_text: str
    dynamic: bool = True


class ToolApproval(msgspec.Struct, frozen=True):
    """The approval of a call, which may be open."""

    id: str
    approved: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET


ToolState = Literal[
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-error",
    "output-denied",
]


class ToolPart(PartBase, frozen=True, tag="dynamic-tool", kw_only=True):
    """A call of a tool in a stored message."""

    tool_call_id: str
    tool_name: str
    input: Any
    state: ToolState = "input-available"
    output: ToolText | None = None
    error_text: str | None = None
    approval: ToolApproval | UnsetType = UNSET
