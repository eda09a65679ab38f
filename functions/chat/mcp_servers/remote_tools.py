"""The allowed tools of a workspace's MCP servers, as tools of its agents."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.chat.mcp_servers import servers
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.encryption import decrypt_token
from headwater.tools import ToolDescription

if TYPE_CHECKING:
    from functions.chat.mcp_servers.client import McpClient


class RemoteTool(NamedTuple):
    """A tool of a server. Calls of it may have any effect: none is repeated."""

    description: ToolDescription
    server: servers.StoredServer
    settings: Settings

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Call the tool and return its result. Raises what `McpClient.call` does."""
        name = self.description.name.removeprefix(f"{self.server.name}__")
        return connect(self.settings, self.server.url, self.server.token).call(name, arguments)


def read_remote_tools(database: Database, workspace_id: uuid.UUID, settings: Settings) -> dict[str, RemoteTool]:
    """Return the tools that the workspace's owners allow, by name."""
    with database.transaction(workspace_id) as tx:
        found = servers.read_allowed(tx, workspace_id)
    return {tool.name: RemoteTool(tool, server, settings) for server in found for tool in server.tools}


def connect(settings: Settings, url: str, token: bytes | None) -> "McpClient":
    """Return a client of a server. Raises SystemicError if its token can't be decrypted."""
    from functions.chat.mcp_servers.client import McpClient  # imports urllib3
    from headwater.outbound.guarded_http import guarded_http

    guarded = guarded_http(
        allow_private=settings.fetch_private, user_agent=settings.user_agent, proxy=settings.fetch_proxy
    )
    return McpClient(guarded, url, decrypt_token(token, settings) if token else "")
