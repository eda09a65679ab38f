"""The identity a target sees: the ID token as it arrives *behind* Cloud Run's check.

Cloud Run verifies the caller's token and replaces its signature by a marker before the container sees it, so an
application can only read the claims. Tokens made here look exactly so; `signing` signs them for those who verify
signatures themselves. Access tokens, which only Google's own APIs can read, are one constant.
"""

import base64
import hashlib
import json
from collections.abc import Mapping

SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"
KEY_ID = "localcloud"
LIFETIME_S = 3600
ACCESS_TOKEN = "ya29.localcloud"  # noqa: S105 - opens nothing


def id_token(email: str, audience: str, now: float) -> str:
    """Return the ID token of the service account `email` for `audience`, issued `now`, valid for an hour."""
    header = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
    subject = _unique_id(email)
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "azp": subject,
        "sub": subject,
        "email": email,
        "email_verified": True,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
    }
    return f"{_part(header)}.{_part(claims)}.{SIGNATURE}"


def _unique_id(email: str) -> str:
    """Return 21 digits, like a service account's unique id, always the same for one address."""
    return f"1{int.from_bytes(hashlib.sha256(email.encode()).digest()) % 10**20:020d}"


def _part(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
