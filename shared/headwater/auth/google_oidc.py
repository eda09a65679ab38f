"""Verify the ID tokens of calls from Cloud Tasks and Cloud Scheduler.

The token must belong to INVOKER_SERVICE_ACCOUNT and be issued for this service; Google's other headers can be forged.
Cloud Run verifies tokens and replaces their signature by a marker. The marker is accepted only there, where Cloud Run
keeps unauthenticated calls out. Elsewhere, on a laptop too, the signature is verified.
"""

import base64
import time
from typing import Any

import flask
import msgspec

from headwater.auth.jwks import Jwks
from headwater.auth.user_tokens import LEEWAY_S, verified_payload
from headwater.config import Settings
from headwater.errors import Forbidden, Unauthorized

_ISSUERS = {"https://accounts.google.com", "accounts.google.com"}
_REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"


class GoogleOidc:
    """Verifies calls from Google's services to the function `service`."""

    def __init__(self, settings: Settings, service: str) -> None:
        self.settings = settings
        self.keys = Jwks(settings.google_jwks_url)
        urls = {"chat": settings.chat_url, "collection": settings.collection_url, "embedding": settings.embedding_url}
        self.audience = urls.get(service, "").rstrip("/")

    def check(self, request: flask.Request) -> None:
        """Verify the request's ID token; raises Unauthorized or Forbidden."""
        claims = self._read(_token(request))
        issuer, expires_at, expected = claims.get("iss"), claims.get("exp"), self.settings.invoker_service_account
        is_google = isinstance(issuer, str) and issuer in _ISSUERS
        if not is_google or not self.audience or str(claims.get("aud", "")).rstrip("/") != self.audience:
            raise Unauthorized("The ID token is not from Google or is for another service (`iss`, `aud`).")
        if not expected or claims.get("email") != expected or claims.get("email_verified") is not True:
            raise Forbidden("The ID token is not for INVOKER_SERVICE_ACCOUNT (`email`).")
        if not isinstance(expires_at, int | float) or not expires_at > time.time() - LEEWAY_S:
            raise Unauthorized("The ID token has expired.")

    def _read(self, token: str) -> dict[str, Any]:
        _, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        try:
            if signature == _REMOVED_SIGNATURE and self.settings.on_cloud_run:
                content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
            else:
                content = verified_payload(token, {"RS256": self.keys})
            return msgspec.json.decode(content, type=dict[str, Any])
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise Unauthorized("The ID token is malformed.") from error


def _token(request: flask.Request) -> str:
    """Return the ID token that Cloud Run verified: if both headers have one, it verifies only the first."""
    header = request.headers.get("X-Serverless-Authorization") or request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or token.count(".") != 2:
        raise Unauthorized("This route is for Cloud Tasks and Cloud Scheduler. It requires a Google ID token.")
    return token
