"""The parts of a stream and of a stored message that are calls of tools, and approvals of them. Pure."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from functions.chat.streams.part_base import PartBase


class ParentCall(msgspec.Struct, frozen=True):
    """The id of the call that runs the sub-agent whose call this is."""

    parent: str


class CallMetadata(msgspec.Struct, frozen=True):
    """The AI SDK's field for provider-specific data."""

    headwater: ParentCall


class ToolInput(PartBase, frozen=True, tag="tool-input-available", kw_only=True):
    """A call of a tool, by an agent. `dynamic`: clients know no tools by name.

    A second one with the same id has the arguments as the person has changed them. A call of one of the caller's tools
    has JSON as its `input`. Only answers to programs have it: none is stored.
    """

    tool_call_id: str
    tool_name: str
    input: Any
    dynamic: bool = True
    provider_metadata: CallMetadata | UnsetType = UNSET


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
    """A call failed. The agent continues."""

    tool_call_id: str
    error_text: str
    dynamic: bool = True


class WrittenFile(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A version of a file that a call of a tool has written. `isDeleted`: it says that the file was deleted."""

    path: str
    version: int
    bytes: int
    is_deleted: bool = False


class Files(msgspec.Struct, frozen=True, rename="camel"):
    """The files that a call of a tool has written."""

    tool_call_id: str
    files: list[WrittenFile]


class FilesPart(PartBase, frozen=True, tag="data-files", kw_only=True):
    """The files that a call of a tool has written."""

    id: str
    data: Files


class Log(msgspec.Struct, frozen=True, rename="camel"):
    """Output of a program that is running."""

    tool_call_id: str
    text: str


class LogPart(PartBase, frozen=True, tag="data-log", kw_only=True):
    """The next piece of the output of a call that is running. Not part of the stored message.

    A part with the id of an earlier one takes its place: the call was made again.
    """

    id: str
    data: Log


BuildState = Literal["running", "succeeded", "failed"]


class BuildStatus(msgspec.Struct, frozen=True, rename="camel"):
    """How far the build of a page is. `log` is what Vite has printed, `page` the built page's path, at the end."""

    tool_call_id: str
    status: BuildState
    log: str
    page: str = ""


class BuildPart(PartBase, frozen=True, tag="data-build", kw_only=True):
    """The build of a page by a call of a tool. A later part with the same id takes its place."""

    id: str
    data: BuildStatus


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
    call_provider_metadata: CallMetadata | UnsetType = UNSET
