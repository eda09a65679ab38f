"""Who is calling: a request flows in, a `Caller` flows out, or an error.

`AUTH_MODE=local` trusts this machine: only loopback peers, and only pages that this machine served (Host and Origin are
checked, so that neither DNS rebinding nor a foreign page gets in). Google's own calls carry an ID token; where no Cloud
Run has checked it, they too must come from this machine.
"""

import base64
import time
import uuid
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import flask
import msgspec

from headwater.config import Settings
from headwater.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from headwater.http import Access

Role = Literal["reader", "editor", "owner"]
"""Each may what those before it may."""

_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
_GOOGLE_ISSUERS = {"https://accounts.google.com", "accounts.google.com"}
_REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"
_CLOCK_SKEW_S = 10


class Caller(msgspec.Struct, frozen=True):
    """Who is calling, and for which workspace."""

    workspace_id: uuid.UUID
    subject: str
    role: Role


class Auth:
    """Check requests against the settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def check(self, access: "Access", request: flask.Request) -> Caller | None:
        """Return who calls, None for routes with access `public` or `google`; raises Unauthorized or Forbidden."""
        if access == "public":
            return None
        if access == "google":
            if not self.settings.on_cloud_run:
                self._check_local(request)
            self._check_google(request)
            return None
        return self._check_local(request)

    def _check_local(self, request: flask.Request) -> Caller:
        if request.remote_addr not in {"127.0.0.1", "::1"}:
            raise Forbidden("AUTH_MODE=local serves this machine only.")
        for name in ("Host", "X-Forwarded-Host"):
            if (host := request.headers.get(name)) and _hostname(f"//{host}") not in _LOOPBACK_HOSTS:
                raise Forbidden(f"{name} {host!r} isn't this machine; AUTH_MODE=local serves localhost only.")
        origin = request.headers.get("Origin")
        if origin and origin not in self.settings.cors_origins and _hostname(origin) not in _LOOPBACK_HOSTS:
            raise Forbidden(f"Pages of {origin} may not call; name it in CORS_ORIGINS if they should.")
        return Caller(self.settings.local_workspace_id, "local", "owner")

    def _check_google(self, request: flask.Request) -> None:
        """Let Cloud Tasks in: the claims of the token that Cloud Run has verified and whose signature it removed.

        The marker in the signature's place proves nothing by itself. It is believed because a service that takes it is
        closed to the public on Cloud Run, and bound to loopback on a laptop.
        """
        claims = _claims(request.headers.get("Authorization", ""))
        issuer, expires_at = claims.get("iss"), claims.get("exp")
        expected = self.settings.invoker_service_account
        audiences = {url.rstrip("/") for url in (self.settings.collection_url, self.settings.embedding_url) if url}
        is_google = isinstance(issuer, str) and issuer in _GOOGLE_ISSUERS
        if not is_google or str(claims.get("aud", "")).rstrip("/") not in audiences:
            raise Unauthorized("The ID token isn't Google's or is meant for another service.")
        if not expected or claims.get("email") != expected or claims.get("email_verified") is not True:
            raise Forbidden("The ID token is of another account than INVOKER_SERVICE_ACCOUNT.")
        if not isinstance(expires_at, int | float) or not expires_at > time.time() - _CLOCK_SKEW_S:
            raise Unauthorized("The ID token has expired.")


def _hostname(url: str) -> str | None:
    """Read a URL's host, None when there is none or it can't be read."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _claims(authorization: str) -> dict[str, Any]:
    """Read the claims of `Bearer header.claims.SIGNATURE_REMOVED_BY_GOOGLE`."""
    scheme, _, token = authorization.partition(" ")
    parts = token.split(".")
    if scheme.lower() != "bearer" or len(parts) != 3 or parts[2] != _REMOVED_SIGNATURE:
        raise Unauthorized("This route is for Cloud Tasks: it needs an ID token that Cloud Run has checked.")
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=dict[str, Any])
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise Unauthorized("The ID token can't be read.") from error
