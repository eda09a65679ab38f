"""The routes of a workspace's MCP servers."""

import re
import uuid
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from functions.chat.mcp_servers import servers
from functions.chat.mcp_servers.oauth import connections
from functions.chat.mcp_servers.oauth.flow import revoke_all
from functions.chat.mcp_servers.protocol import MAX_TOOLS, ServerTools
from functions.chat.mcp_servers.remote_tools import ask_server, connect, http_client
from functions.chat.mcp_servers.servers import McpServer
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.encryption import encrypt_token
from headwater.errors import UnprocessableContent
from headwater.web.app import Call, Route


class NewMcpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server to add: a name of up to 20 lower-case letters, digits and `_`, which begins its tools' names, the
    address of its streamable HTTP endpoint, and perhaps a bearer token. With `oauth`, an owner signs in afterwards
    (`authorizeMcpServer`)."""

    name: Annotated[str, Meta(max_length=20)]
    url: Annotated[str, Meta(max_length=2_000)]
    token: Annotated[str, Meta(max_length=8_000)] = ""
    oauth: bool = False


class AllowedTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of all tools of the server that agents may use. Omitted, they stay as they are."""

    allowed: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=MAX_TOOLS)] | None = None


class McpServerList(msgspec.Struct, frozen=True):
    """The workspace's MCP servers, by name."""

    servers: list[McpServer]


class McpServerRoutes:
    """Handlers of MCP servers. Only owners see and change them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def routes(self) -> list[Route]:
        """Return the routes."""
        path, one = "/api/mcp-servers", "/api/mcp-servers/<uuid:id>"
        return [
            Route("GET", path, self.list_mcp_servers, "List MCP servers", returns=McpServerList, access="owner"),
            Route(
                "POST",
                path,
                self.add_mcp_server,
                "Add an MCP server",
                body=NewMcpServer,
                returns=McpServer,
                status=201,
                access="owner",
            ),
            Route(
                "PATCH",
                one,
                self.change_mcp_server,
                "Allow tools of an MCP server",
                body=AllowedTools,
                returns=McpServer,
                access="owner",
            ),
            Route(
                "POST",
                f"{one}/read",
                self.read_mcp_server,
                "Read the tools of an MCP server again",
                returns=McpServer,
                access="owner",
            ),
            Route("DELETE", one, self.delete_mcp_server, "Delete an MCP server", status=204, access="owner"),
        ]

    def list_mcp_servers(self, call: Call) -> McpServerList:
        """List the workspace's MCP servers with their tools."""
        with self.database.transaction(call.workspace_id) as tx:
            return McpServerList(servers.read_all(tx, call.workspace_id))

    def add_mcp_server(self, call: Call) -> McpServer:
        """Add a server, after its tools were read. None is allowed until `changeMcpServer` names it.

        The token is encrypted and never returned. The tools of a server with `oauth` are read when an owner has signed
        in to it.
        """
        new: NewMcpServer = call.body
        _check(new, allow_plain=self.settings.fetch_private)
        token = encrypt_token(new.token, self.settings) if new.token else None
        found = ServerTools([], [])
        if not new.oauth:
            found = connect(self.settings, new.url, token).list_tools(new.name)
        with self.database.transaction(call.workspace_id) as tx:
            return servers.create(
                tx,
                call.caller,
                name=new.name,
                url=new.url,
                token=token,
                tools=found.tools,
                left_out=found.left_out,
                uses_oauth=new.oauth,
            )

    def change_mcp_server(self, call: Call) -> McpServer:
        """Choose which tools of a server agents may use. This takes effect with the next step of each answer."""
        with self.database.transaction(call.workspace_id) as tx:
            if call.body.allowed is None:
                return servers.read(tx, call.workspace_id, call.path["id"])
            return servers.allow(tx, call.caller, call.path["id"], call.body.allowed)

    def read_mcp_server(self, call: Call) -> McpServer:
        """Read the tools of a server again. Those whose description or arguments have changed are no longer allowed."""
        return read_again(self.database, self.settings, call.caller, call.path["id"])

    def delete_mcp_server(self, call: Call) -> None:
        """Delete a server. Agents lose its tools with their next step. Tokens of OAuth are revoked."""
        with self.database.transaction(call.workspace_id) as tx:
            servers.read(tx, call.workspace_id, call.path["id"])
            stored = connections.lock_if_readable(tx, call.workspace_id, call.path["id"], self.settings)
            servers.delete(tx, call.caller, call.path["id"])
        if stored is not None:
            revoke_all(http_client(self.settings), stored)


def read_again(database: Database, settings: Settings, caller: Caller, server_id: uuid.UUID) -> McpServer:
    """Read the tools of a stored server, and store them. Raises NotFound, and what the server's client raises."""
    with database.transaction(caller.workspace_id) as tx:
        stored = servers.read_stored(tx, caller.workspace_id, server_id)
    found = ask_server(database, settings, caller.workspace_id, stored, lambda client: client.list_tools(stored.name))
    with database.transaction(caller.workspace_id) as tx:
        return servers.replace_tools(tx, caller, server_id, found.tools, found.left_out)


def _check(new: NewMcpServer, *, allow_plain: bool) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", new.name):
        raise UnprocessableContent("name: use lower-case letters, digits and single underscores, such as `issues`.")
    try:
        parts = urlsplit(new.url)
        is_web = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web:
        raise UnprocessableContent("url: enter the address of an MCP server, such as https://mcp.example.com/mcp.")
    if parts.username or parts.password:
        raise UnprocessableContent("url: leave the user name and password out. Enter a token instead.")
    if parts.scheme == "http" and not allow_plain:
        raise UnprocessableContent("url: use https, so that the token and the results can't be read on the way.")
    if new.oauth and new.token:
        raise UnprocessableContent("token: a server with `oauth` gets its tokens when an owner signs in. Leave it out.")
    if not new.token.isprintable() or not new.token.isascii():
        raise UnprocessableContent("token: it has characters that a token can't have. Copy it again.")
