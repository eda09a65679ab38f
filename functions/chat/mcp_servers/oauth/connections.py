"""The OAuth connections of MCP servers: tokens, refreshed under a lock, and sign-ins that have begun.

What is stored is encrypted. Instances that need a new token at the same time wait for one another on the server's row,
so a refresh token is used once: servers that rotate them take a second use for a theft.
"""

import hashlib
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.mcp_servers.oauth.metadata import AuthorizationServer, OAuthClient, Tokens, client_form
from headwater import logs
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.encryption import decrypt_token, encrypt_token
from headwater.errors import NotFound, PermanentError, SystemicError
from headwater.outbound.revocations import Revocation
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

EXPIRES_S = 600
"""Time for a person to sign in."""

EARLY_S = 60.0
"""Tokens are refreshed so long before they expire."""

LACKS_SCOPES = """\
The server {} demands the scopes {}, which its sign-in doesn't have. An owner connects it again under Workspace, MCP \
servers."""
NOT_CONNECTED = "The server {} needs to be connected again. An owner does that under Workspace, MCP servers."


class OAuthConnection(msgspec.Struct, frozen=True):
    """The OAuth state of a server. `missing_scope`: the scopes that it has demanded and the token lacks."""

    server: AuthorizationServer
    client: OAuthClient
    resource: str
    scope: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    missing_scope: str = ""

    def with_tokens(self, tokens: Tokens) -> "OAuthConnection":
        """Return the connection with new tokens. A refresh token that was not replaced stays."""
        return msgspec.structs.replace(
            self,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token or self.refresh_token,
            expires_at=tokens.expires_at,
            scope=tokens.scope or self.scope,
        )

    def missing_scopes(self) -> list[str]:
        """Return the scopes that the server has demanded and the token lacks; all demanded ones if it lacks none."""
        demanded = list(dict.fromkeys(self.missing_scope.split()))
        granted = self.scope.split()
        return [scope for scope in demanded if scope not in granted] or demanded

    def revocations(self) -> list[Revocation]:
        """Return requests that revoke the tokens, none if the authorization server has no address for them."""
        tokens = [("refresh_token", self.refresh_token), ("access_token", self.access_token)]
        made = []
        for kind, token in tokens:
            if token and self.server.revocation_endpoint:
                body, headers = client_form(self.client, {"token": token, "token_type_hint": kind})
                made.append(Revocation(self.server.revocation_endpoint, body, headers))
        return made

    def without_tokens(self) -> "OAuthConnection":
        """Return the connection as it is before a person signs in."""
        return msgspec.structs.replace(self, access_token="", refresh_token="", expires_at=0.0)


class SignIn(msgspec.Struct, frozen=True):
    """A sign-in that has begun. `verifier`: that of PKCE."""

    server_id: uuid.UUID
    connection: OAuthConnection
    verifier: str


def encode(value: OAuthConnection | SignIn, settings: Settings) -> bytes:
    """Encrypt a connection or a sign-in. Raises UnprocessableContent without `SECRET_KEY`."""
    return encrypt_token(msgspec.json.encode(value).decode(), settings)


def decode_connection(stored: bytes, settings: Settings) -> OAuthConnection:
    """Decrypt a connection. Raises SystemicError if it was encrypted with another key."""
    try:
        return msgspec.json.decode(decrypt_token(stored, settings), type=OAuthConnection)
    except SystemicError as error:
        message = "SECRET_KEY has changed since this MCP server was connected. Disconnect it, then connect it again."
        raise SystemicError(message) from error


def lock(tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID, settings: Settings) -> OAuthConnection | None:
    """Lock a server's row and return its connection, None without one. Raises NotFound."""
    row = tx.execute(_LOCK, {"workspace_id": workspace_id, "id": server_id}).one_or_none()
    if row is None:
        raise NotFound(f"MCP server not found: {server_id}.")
    return None if row.oauth is None else decode_connection(row.oauth, settings)


def lock_if_readable(
    tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID, settings: Settings
) -> OAuthConnection | None:
    """Do as `lock`, but return None for a connection of another `SECRET_KEY`, which is to be replaced or deleted."""
    try:
        return lock(tx, workspace_id, server_id, settings)
    except SystemicError:
        return None


def delete(tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID) -> None:
    """Delete the connection of a server that uses OAuth."""
    tx.execute(_DELETE, {"workspace_id": workspace_id, "id": server_id})


def store(
    tx: Connection,
    workspace_id: uuid.UUID,
    server_id: uuid.UUID,
    connection: OAuthConnection,
    settings: Settings,
    *,
    is_connected: bool,
) -> None:
    """Store a connection. The server uses OAuth from now on, and its token, if it has one, is deleted."""
    revocations = connection.revocations()
    values = {
        "workspace_id": workspace_id,
        "id": server_id,
        "oauth": encode(connection, settings),
        "is_connected": is_connected,
        "missing": connection.missing_scopes(),
        "revocations": encrypt_token(msgspec.json.encode(revocations).decode(), settings) if revocations else None,
    }
    tx.execute(_STORE, values)


def begin(tx: Connection, caller: Caller, state: str, begun: SignIn, settings: Settings) -> None:
    """Store a sign-in, in place of an earlier one of the server. Deletes those that have expired."""
    tx.execute(_DELETE_EXPIRED, {"workspace_id": caller.workspace_id, "expires_s": EXPIRES_S})
    values = {"workspace_id": caller.workspace_id, "id": begun.server_id, "subject": caller.subject}
    tx.execute(_BEGIN, {**values, "state": _hash(state), "secret": encode(begun, settings)})


def take(tx: Connection, caller: Caller, state: str, settings: Settings) -> SignIn:
    """Return the sign-in with a state, once. Raises NotFound if it is used, expired or of another person."""
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject}
    values |= {"state": _hash(state), "expires_s": EXPIRES_S}
    secret = tx.execute(_TAKE, values).scalar_one_or_none()
    if secret is None:
        raise NotFound("This sign-in has expired, was used, or was begun by someone else. Connect the server again.")
    return msgspec.json.decode(decrypt_token(secret, settings), type=SignIn)


def access_token(
    database: Database,
    settings: Settings,
    client: "GuardedHttp",
    workspace_id: uuid.UUID,
    server_id: uuid.UUID,
    *,
    refused: str = "",
) -> str:
    """Return a token for a server, refreshed if it is about to expire, or is the one that the server has `refused`.

    Raises PermanentError if a person has to sign in again, UpstreamError if the authorization server can't be reached.
    """
    from functions.chat.mcp_servers.oauth.authorization_server import InvalidGrant, request_tokens

    with database.transaction(workspace_id) as tx:
        connection, name = lock(tx, workspace_id, server_id, settings), _name(tx, workspace_id, server_id)
        if connection is None or not connection.access_token:
            raise PermanentError(NOT_CONNECTED.format(name))
        is_late = bool(connection.expires_at) and connection.expires_at - EARLY_S < time.time()
        if not is_late and connection.access_token != refused:
            return connection.access_token
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": connection.refresh_token,
            "resource": connection.resource,
        }
        try:
            if not connection.refresh_token:
                raise InvalidGrant("There is no refresh token.")
            tokens = request_tokens(client, connection.server, connection.client, fields)
        except InvalidGrant as error:
            logs.event("mcp_server.disconnected", severity=30, server_id=server_id, error=error)
            store(tx, workspace_id, server_id, connection.without_tokens(), settings, is_connected=False)
        else:
            # A demand for more scopes stays: the same ones come with the new token.
            is_connected = not connection.missing_scope
            store(tx, workspace_id, server_id, connection.with_tokens(tokens), settings, is_connected=is_connected)
            return tokens.access_token
    raise PermanentError(NOT_CONNECTED.format(name))


def disconnect(
    database: Database,
    settings: Settings,
    workspace_id: uuid.UUID,
    server_id: uuid.UUID,
    *,
    refused: str,
    scope: str = "",
) -> PermanentError:
    """Store that a server refuses a token, perhaps because it demands a scope. Returns the error for the agent."""
    with database.transaction(workspace_id) as tx:
        connection, name = lock(tx, workspace_id, server_id, settings), _name(tx, workspace_id, server_id)
        # A person may have signed in meanwhile.
        if connection is not None and connection.access_token == refused:
            logs.event("mcp_server.disconnected", severity=30, server_id=server_id)
            lacking = msgspec.structs.replace(connection, missing_scope=scope)
            store(tx, workspace_id, server_id, lacking, settings, is_connected=False)
            if scope:
                scopes = quote(", ".join(lacking.missing_scopes()))
                return PermanentError(LACKS_SCOPES.format(name, scopes))
    return PermanentError(NOT_CONNECTED.format(name))


def _name(tx: Connection, workspace_id: uuid.UUID, server_id: uuid.UUID) -> str:
    return str(tx.execute(_NAME, {"workspace_id": workspace_id, "id": server_id}).scalar_one())


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


_HERE = "where workspace_id = :workspace_id and id = :id"

_LOCK = sa.text(f"select oauth from mcp_servers {_HERE} for update")

_NAME = sa.text(f"select name from mcp_servers {_HERE}")

_STORE = sa.text(f"""
    update mcp_servers set oauth = :oauth, is_connected = :is_connected, uses_oauth = true, token = null,
      missing_scopes = cast(:missing as text[]), revocations = :revocations {_HERE}
""")

_DELETE = sa.text(f"""
    update mcp_servers set oauth = null, revocations = null, is_connected = false, missing_scopes = '{{}}' {_HERE}
""")

_DELETE_EXPIRED = sa.text("""
    delete from mcp_authorizations
    where workspace_id = :workspace_id and created_at < now() - make_interval(secs => :expires_s)
""")

_BEGIN = sa.text("""
    insert into mcp_authorizations (server_id, workspace_id, subject, state, secret)
    values (:id, :workspace_id, :subject, :state, :secret)
    on conflict on constraint pk_mcp_authorizations do update set subject = excluded.subject, state = excluded.state,
      secret = excluded.secret, created_at = now()
""")

_TAKE = sa.text("""
    delete from mcp_authorizations
    where workspace_id = :workspace_id and subject = :subject and state = :state
      and created_at > now() - make_interval(secs => :expires_s)
    returning secret
""")
