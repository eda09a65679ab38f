"""Google's own calls (Cloud Tasks, Cloud Scheduler): a request flows in, nothing flows out, or an error.

They carry an ID token of INVOKER_SERVICE_ACCOUNT for this very service; every other header of theirs can be sent by
anybody and proves nothing. Cloud Run verifies the token and puts a marker in its signature's place. The marker proves
nothing by itself: it is believed only where Cloud Run has closed the service to the public, and, with
`AUTH_MODE=local`, of this machine. Anywhere else the signature is verified.
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
    """Check Google's calls of the function `service`."""

    def __init__(self, settings: Settings, service: str) -> None:
        self.settings = settings
        self.keys = Jwks(settings.google_jwks_url)
        urls = {"collection": settings.collection_url, "embedding": settings.embedding_url}
        self.audience = urls.get(service, "").rstrip("/")

    def check(self, request: flask.Request) -> None:
        """Let a call in whose token is right; raises Unauthorized or Forbidden."""
        claims = self._read(_token(request))
        issuer, expires_at, expected = claims.get("iss"), claims.get("exp"), self.settings.invoker_service_account
        is_google = isinstance(issuer, str) and issuer in _ISSUERS
        if not is_google or not self.audience or str(claims.get("aud", "")).rstrip("/") != self.audience:
            raise Unauthorized("The ID token isn't Google's or is meant for another service.")
        if not expected or claims.get("email") != expected or claims.get("email_verified") is not True:
            raise Forbidden("The ID token is of another account than INVOKER_SERVICE_ACCOUNT.")
        if not isinstance(expires_at, int | float) or not expires_at > time.time() - LEEWAY_S:
            raise Unauthorized("The ID token has expired.")

    def _read(self, token: str) -> dict[str, Any]:
        _, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        is_checked = self.settings.on_cloud_run or self.settings.auth_mode == "local"
        try:
            if signature == _REMOVED_SIGNATURE and is_checked:
                content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
            else:
                content = verified_payload(token, {"RS256": self.keys})
            return msgspec.json.decode(content, type=dict[str, Any])
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            raise Unauthorized("The ID token can't be read.") from error


def _token(request: flask.Request) -> str:
    """Read the token that Cloud Run has checked: of the two headers that may hold one, it checks only the first."""
    header = request.headers.get("X-Serverless-Authorization") or request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or token.count(".") != 2:
        raise Unauthorized("This route is for Cloud Tasks and Cloud Scheduler: it needs Google's ID token.")
    return token
