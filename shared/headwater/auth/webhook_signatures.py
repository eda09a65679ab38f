"""Make secrets of webhooks, and sign deliveries by the scheme of Standard Webhooks (standardwebhooks.com). Pure."""

import base64
import datetime as dt
import hmac
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret


def make_secret() -> str:
    """Return a new secret: the prefix of Standard Webhooks, and 32 random bytes as base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature_of(message_id: str, timestamp: str, body: bytes, secret: str) -> bytes:
    """Return the HMAC-SHA256 of `ID.TIMESTAMP.BODY` by the secret's bytes."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return hmac.digest(key, f"{message_id}.{timestamp}.".encode(errors="surrogateescape") + body, "sha256")


def sign(message_id: str, body: bytes, secret: str, now: dt.datetime) -> dict[str, str]:
    """Return the headers of a signed delivery. Its repetitions have the same `message_id`."""
    timestamp = str(int(now.timestamp()))
    signature = base64.b64encode(signature_of(message_id, timestamp, body, secret)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
