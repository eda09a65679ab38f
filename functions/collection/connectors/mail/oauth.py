"""Request access tokens for mailboxes of Google, Microsoft and others (RFC 6749, 6)."""

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3.exceptions as http

from functions.collection.connectors.mail.config import OAuthSecret
from headwater.errors import SystemicError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.http_errors import translate_http_error
from headwater.redaction import quote
from headwater.retry_after import read_pause

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

TOKEN_S = 20.0
MAX_ANSWER_BYTES = 100_000


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str = ""
    error: str = ""
    error_description: str = ""


def request_access_token(client: "GuardedHttp", secret: OAuthSecret, *, allow_plain: bool) -> str:
    """Return an access token. Raises SystemicError if the server refuses it, UpstreamError for other failures."""
    parts = urlsplit(secret.token_url)
    if not parts.hostname or (parts.scheme != "https" and not (allow_plain and parts.scheme == "http")):
        raise SystemicError("The secret's token_url must be an address that starts with https://.")
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": secret.refresh_token,
        "client_id": secret.client_id,
        "client_secret": secret.client_secret,
        "scope": secret.scope,
    }
    body = urlencode({name: value for name, value in fields.items() if value})
    headers = {**client.headers, "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    try:
        with within(TOKEN_S):
            response = client.request(
                "POST", secret.token_url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                content = response.read(MAX_ANSWER_BYTES)
            finally:
                response.close()
    except (http.HTTPError, DeadlineExceeded) as error:
        raise translate_http_error(error, secret.token_url, parts.hostname) from None
    if response.status == 429 or response.status >= 500:
        pause_s = read_pause(response.headers)
        raise UpstreamError(f"{parts.hostname} answered with HTTP {response.status}. Try again later.", pause_s)
    try:
        answer = msgspec.json.decode(content, type=_TokenAnswer)
    except msgspec.DecodeError:
        answer = _TokenAnswer(error="no JSON")
    if response.status != 200 or not answer.access_token:
        reason = quote(answer.error_description or answer.error or f"HTTP {response.status}")
        raise SystemicError(
            f"{parts.hostname} gave no access token ({reason}). Sign in again and enter the new refresh token."
        )
    return answer.access_token
