"""Users' tokens (JWT, RFC 7519): a token flows in, who it is of flows out, or Unauthorized.

Which key verifies a token is decided by the settings: HS256 only by `AUTH_SECRET`, ES256, RS256 and EdDSA only by keys
from `AUTH_JWKS_URL`. No other algorithm exists here, and no key serves two, so a public key is never taken for a
secret (RFC 8725, 2.1). The Worker checks the same before a function wakes.
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
"""How far the issuer's clock and ours may be apart."""

MAX_SUBJECT_CHARS = 255


class Identity(msgspec.Struct, frozen=True):
    """Who a token is of: the issuer's id for them, and what people call them, if it tells."""

    subject: str
    name: str | None


class Keys(Protocol):
    """Where the key of a token is found."""

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """Find the one key that may verify a token with this header."""


class SharedSecret:
    """A secret shared with the issuer; it has no id, whatever a token calls it."""

    def __init__(self, secret: str) -> None:
        self._key = PublicKey("HS256", None, secret.encode())

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:  # noqa: ARG002
        """Return it for the algorithm that it serves."""
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
    """Verify tokens of the issuer that the settings name."""

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
        """Check signature, issuer, audience and times.

        Raises Unauthorized, or UpstreamError when the issuer's keys can't be had.
        """
        try:
            claims = msgspec.json.decode(verified_payload(token, self._keys), type=_Claims)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unauthorized("The token lacks a claim that it needs: iss, aud, sub and exp.") from error
        self._check(claims)
        name = next((told for told in (claims.name, claims.email) if isinstance(told, str) and told.strip()), None)
        return Identity(claims.sub, name and replace_unstorable(name[:200]))

    def _check(self, claims: _Claims) -> None:
        now = self._clock()
        if claims.iss != self.settings.auth_issuer:
            raise Unauthorized("The token is of another issuer than AUTH_ISSUER.")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if not set(audiences) & set(self.settings.auth_audience):
            raise Unauthorized("The token is meant for another service: its audience isn't in AUTH_AUDIENCE.")
        if not claims.exp > now - LEEWAY_S:
            raise Unauthorized("The token has expired. Sign in again.")
        if claims.nbf is not None and not claims.nbf <= now + LEEWAY_S:
            raise Unauthorized("The token isn't valid yet.")
        if not is_subject(claims.sub):
            raise Unauthorized(f"The token's `sub` must be 1 to {MAX_SUBJECT_CHARS} printable characters.")


def is_subject(subject: str) -> bool:
    """Tell whether an issuer's user may be called so: in print, and not as callers of our own making are."""
    is_ours = subject in (LOCAL, DEPLOYMENT) or subject.startswith(KEY_PREFIX)
    return subject.isprintable() and 0 < len(subject) <= MAX_SUBJECT_CHARS and not is_ours


def verified_payload(token: str, keys: Mapping[str, Keys]) -> bytes:
    """Return the payload of a token whose signature verifies with a key of `keys`, by algorithm.

    Raises Unauthorized, or UpstreamError when the keys can't be had.
    """
    import jwt

    header = _read_header(token)
    if header.alg not in keys:
        raise Unauthorized(f"Tokens signed with {header.alg[:20]!r} aren't taken here, only {', '.join(sorted(keys))}.")
    key = keys[header.alg].find(header.alg, header.kid)
    if key is None:
        raise Unauthorized("The token is signed with a key that its issuer doesn't publish. Sign in again.")
    verifier = jwt.PyJWS(options={"enforce_minimum_key_length": True})
    try:
        payload: bytes = verifier.decode(token, key.key, algorithms=[key.algorithm])
    except jwt.PyJWTError as error:
        raise Unauthorized("The token's signature doesn't verify.") from error
    return payload


def _read_header(token: str) -> _Header:
    head, _, _ = token.partition(".")
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=_Header)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise Unauthorized("The token can't be read: it is neither a JWT nor an API key.") from error
    if header.crit:
        raise Unauthorized("The token asks for extensions (`crit`) that aren't known here.")
    return header
