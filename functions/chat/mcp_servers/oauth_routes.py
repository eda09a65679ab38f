"""The routes by which an owner signs in to an MCP server with OAuth, and ends that."""

from typing import Annotated

import msgspec
from msgspec import Meta

from functions.chat.mcp_servers import servers
from functions.chat.mcp_servers.oauth import flow
from functions.chat.mcp_servers.remote_tools import http_client
from functions.chat.mcp_servers.routes import read_again
from functions.chat.mcp_servers.servers import McpServer
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.web.app import Call, Route


class NewSignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the authorization server sends the person back to: a page of the app that asked. `client_id` and
    `client_secret` are for authorization servers that register no clients by themselves."""

    redirect_uri: Annotated[str, Meta(max_length=2_000)]
    client_id: Annotated[str, Meta(max_length=1_000)] = ""
    client_secret: Annotated[str, Meta(max_length=2_000)] = ""


class SignInStarted(msgspec.Struct, frozen=True):
    """Where the person signs in. `state` comes back with the code: compare it, in the browser that asked."""

    authorization_url: str
    state: str


class SignInAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters with which the person came back: `state`, `code` and `iss`, or `state` and `error`."""

    state: Annotated[str, Meta(max_length=200)]
    code: Annotated[str, Meta(max_length=8_000)] = ""
    iss: Annotated[str, Meta(max_length=2_000)] | None = None
    error: Annotated[str, Meta(max_length=1_000)] = ""


class McpOAuthRoutes:
    """Handlers of sign-ins. Signing in lets all agents of the workspace use the server as that person."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = "/api/mcp-servers/<uuid:id>"
        return [
            Route(
                "POST",
                f"{one}/authorize",
                self.authorize_mcp_server,
                "Connect an MCP server by OAuth",
                body=NewSignIn,
                returns=SignInStarted,
                access="owner",
            ),
            Route(
                "POST",
                "/api/mcp-servers/oauth/callback",
                self.finish_mcp_sign_in,
                "Finish the sign-in to an MCP server",
                body=SignInAnswer,
                returns=McpServer,
                access="owner",
            ),
            Route(
                "POST",
                f"{one}/disconnect",
                self.disconnect_mcp_server,
                "Disconnect an MCP server",
                returns=McpServer,
                access="owner",
            ),
        ]

    def authorize_mcp_server(self, call: Call) -> SignInStarted:
        """Begin to sign in to a server. Open the address in the browser within ten minutes.

        The server's authorization server is found by its metadata (RFC 9728, RFC 8414), and registers Headwater
        (RFC 7591) unless a client is given. Codes are bound by PKCE, tokens to the server (RFC 8707).
        """
        body: NewSignIn = call.body
        address, state = flow.begin(
            self.database,
            self.settings,
            http_client(self.settings),
            call.caller,
            call.path["id"],
            redirect_uri=body.redirect_uri,
            client_id=body.client_id,
            client_secret=body.client_secret,
        )
        return SignInStarted(address, state)

    def finish_mcp_sign_in(self, call: Call) -> McpServer:
        """Exchange the code for tokens and read the server's tools. Only the owner who began the sign-in can, once."""
        body: SignInAnswer = call.body
        server_id = flow.finish(
            self.database,
            self.settings,
            http_client(self.settings),
            call.caller,
            state=body.state,
            code=body.code,
            issuer=body.iss,
            error=body.error,
        )
        return read_again(self.database, self.settings, call.caller, server_id)

    def disconnect_mcp_server(self, call: Call) -> McpServer:
        """Delete the tokens of a server, and revoke them where its authorization server does that (RFC 7009)."""
        server_id = call.path["id"]
        flow.disconnect(self.database, self.settings, http_client(self.settings), call.caller, server_id)
        with self.database.transaction(call.workspace_id) as tx:
            return servers.read(tx, call.workspace_id, server_id)
