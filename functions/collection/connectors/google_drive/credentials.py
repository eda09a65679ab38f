"""Get access tokens for Google's APIs: with a service account's key, or with a user's refresh token (OAuth 2.0)."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from functions.collection.connectors.api_client import ApiClient, ApiService, host_of
from functions.collection.connectors.api_values import Refused, as_dict, as_text
from headwater.errors import SystemicError

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

SCOPE = "https://www.googleapis.com/auth/drive.readonly"
LIFETIME_S = 3600
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_WRONG = (
    "The secret must be the JSON key of a service account, or JSON with client_id, client_secret and refresh_token."
)


class GoogleSecret(msgspec.Struct, frozen=True):
    """A key file of a service account, or the credentials of a user, as Google's tools write them."""

    client_email: str = ""
    private_key: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    token_uri: str = _TOKEN_URI

    @property
    def account(self) -> str:
        """The e-mail address with which folders have to be shared."""
        return self.client_email or "the account of the refresh token"


def read_secret(secret: str | None) -> GoogleSecret:
    """Decode a source's secret. Raises SystemicError if it is of neither kind."""
    try:
        found = msgspec.json.decode(secret or "", type=GoogleSecret)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise SystemicError(_WRONG) from None
    is_user = bool(found.client_id and found.client_secret and found.refresh_token)
    if not (is_user or (found.client_email and found.private_key)):
        raise SystemicError(_WRONG)
    if urlsplit(found.token_uri).scheme not in ("http", "https"):
        raise SystemicError("The secret's token_uri isn't a web address.")
    return found


def request_token(client: "GuardedHttp", secret: GoogleSecret, subject: str, *, timeout_s: float) -> str:
    """Return an access token, for `subject` if it isn't empty. Raises SystemicError with the reason."""
    if secret.refresh_token:
        names = ("client_id", "client_secret", "refresh_token")
        fields = {"grant_type": "refresh_token", **{name: getattr(secret, name) for name in names}}
    else:
        fields = {"grant_type": _JWT_BEARER, "assertion": _assertion(secret, subject)}
    try:
        api = ApiClient(client, secret.token_uri, ApiService(host_of(secret.token_uri), 0.0), {})
        answer = as_dict(api.post_form("", fields, timeout_s=timeout_s))
    except Refused as error:
        advice = "Check that the key exists and that this machine's clock is right"
        if subject:
            advice += f", and that the account may act for {subject} (domain-wide delegation with the scope {SCOPE})"
        raise SystemicError(f"Google refuses the secret ({error.code or error.http_status}). {advice}.") from None
    token = as_text(answer.get("access_token"))
    if not token or not token.isascii() or not token.isprintable():
        raise SystemicError("Google's answer has no access token. Check the secret's token_uri.")
    return token


def _assertion(secret: GoogleSecret, subject: str) -> str:
    """Return a signed request for a token (Google, "Using OAuth 2.0 for Server to Server Applications")."""
    import jwt

    now = int(time.time())
    claims: dict[str, Any] = {"iss": secret.client_email, "scope": SCOPE, "aud": secret.token_uri, "iat": now}
    claims |= {"exp": now + LIFETIME_S, **({"sub": subject} if subject else {})}
    try:
        return jwt.encode(claims, secret.private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise SystemicError("The secret's private_key can't be read. Copy the whole key file.") from None
