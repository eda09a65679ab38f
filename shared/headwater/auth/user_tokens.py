"""Verify users' tokens (JWT, RFC 7519).

The settings determine which key verifies a token: HS256 only AUTH_SECRET; ES256, RS256 and EdDSA only keys from
AUTH_JWKS_URL. Other algorithms are rejected, and no key serves two algorithms, so a public key is never used as a
secret (RFC 8725, 2.1). The Worker makes the same checks before it calls a function.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from headwater.auth.callers import DEPLOYMENT, KEY_PREFIX, LOCAL
from headwater.auth.jwks import Jwks, PublicKey
from headwater.config import Settings
from headwater.database.transactions import replace_unstorable
from headwater.errors import Unauthorized

LEEWAY_S = 10
"""Tolerated difference between the issuer's clock and ours."""

MAX_SUBJECT_CHARS = 255


class Identity(msgspec.Struct, frozen=True):
    """A token's subject (the issuer's user id) and name, if any."""

    subject: str
    name: str | None


class Keys(Protocol):
    """Finds a token's key."""

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """Return the key for a token with this header, None if there is none."""


class SharedSecret:
    """A secret shared with the issuer. It has no key id; that of tokens is ignored."""

    def __init__(self, secret: str) -> None:
        self._key = PublicKey("HS256", None, secret.encode())

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:  # noqa: ARG002
        """Return the secret for HS256, else None."""
        return self._key if algorithm == self._key.algorithm else None


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: msgspec.Raw = msgspec.Raw()


class _Claims(msgspec.Struct):
    iss: str
    aud: str | list[str]
    sub: str
    exp: float
    nbf: float | None = None
    name: Any = None
    email: Any = None


class UserTokens:
    """Verifies tokens of the issuer in the settings."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._keys: dict[str, Keys] = {}
        if settings.auth_secret:
            self._keys["HS256"] = SharedSecret(settings.auth_secret)
        if settings.auth_jwks_url:
            jwks = Jwks(settings.auth_jwks_url)
            self._keys |= {"ES256": jwks, "RS256": jwks, "EdDSA": jwks}

    def verify(self, token: str) -> Identity:
        """Verify signature, issuer, audience and times; return the token's identity.

        Raises Unauthorized, or UpstreamError if the issuer's keys are unavailable.
        """
        try:
            claims = msgspec.json.decode(verified_payload(token, self._keys), type=_Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unauthorized("The token lacks a required claim: `iss`, `aud`, `sub` and `exp`.") from error
        self._check(claims)
        name = next((n for n in (claims.name, claims.email) if isinstance(n, str) and n.strip()), None)
        return Identity(claims.sub, name and replace_unstorable(name[:200]))

    def _check(self, claims: _Claims) -> None:
        now = self._clock()
        if claims.iss != self.settings.auth_issuer:
            raise Unauthorized("The token is from another issuer (`iss`) than AUTH_ISSUER.")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if not set(audiences) & set(self.settings.auth_audience):
            raise Unauthorized("The token is for another audience (`aud`) than AUTH_AUDIENCE.")
        if not claims.exp > now - LEEWAY_S:
            raise Unauthorized("The token has expired. Sign in again.")
        if claims.nbf is not None and not claims.nbf <= now + LEEWAY_S:
            raise Unauthorized("The token is not valid yet (`nbf`).")
        if not is_subject(claims.sub):
            raise Unauthorized(
                f"The token's subject (`sub`) must be 1 to {MAX_SUBJECT_CHARS} printable characters, not reserved."
            )


def is_subject(subject: str) -> bool:
    """Return True if a subject is printable, not too long, and not reserved for our own callers."""
    is_reserved = subject in (LOCAL, DEPLOYMENT) or subject.startswith(KEY_PREFIX)
    return subject.isprintable() and 0 < len(subject) <= MAX_SUBJECT_CHARS and not is_reserved


def verified_payload(token: str, keys: Mapping[str, Keys]) -> bytes:
    """Verify a token's signature and return its payload; `keys` are by algorithm.

    Raises Unauthorized, or UpstreamError if the keys are unavailable.
    """
    import jwt

    header = _read_header(token)
    if header.alg not in keys:
        raise Unauthorized(f"The token's algorithm {header.alg[:20]!r} is not accepted. Use {', '.join(sorted(keys))}.")
    key = keys[header.alg].find(header.alg, header.kid)
    if key is None:
        raise Unauthorized("The token is signed with an unknown key. Sign in again.")
    verifier = jwt.PyJWS(options={"enforce_minimum_key_length": True})
    try:
        payload: bytes = verifier.decode(token, key.key, algorithms=[key.algorithm])
    except jwt.PyJWTError as error:
        raise Unauthorized("The token's signature is invalid.") from error
    return payload


def _read_header(token: str) -> _Header:
    head, _, _ = token.partition(".")
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=_Header)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise Unauthorized("The token is neither a JWT nor an API key.") from error
    if header.crit:
        raise Unauthorized("The token requires unsupported extensions (`crit`).")
    return header
