"""Metadata of MCP servers and their authorization servers: where it is, and what it says. Pure.

https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization: protected resource metadata (RFC 9728),
authorization server metadata (RFC 8414, OpenID Connect Discovery), PKCE (RFC 7636), resource indicators (RFC 8707).
"""

import hashlib
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import quote as percent_encoded
from urllib.parse import urlencode, urlsplit

import msgspec

from headwater.errors import PermanentError
from headwater.redaction import quote


class Challenge(msgspec.Struct, frozen=True):
    """What a 401 or 403 says in `WWW-Authenticate` (RFC 6750, RFC 9728)."""

    resource_metadata: str = ""
    scope: str = ""
    error: str = ""


class ProtectedResource(msgspec.Struct, frozen=True):
    """The metadata of an MCP server."""

    resource: str
    authorization_servers: list[str] = []
    scopes_supported: list[str] = []


class AuthorizationServer(msgspec.Struct, frozen=True):
    """The metadata of an authorization server. Endpoints that it doesn't have are empty."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str = ""
    revocation_endpoint: str = ""
    scopes_supported: list[str] = []
    code_challenge_methods_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] = []
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False


class OAuthClient(msgspec.Struct, frozen=True):
    """A client that is registered with an issuer. `method` is how it says who it is at the token endpoint.

    `is_given`: an owner has entered it, so it is kept for the next sign-in.
    """

    issuer: str
    redirect_uri: str
    client_id: str
    client_secret: str = ""
    method: str = "none"
    is_given: bool = False


class Tokens(msgspec.Struct, frozen=True):
    """What a token endpoint gave. `expires_at` is in seconds since the epoch, 0 if unknown."""

    access_token: str
    refresh_token: str
    expires_at: float
    scope: str


CLIENT_DOCUMENT = "/mcp-servers/client.json"
"""Path of the web app at which the Worker serves the metadata of the client that we are."""

CALLBACK = "/mcp-servers/callback"
"""The page of the web app to which a person comes back."""

_PARAMETER = r'(?:^|[\s,]){}\s*=\s*(?:"([^"]*)"|([^\s,"]+))'


def read_challenge(header: str) -> Challenge:
    """Read a header `WWW-Authenticate`."""

    def value(name: str) -> str:
        found = re.search(_PARAMETER.format(name), header, re.IGNORECASE)
        text = (found[1] or found[2] or "")[:2_000] if found else ""
        return text if text.isprintable() else ""

    return Challenge(value("resource_metadata"), value("scope"), value("error"))


def resource_metadata_urls(challenge: Challenge, url: str) -> list[str]:
    """Return where the metadata of the MCP server at `url` may be, in the order of the specification."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    known = f"{origin}/.well-known/oauth-protected-resource"
    path = parts.path.rstrip("/")
    return [*filter(None, [challenge.resource_metadata]), *([f"{known}{path}"] if path else []), known]


def server_metadata_urls(issuer: str) -> list[str]:
    """Return where the metadata of an authorization server may be, in the order of the specification."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return [f"{origin}/.well-known/oauth-authorization-server", f"{origin}/.well-known/openid-configuration"]
    return [
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}/.well-known/openid-configuration{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    ]


def check_resource(found: ProtectedResource, url: str) -> None:
    """Raise PermanentError if the metadata is not of the MCP server at `url`, or names no authorization server."""
    for address in (found.resource, *found.authorization_servers[:1]):
        if not is_web_address(address, allow_plain=True):
            raise PermanentError(f"The server's metadata has an invalid address: {quote(address)}.")
    named, asked = urlsplit(found.resource), urlsplit(url)
    is_above = f"{asked.path.rstrip('/')}/".startswith(f"{named.path.rstrip('/')}/")
    if (named.scheme, named.netloc.lower()) != (asked.scheme, asked.netloc.lower()) or not is_above:
        raise PermanentError(f"The server's metadata describes another server: {quote(found.resource)}.")
    if not found.authorization_servers:
        raise PermanentError("The server's metadata names no authorization server, so signing in is impossible.")


def check_server(found: AuthorizationServer, issuer: str, *, allow_plain: bool) -> None:
    """Raise PermanentError if metadata is of another issuer, or the server can't be used safely."""
    if found.issuer.rstrip("/") != issuer.rstrip("/"):
        raise PermanentError(f"The authorization server's metadata describes another server: {quote(found.issuer)}.")
    if "S256" not in found.code_challenge_methods_supported:
        raise PermanentError(f"{quote(issuer)} does not support PKCE with S256, so signing in would not be safe.")
    for endpoint in (
        found.authorization_endpoint,
        found.token_endpoint,
        found.registration_endpoint,
        found.revocation_endpoint,
    ):
        if endpoint and not is_web_address(endpoint, allow_plain=allow_plain):
            raise PermanentError(f"The authorization server's address {quote(endpoint)} does not begin with https://.")


def is_web_address(url: str, *, allow_plain: bool) -> bool:
    """Return whether an address is one of https, or of http where that is allowed, without a password."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and not parts.username and not parts.fragment and url.isprintable()
    except ValueError:
        return False
    return is_whole and parts.scheme in (("https", "http") if allow_plain else ("https",))


def choose_scope(challenge: Challenge, resource: ProtectedResource, server: AuthorizationServer) -> str:
    """Return the scopes to ask for: those that were demanded, or those that the MCP server supports; "" for none.

    `offline_access` is added where it is supported: without it, some servers give no refresh token.
    """
    scopes = challenge.scope.split() or list(resource.scopes_supported)
    if scopes and "offline_access" in server.scopes_supported and "offline_access" not in scopes:
        scopes.append("offline_access")
    return " ".join(scopes)


def challenge_of(verifier: str) -> str:
    """Return the code challenge S256 of a verifier.

    RFC 7636, appendix B:

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def authorization_url(server: AuthorizationServer, parameters: dict[str, str]) -> str:
    """Return the address at which a person signs in. Parameters that are empty are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value})
    separator = "&" if "?" in server.authorization_endpoint else "?"
    return f"{server.authorization_endpoint}{separator}{query}"


def client_form(client: OAuthClient, fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return a form with what says who the client is (RFC 6749, 2.3.1), and its headers."""
    form = {**fields, "client_id": client.client_id}
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    if client.method == "client_secret_basic" and client.client_secret:
        pair = ":".join(percent_encoded(each, safe="") for each in (client.client_id, client.client_secret))
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    elif client.client_secret:
        form["client_secret"] = client.client_secret
    return urlencode({name: value for name, value in form.items() if value}).encode(), headers


def documented_client(
    server: AuthorizationServer, app_url: str, redirect_uri: str, *, allow_plain: bool
) -> OAuthClient | None:
    """Return the client whose ID is the address of its metadata, None if the server can't read it or refuses such ones.

    https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/: the document is that of the web app
    at `app_url`, and has no redirect address but that of its page.
    """
    base = app_url.rstrip("/")
    methods = server.token_endpoint_auth_methods_supported
    is_readable = is_web_address(base, allow_plain=allow_plain) and not urlsplit(base).path
    is_supported = server.client_id_metadata_document_supported and (not methods or "none" in methods)
    if not is_supported or not is_readable or redirect_uri != f"{base}{CALLBACK}":
        return None
    return OAuthClient(server.issuer, redirect_uri, f"{base}{CLIENT_DOCUMENT}")
