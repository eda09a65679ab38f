"""The routes of agents' tools: which there are, and which need an approval."""

import uuid
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.engine import Connection

from functions.chat.mcp_servers import servers
from functions.chat.tools.approvals import MAX_NAMES, Approval, ToolName, change_approvals, read_approvals
from functions.chat.tools.catalogue import describe_all, is_built_in
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.tools import ToolDescription
from headwater.web.app import Call, Route


class ToolSummary(msgspec.Struct, frozen=True):
    """A tool. `approval`: when its calls need one, null if the owner has not said so; then the default holds."""

    name: str
    description: str
    approval: Approval | None
    default_approval: Approval


class ToolList(msgspec.Struct, frozen=True):
    """The tools of agents, in the order of their names."""

    tools: list[ToolSummary]


class ToolChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When calls need an approval, by the names of tools: `always`, `first`, `never`, null for the default.

    `first`: the first call of a conversation. Omitted tools stay as they are.
    """

    approvals: Annotated[dict[ToolName, Approval | None], Meta(max_length=MAX_NAMES)]


class ToolRoutes:
    """Handlers of the tools of a workspace's agents."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = "/api/chat/tools"
        return [
            Route("GET", path, self.list_tools, "List tools", returns=ToolList),
            Route("PATCH", path, self.change_tools, "Change tools", body=ToolChanges, returns=ToolList, access="owner"),
        ]

    def list_tools(self, call: Call) -> ToolList:
        """List the tools that agents of this installation may have, and when their calls need an approval."""
        with self.database.transaction(call.workspace_id) as tx:
            return _summarize(read_approvals(tx, call.workspace_id), _describe(tx, call.workspace_id))

    def change_tools(self, call: Call) -> ToolList:
        """Choose which tools need the approval of the person who asked. This takes effect at once, in all answers."""
        changes: ToolChanges = call.body
        with self.database.transaction(call.workspace_id) as tx:
            tools = _describe(tx, call.workspace_id)
            if unknown := set(changes.approvals) - {tool.name for tool in tools}:
                raise UnprocessableContent(f"approvals: there is no tool {', '.join(sorted(unknown))}.")
            change_approvals(tx, call.caller, changes.approvals)
            return _summarize(read_approvals(tx, call.workspace_id), tools)


def _describe(tx: Connection, workspace_id: uuid.UUID) -> list[ToolDescription]:
    """Return the tools of the installation, and those of MCP servers that the workspace's owners allow."""
    remote = [tool for server in servers.read_allowed(tx, workspace_id) for tool in server.tools]
    return sorted([*describe_all(), *remote], key=lambda tool: tool.name)


def _summarize(approvals: dict[str, Approval], tools: Sequence[ToolDescription]) -> ToolList:
    return ToolList(
        [
            ToolSummary(
                tool.name,
                tool.description,
                approvals.get(tool.name),
                "never" if is_built_in(tool.name) or tool.read_only else "always",
            )
            for tool in tools
        ]
    )
