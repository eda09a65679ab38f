"""Google ID tokens, as a container on Cloud Run receives them.

Cloud Run verifies the caller's token and replaces the signature with a marker before the container sees it. Tokens made
here have that marker; `signing` replaces it with a signature for targets that verify tokens themselves. Access tokens,
which only Google's APIs read, are a constant.
"""

import base64
import hashlib
import json
from collections.abc import Mapping

SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"
KEY_ID = "localcloud"
LIFETIME_S = 3600
ACCESS_TOKEN = "ya29.localcloud"  # noqa: S105 - grants no access


def id_token(email: str, audience: str, now: float) -> str:
    """Return an ID token of the service account `email` for `audience`, issued `now`, valid for an hour."""
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
    """Return 21 digits, like a service account's unique ID. The same email always gives the same ID."""
    return f"1{int.from_bytes(hashlib.sha256(email.encode()).digest()) % 10**20:020d}"


def _part(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
