"""The MCP servers of a workspace: address, token, the tools that were read, and those that its owners allow.

What a server says about a tool later changes nothing: models get the stored description, until an owner reads the tools
again. A tool that has changed by then has to be allowed again. Functions run in the caller's transaction.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.errors import Conflict, NotFound, UnprocessableContent
from headwater.tools import ToolDescription

MAX_SERVERS = 20
"""Servers of a workspace."""


class ServerTool(msgspec.Struct, frozen=True):
    """A tool of a server. `name` is the one that agents and approvals use: `SERVER__TOOL`."""

    name: str
    description: str
    arguments_schema: dict[str, Any]
    allowed: bool


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server and its tools. `changed` are those that were allowed, and changed before they were read last.

    They are no longer allowed. `left_out` are the tools that can't be used, with the reason. `has_token`: whether a
    token is stored. `uses_oauth`: an owner signs in to it. `connected`: false if an owner has to do so (again).
    `missing_scopes`: what the server has demanded for a call beyond what the owner granted. Signing in asks for them.
    """

    id: uuid.UUID
    name: str
    url: str
    has_token: bool
    uses_oauth: bool
    connected: bool
    missing_scopes: list[str]
    tools: list[ServerTool]
    left_out: list[str]
    changed: list[str]
    read_at: dt.datetime


class StoredServer(msgspec.Struct, frozen=True):
    """How to reach a server, and its allowed tools."""

    id: uuid.UUID
    name: str
    url: str
    token: bytes | None
    uses_oauth: bool
    tools: list[ToolDescription]


def create(
    tx: Connection,
    caller: Caller,
    *,
    name: str,
    url: str,
    token: bytes | None,
    tools: Sequence[ToolDescription],
    left_out: Sequence[str],
    uses_oauth: bool = False,
) -> McpServer:
    """Store a server. No tool is allowed yet, and one that `uses_oauth` is not connected yet.

    Raises Conflict for a name that another has, or too many servers.
    """
    ensure_local_workspace(tx, caller.workspace_id)
    values = {"workspace_id": caller.workspace_id, "name": name, "url": url, "token": token, "max": MAX_SERVERS}
    tx.execute(_LOCK, values)
    values |= {**_listing(tools, left_out), "uses_oauth": uses_oauth}
    row = tx.execute(_INSERT, values).one_or_none()
    if row is None:
        raise Conflict(f"There is a server {name!r}, or {MAX_SERVERS} servers. Choose another name, or delete one.")
    audit_log.record(tx, caller, "mcp_server.added", row.id, name=name, url=url)
    return read(tx, caller.workspace_id, row.id)


def replace_tools(
    tx: Connection, caller: Caller, server_id: uuid.UUID, tools: Sequence[ToolDescription], left_out: Sequence[str]
) -> McpServer:
    """Store the tools that were read again. Those that have changed, or are gone, are no longer allowed."""
    before = read(tx, caller.workspace_id, server_id)
    stored = {tool.name: (tool.description, tool.arguments_schema) for tool in before.tools}
    now = {tool.name: (tool.description, tool.arguments_schema) for tool in tools}
    allowed = [tool.name for tool in before.tools if tool.allowed]
    changed = [name for name in allowed if now.get(name) != stored[name]]
    values = {"workspace_id": caller.workspace_id, "id": server_id, "changed": changed, **_listing(tools, left_out)}
    tx.execute(_REPLACE, {**values, "allowed": [name for name in allowed if name not in changed]})
    audit_log.record(tx, caller, "mcp_server.changed", server_id, name=before.name, changed=changed)
    return read(tx, caller.workspace_id, server_id)


def allow(tx: Connection, caller: Caller, server_id: uuid.UUID, names: Sequence[str]) -> McpServer:
    """Set the tools that agents may use. Raises NotFound, UnprocessableContent for a tool that the server hasn't."""
    server = read(tx, caller.workspace_id, server_id)
    unknown = set(names) - {tool.name for tool in server.tools}
    if unknown:
        raise UnprocessableContent(f"allowed: the server has no tool {', '.join(sorted(unknown))}.")
    values = {"workspace_id": caller.workspace_id, "id": server_id, "allowed": sorted(set(names))}
    tx.execute(_ALLOW, values)
    audit_log.record(tx, caller, "mcp_server.changed", server_id, name=server.name, allowed=values["allowed"])
    return read(tx, caller.workspace_id, server_id)


def delete(tx: Connection, caller: Caller, server_id: uuid.UUID) -> None:
    """Delete a server. Raises NotFound."""
    server = read(tx, caller.workspace_id, server_id)
    tx.execute(_DELETE, {"workspace_id": caller.workspace_id, "id": server_id})
    audit_log.record(tx, caller, "mcp_server.deleted", server_id, name=server.name)


def read(tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID) -> McpServer:
    """Return a server. Raises NotFound."""
    found = [server for server in read_all(tx, workspace_id) if server.id == server_id]
    if not found:
        raise NotFound(f"MCP server not found: {server_id}.")
    return found[0]


def read_all(tx: Connection, workspace_id: uuid.UUID) -> list[McpServer]:
    """Return the servers of a workspace, by name."""
    return [_server(row) for row in tx.execute(_READ, {"workspace_id": workspace_id})]


def read_allowed(tx: Connection, workspace_id: uuid.UUID) -> list[StoredServer]:
    """Return the servers of a workspace with their allowed tools, by name."""
    servers = []
    for row in tx.execute(_READ, {"workspace_id": workspace_id}):
        tools = [tool for tool in _tools(row) if tool.name in row.allowed]
        servers.append(StoredServer(row.id, row.name, row.url, row.token, row.uses_oauth, tools))
    return servers


def read_stored(tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID) -> StoredServer:
    """Return how to reach a server, with its allowed tools. Raises NotFound."""
    found = [server for server in read_allowed(tx, workspace_id) if server.id == server_id]
    if not found:
        raise NotFound(f"MCP server not found: {server_id}.")
    return found[0]


def _listing(tools: Sequence[ToolDescription], left_out: Sequence[str]) -> dict[str, str]:
    return {
        "tools": msgspec.json.encode(list(tools)).decode(),
        "left_out": msgspec.json.encode(list(left_out)).decode(),
    }


def _tools(row: Any) -> list[ToolDescription]:
    return msgspec.json.decode(row.tools, type=list[ToolDescription])


def _server(row: Any) -> McpServer:
    tools = [
        ServerTool(tool.name, tool.description, tool.arguments_schema, tool.name in row.allowed) for tool in _tools(row)
    ]
    return McpServer(
        id=row.id,
        name=row.name,
        url=row.url,
        has_token=row.token is not None,
        uses_oauth=row.uses_oauth,
        connected=row.is_connected,
        missing_scopes=list(row.missing_scopes),
        tools=tools,
        left_out=msgspec.json.decode(row.left_out, type=list[str]),
        changed=list(row.changed),
        read_at=row.read_at,
    )


_LOCK = sa.text("select 1 from workspaces where id = :workspace_id for update")

_INSERT = sa.text("""
    insert into mcp_servers (workspace_id, name, url, token, tools, left_out, uses_oauth, is_connected)
    select :workspace_id, :name, :url, :token, :tools, :left_out, :uses_oauth, not :uses_oauth
    where (select count(*) from mcp_servers where workspace_id = :workspace_id) < :max
    on conflict on constraint uq_mcp_servers_name do nothing returning id
""")

_READ = sa.text("""
    select id, name, url, token, uses_oauth, is_connected, missing_scopes, tools, left_out, allowed, changed, read_at
    from mcp_servers
    where workspace_id = :workspace_id order by name
""")

_HERE = "where workspace_id = :workspace_id and id = :id"

_REPLACE = sa.text(f"""
    update mcp_servers set tools = :tools, left_out = :left_out, allowed = cast(:allowed as text[]),
      changed = cast(:changed as text[]), read_at = clock_timestamp()
    {_HERE}
""")

_ALLOW = sa.text(f"update mcp_servers set allowed = cast(:allowed as text[]), changed = '{{}}' {_HERE}")

_DELETE = sa.text(f"delete from mcp_servers {_HERE}")
