"""Connect an MCP server: begin a person's sign-in, finish it with the code, and end the connection."""

import secrets
import uuid
from typing import TYPE_CHECKING

import msgspec

from functions.chat.mcp_servers import servers
from functions.chat.mcp_servers.oauth import connections
from functions.chat.mcp_servers.oauth.connections import OAuthConnection, SignIn
from functions.chat.mcp_servers.oauth.metadata import (
    Challenge,
    OAuthClient,
    authorization_url,
    challenge_of,
    choose_scope,
    documented_client,
    is_web_address,
)
from headwater import logs
from headwater.auth import audit_log
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import HeadwaterError, UnprocessableContent
from headwater.outbound.revocations import send
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp


def begin(
    database: Database,
    settings: Settings,
    client: "GuardedHttp",
    caller: Caller,
    server_id: uuid.UUID,
    *,
    redirect_uri: str,
    client_id: str = "",
    client_secret: str = "",
) -> tuple[str, str]:
    """Return the address at which the caller signs in, and the state that comes back from there.

    The client is the given one, else the one that was given before for this issuer, else the one that our metadata
    document describes, else a new one.
    Raises NotFound, UnprocessableContent, PermanentError if signing in is impossible, UpstreamError to try again.
    """
    from functions.chat.mcp_servers.oauth.authorization_server import discover, register

    if not _may_redirect_to(redirect_uri):
        raise UnprocessableContent("redirect_uri: use an address of https, or of http on this computer.")
    with database.transaction(caller.workspace_id) as tx:
        url = servers.read(tx, caller.workspace_id, server_id).url
        stored = connections.lock_if_readable(tx, caller.workspace_id, server_id, settings)
    missing = stored.missing_scope if stored else ""
    resource, challenge, server = discover(client, url, None, allow_plain=settings.fetch_private)
    asked = challenge
    if missing:
        # The scopes that the token has had stay, so that one call does not take another's away.
        asked = Challenge(scope=" ".join(dict.fromkeys(f"{stored.scope if stored else ''} {missing}".split())))
    scope = choose_scope(asked, resource, server)
    if client_id:
        method = "client_secret_post" if client_secret else "none"
        if client_secret and "client_secret_post" not in (server.token_endpoint_auth_methods_supported or ()):
            method = "client_secret_basic"
        registered = OAuthClient(server.issuer, redirect_uri, client_id, client_secret, method, is_given=True)
    elif stored and stored.client.is_given and stored.client.issuer == server.issuer:
        registered = msgspec.structs.replace(stored.client, redirect_uri=redirect_uri)
    else:
        documented = documented_client(server, settings.app_url, redirect_uri, allow_plain=settings.fetch_private)
        registered = documented or register(client, server, redirect_uri, scope)
    connection = OAuthConnection(server, registered, resource.resource, scope)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    with database.transaction(caller.workspace_id) as tx:
        begun = SignIn(server_id, connection, verifier)
        connections.begin(tx, caller, state, begun, settings)
    parameters = {
        "response_type": "code",
        "client_id": registered.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "resource": connection.resource,
        "scope": scope,
    }
    return authorization_url(server, parameters), state


def finish(
    database: Database,
    settings: Settings,
    client: "GuardedHttp",
    caller: Caller,
    *,
    state: str,
    code: str,
    issuer: str | None,
    error: str,
) -> uuid.UUID:
    """Exchange the code of a sign-in for tokens, once. Returns the server's id.

    Raises NotFound if the caller has begun no such sign-in, UnprocessableContent if it was refused or its answer comes
    from another authorization server (RFC 9207), and the errors of the token endpoint.
    """
    from functions.chat.mcp_servers.oauth.authorization_server import request_tokens

    with database.transaction(caller.workspace_id) as tx:
        begun = connections.take(tx, caller, state, settings)
    server = begun.connection.server
    is_named = server.authorization_response_iss_parameter_supported
    if issuer != server.issuer and (issuer is not None or is_named):
        raise UnprocessableContent("iss: the answer comes from another authorization server. Connect the server again.")
    if error or not code:
        reason = quote(error or "no code")
        raise UnprocessableContent(f"The authorization server refused the sign-in ({reason}). Connect it again.")
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": begun.connection.client.redirect_uri,
        "code_verifier": begun.verifier,
        "resource": begun.connection.resource,
    }
    tokens = request_tokens(client, server, begun.connection.client, fields)
    with database.transaction(caller.workspace_id) as tx:
        connections.lock_if_readable(tx, caller.workspace_id, begun.server_id, settings)
        connected = begun.connection.with_tokens(tokens)
        connections.store(tx, caller.workspace_id, begun.server_id, connected, settings, is_connected=True)
        name = servers.read(tx, caller.workspace_id, begun.server_id).name
        audit_log.record(tx, caller, "mcp_server.connected", begun.server_id, name=name, issuer=server.issuer)
    return begun.server_id


def disconnect(
    database: Database, settings: Settings, client: "GuardedHttp", caller: Caller, server_id: uuid.UUID
) -> None:
    """Delete a server's tokens, and revoke them where its authorization server does that. Raises NotFound."""
    with database.transaction(caller.workspace_id) as tx:
        stored = connections.lock_if_readable(tx, caller.workspace_id, server_id, settings)
        server = servers.read(tx, caller.workspace_id, server_id)
        if not server.uses_oauth:
            raise UnprocessableContent("The server does not use OAuth. Delete it to delete its token.")
        if stored is None:
            connections.delete(tx, caller.workspace_id, server_id)
        else:
            without = msgspec.structs.replace(stored.without_tokens(), missing_scope="")
            connections.store(tx, caller.workspace_id, server_id, without, settings, is_connected=False)
        audit_log.record(tx, caller, "mcp_server.disconnected", server_id, name=server.name)
    if stored is not None:
        revoke_all(client, stored)


def revoke_all(client: "GuardedHttp", connection: OAuthConnection) -> None:
    """Revoke a connection's tokens, as far as its authorization server does that and can be reached."""
    for revocation in connection.revocations():
        try:
            send(client, revocation)
        except HeadwaterError as error:
            logs.event("mcp_server.revocation_failed", severity=30, error=error)


def _may_redirect_to(url: str) -> bool:
    """Return whether a code may come back to an address: an app on the web, or one on the person's own computer."""
    is_local = is_web_address(url, allow_plain=True) and url.startswith(
        ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
    )
    return is_local or is_web_address(url, allow_plain=False)
