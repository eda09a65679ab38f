"""The allowed tools of a workspace's MCP servers, as tools of its agents."""

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from functions.chat.mcp_servers import servers
from functions.chat.mcp_servers.oauth import connections
from functions.chat.mcp_servers.servers import StoredServer
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.encryption import decrypt_token
from headwater.tools import ToolDescription

if TYPE_CHECKING:
    from functions.chat.mcp_servers.client import McpClient
    from headwater.outbound.guarded_http import GuardedHttp

T = TypeVar("T")


class RemoteTool(NamedTuple):
    """A tool of a server. Calls of it may have any effect: none is repeated."""

    description: ToolDescription
    server: StoredServer
    workspace_id: uuid.UUID
    database: Database
    settings: Settings

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Call the tool and return its result. Raises what `McpClient.call` does."""
        name = self.description.name.removeprefix(f"{self.server.name}__")
        return ask_server(
            self.database, self.settings, self.workspace_id, self.server, lambda client: client.call(name, arguments)
        )


def read_remote_tools(database: Database, workspace_id: uuid.UUID, settings: Settings) -> dict[str, RemoteTool]:
    """Return the tools that the workspace's owners allow, by name."""
    with database.transaction(workspace_id) as tx:
        found = servers.read_allowed(tx, workspace_id)
    return {
        tool.name: RemoteTool(tool, server, workspace_id, database, settings)
        for server in found
        for tool in server.tools
    }


def ask_server(
    database: Database,
    settings: Settings,
    workspace_id: uuid.UUID,
    server: StoredServer,
    ask: "Callable[[McpClient], T]",
) -> T:
    """Return what `ask` returns for a client of a stored server, with its token or one of OAuth.

    If the server refuses a token of OAuth (401: it has done nothing), it is refreshed, and `ask` is called once more.
    Raises PermanentError if a person has to sign in again, and what `ask` raises.
    """
    from functions.chat.mcp_servers.client import McpClient, TokenRefused  # imports urllib3

    client = http_client(settings)
    if not server.uses_oauth:
        return ask(connect(settings, server.url, server.token))
    token = connections.access_token(database, settings, client, workspace_id, server.id)
    try:
        return ask(McpClient(client, server.url, token))
    except TokenRefused as error:
        if error.challenge.error == "insufficient_scope":
            scope = error.challenge.scope
            raise connections.disconnect(
                database, settings, workspace_id, server.id, refused=token, scope=scope
            ) from None
        if error.http_status != 401:
            raise
    token = connections.access_token(database, settings, client, workspace_id, server.id, refused=token)
    try:
        return ask(McpClient(client, server.url, token))
    except TokenRefused as error:
        if error.http_status != 401:
            raise
        raise connections.disconnect(database, settings, workspace_id, server.id, refused=token) from None


def connect(settings: Settings, url: str, token: bytes | None) -> "McpClient":
    """Return a client of a server. Raises SystemicError if its token can't be decrypted."""
    from functions.chat.mcp_servers.client import McpClient

    return McpClient(http_client(settings), url, decrypt_token(token, settings) if token else "")


def http_client(settings: Settings) -> "GuardedHttp":
    """Return the guarded client for addresses that owners have entered."""
    from headwater.outbound.guarded_http import guarded_http

    return guarded_http(
        allow_private=settings.fetch_private, user_agent=settings.user_agent, proxy=settings.fetch_proxy
    )
