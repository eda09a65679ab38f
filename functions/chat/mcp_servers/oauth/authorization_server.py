"""Find the authorization server of an MCP server, register a client there, and request tokens.

Uses the guarded client. Redirects are not followed, so that no secret goes to another address. Errors and logs have no
secret.
"""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.chat.mcp_servers import protocol
from functions.chat.mcp_servers.oauth import metadata
from functions.chat.mcp_servers.oauth.metadata import (
    AuthorizationServer,
    Challenge,
    OAuthClient,
    ProtectedResource,
    Tokens,
)
from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.deadline import within
from headwater.outbound.exchange import exchange
from headwater.redaction import Redactor, quote, redacting

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

T = TypeVar("T")

DISCOVERY_S = 30.0
"""Of all requests for metadata together: a server may name slow addresses."""

MAX_ANSWER_BYTES = 200_000
MAX_TOKEN_CHARS = 8_000
_METHODS = ("none", "client_secret_post", "client_secret_basic")


class InvalidGrant(PermanentError):
    """The authorization server no longer accepts a refresh token or a code: the person has to sign in again."""


class _Registered(msgspec.Struct, frozen=True):
    client_id: str
    client_secret: str = ""
    token_endpoint_auth_method: str = ""


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str = ""
    token_type: str = ""
    expires_in: float | None = None
    refresh_token: str = ""
    scope: str = ""
    error: str = ""
    error_description: str = ""


def discover(
    client: "GuardedHttp", url: str, challenge: Challenge | None, *, allow_plain: bool
) -> tuple[ProtectedResource, Challenge, AuthorizationServer]:
    """Return the metadata of the MCP server at `url`, its demand for a token, and its authorization server.

    Raises PermanentError if signing in is impossible, UpstreamError if a server can't be reached or is too slow.
    """
    with within(DISCOVERY_S):
        return _discover(client, url, challenge, allow_plain=allow_plain)


def _discover(
    client: "GuardedHttp", url: str, challenge: Challenge | None, *, allow_plain: bool
) -> tuple[ProtectedResource, Challenge, AuthorizationServer]:
    challenge = challenge or _ask_for_challenge(client, url)
    addresses = metadata.resource_metadata_urls(challenge, url)
    resource = _first(client, addresses, ProtectedResource, allow_plain=allow_plain)
    if resource is None:
        raise PermanentError(f"{quote(url)} does not say how to sign in (RFC 9728). Use a token of the server.")
    metadata.check_resource(resource, url)
    issuer = resource.authorization_servers[0]
    server = _first(client, metadata.server_metadata_urls(issuer), AuthorizationServer, allow_plain=allow_plain)
    if server is None:
        raise PermanentError(f"The authorization server {quote(issuer)} has no metadata (RFC 8414).")
    metadata.check_server(server, issuer, allow_plain=allow_plain)
    return resource, challenge, server


def register(client: "GuardedHttp", server: AuthorizationServer, redirect_uri: str, scope: str) -> OAuthClient:
    """Register a client that will ask for these scopes (RFC 7591). Raises PermanentError if the server has no such."""
    host = urlsplit(server.issuer).hostname or ""
    if not server.registration_endpoint:
        raise PermanentError(f"{host} does not register clients by itself. Enter the ID of a client that it knows.")
    supported = server.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    method = next((each for each in _METHODS if each in supported), "none")
    about = {
        "client_name": "Headwater",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    # Some servers grant only scopes that a client was registered with; others register no client that names any.
    for asked in ({"scope": scope}, {}) if scope else ({},):
        body = msgspec.json.encode({**about, **asked})
        status, content, _ = exchange(
            client, "POST", server.registration_endpoint, body, headers, max_bytes=MAX_ANSWER_BYTES
        )
        if status < 400:
            break
    registered = _decode(content, _Registered) if status in (200, 201) else None
    if registered is None or not registered.client_id:
        raise PermanentError(f"{host} did not register Headwater (HTTP {status}). Enter the ID of a client of yours.")
    chosen = registered.token_endpoint_auth_method or (method if registered.client_secret else "none")
    return OAuthClient(server.issuer, redirect_uri, registered.client_id, registered.client_secret, chosen)


def request_tokens(
    client: "GuardedHttp", server: AuthorizationServer, registered: OAuthClient, fields: Mapping[str, str]
) -> Tokens:
    """Ask the token endpoint. Raises InvalidGrant, PermanentError for other refusals, UpstreamError to try later."""
    host = urlsplit(server.token_endpoint).hostname or ""
    secrets = [fields.get(name, "") for name in ("refresh_token", "code", "code_verifier")]
    with redacting(Redactor([each for each in (*secrets, registered.client_secret) if each])):
        status, content = _post_form(client, server.token_endpoint, registered, fields)
        if status == 429 or status >= 500:
            raise UpstreamError(f"{host} answered with HTTP {status}. Try again later.")
        answer = _decode(content, _TokenAnswer) or _TokenAnswer(error="no JSON")
        if status != 200 or not answer.access_token:
            reason = quote(answer.error_description or answer.error or f"HTTP {status}")
            kind = InvalidGrant if answer.error in ("invalid_grant", "invalid_client") else PermanentError
            raise kind(f"{host} gave no access token ({reason}). Connect the server again.")
        if answer.token_type.lower() != "bearer":
            raise PermanentError(f"{host} returned a token that is not of the kind `Bearer`.")
        for token in (answer.access_token, answer.refresh_token):
            if len(token) > MAX_TOKEN_CHARS or not token.isprintable() or not token.isascii():
                raise PermanentError(f"{host} returned a token that can't be sent in a header.")
    expires_at = time.time() + max(0.0, min(answer.expires_in, 1e9)) if answer.expires_in is not None else 0.0
    return Tokens(answer.access_token, answer.refresh_token, expires_at, answer.scope)


def _ask_for_challenge(client: "GuardedHttp", url: str) -> Challenge:
    """Send a request without a token, and read the demand for one."""
    body = protocol.request(1, "initialize", protocol.HANDSHAKE)
    accepted = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers = exchange(client, "POST", url, body, accepted, max_bytes=0)[2]
    return metadata.read_challenge(headers.get("WWW-Authenticate", ""))


def _first(client: "GuardedHttp", urls: Iterable[str], kind: type[T], *, allow_plain: bool) -> T | None:
    """Return the first metadata among these addresses, None if none has any."""
    for url in urls:
        if not metadata.is_web_address(url, allow_plain=allow_plain):
            continue
        status, content, _ = exchange(
            client, "GET", url, b"", {"Accept": "application/json"}, max_bytes=MAX_ANSWER_BYTES
        )
        if status >= 500:
            raise UpstreamError(f"{quote(url)} answered with HTTP {status}. Try again later.")
        if status == 200 and (found := _decode(content, kind)) is not None:
            return found
    return None


def _post_form(
    client: "GuardedHttp", url: str, registered: OAuthClient, fields: Mapping[str, str]
) -> tuple[int, bytes]:
    body, headers = metadata.client_form(registered, fields)
    status, content, _ = exchange(client, "POST", url, body, headers, max_bytes=MAX_ANSWER_BYTES)
    return status, content


def _decode(content: bytes, kind: type[T]) -> T | None:
    try:
        # Empty optional fields may come as null.
        fields: Any = msgspec.json.decode(content)
        return msgspec.convert({name: value for name, value in fields.items() if value is not None}, kind)
    except (msgspec.MsgspecError, AttributeError, RecursionError):
        return None
