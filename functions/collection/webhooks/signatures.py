"""Verify the signature of a webhook's delivery. Pure.

Four schemes are known, by their headers: Standard Webhooks (https://www.standardwebhooks.com), GitHub's, which Gitea,
Forgejo and Bitbucket send too, GitLab's token, and HTTP Basic, for senders that know an address only, such as
`https://mail:SECRET@host/…`. All use the secret of the source.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from headwater.auth.webhook_signatures import signature_of
from headwater.errors import Unauthorized

TOLERANCE = dt.timedelta(minutes=5)
"""How far a timestamp of Standard Webhooks may be from now."""

_UNSIGNED = (
    "The delivery isn't signed. Send `webhook-signature` (Standard Webhooks), `X-Hub-Signature-256` (GitHub), "
    "`X-Gitlab-Token` (GitLab) or a password (HTTP Basic), with the secret of this webhook."
)
_WRONG = (
    "The signature isn't that of this webhook's secret. Enter the secret again at the server that sends the webhook."
)


@dataclass(frozen=True)
class Delivery:
    """A signed delivery. A repetition has the same `id`. A ping reports no change."""

    id: str
    is_ping: bool = False


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: dt.datetime) -> Delivery:
    """Verify a delivery by the scheme of its headers (names of any case). Raises Unauthorized with the reason."""
    named = {name.lower(): value for name, value in headers.items()}
    if "webhook-signature" in named:
        return _verify_standard(named, body, secret, now)
    # Bitbucket's header is the one in which GitHub sends SHA-1, beside that of SHA-256.
    if (signature := named.get("x-hub-signature-256", named.get("x-hub-signature"))) is not None:
        return _verify_github(signature, body, secret, named.get("x-github-event") or named.get("x-gitea-event", ""))
    if (token := named.get("x-gitlab-token")) is not None:
        _check(token, secret)
        return Delivery(hashlib.sha256(body).hexdigest())
    if (password := _basic_password(named.get("authorization", ""))) is not None:
        _check(password, secret)
        return Delivery(hashlib.sha256(body).hexdigest())
    raise Unauthorized(_UNSIGNED)


def _basic_password(authorization: str) -> str | None:
    """Return the password of HTTP Basic (RFC 7617); None for another scheme."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode(errors="replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _verify_standard(headers: Mapping[str, str], body: bytes, secret: str, now: dt.datetime) -> Delivery:
    """Verify HMAC-SHA256 of `ID.TIMESTAMP.BODY` by the secret's bytes. Several signatures may be given."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    # Only the digits of seconds, so that any number of digits costs nothing.
    sent_s = int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12 else 0
    if not message_id or abs(now.timestamp() - sent_s) > TOLERANCE.total_seconds():
        raise Unauthorized(
            "The delivery needs `webhook-id`, and a `webhook-timestamp` within five minutes of now. Check the clock of "
            "the server that sends the webhook."
        )
    signed = signature_of(message_id, timestamp, body, secret)
    given = [_decode(signature) for signature in headers["webhook-signature"].split()]
    if not any(hmac.compare_digest(signed, signature) for signature in given):
        raise Unauthorized(_WRONG)
    return Delivery(hashlib.sha256(message_id.encode(errors="surrogateescape")).hexdigest())


def _decode(signature: str) -> bytes:
    """Decode a signature of version 1, such as `v1,K5oZ…`. Any other is empty."""
    version, _, encoded = signature.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def _verify_github(signature: str, body: bytes, secret: str, event: str) -> Delivery:
    """Verify HMAC-SHA256 of the body by the secret's text. It is all that is signed, so it names the delivery."""
    signed = hmac.digest(secret.encode(), body, "sha256").hex()
    _check(signature, f"sha256={signed}")
    return Delivery(signed, is_ping=event == "ping")


def _check(given: str, expected: str) -> None:
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode()):
        raise Unauthorized(_WRONG)
