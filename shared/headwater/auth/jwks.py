"""Fetch and cache an issuer's public keys (JWKS, RFC 7517).

A key verifies only the algorithm of its type, regardless of the token's header. Keys are cached for ten minutes. An
unknown key id triggers a refresh, since issuers rotate keys, but at most every few seconds, since key ids can be made
up. While the issuer is unreachable, cached keys are used for up to a day.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater import logs
from headwater.errors import UpstreamError
from headwater.outbound.deadline import within
from headwater.redaction import quote

MAX_AGE_S = 600.0
MAX_STALE_S = 86_400.0
TIMEOUT_S = 3.0
MISS_COOLDOWN_S = 5.0
"""Minimum seconds between refreshes caused by unknown key ids."""

FAILURE_COOLDOWN_S = 30.0
"""Seconds until the next refresh after a failed one."""

MAX_BYTES = 200_000


@dataclass(frozen=True)
class PublicKey:
    """A public key and the one algorithm it verifies."""

    algorithm: str
    kid: str | None
    key: Any


class Jwks:
    """An issuer's keys, fetched on first use. Safe to share between threads."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._clock = clock
        self._keys: Sequence[PublicKey] = ()
        self._fetched_at = self._tried_at = -math.inf
        self.failure: Exception | None = None
        self._refresh_lock = threading.Lock()

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """Return the key for a token; without a key id, the only key of the algorithm. None if there is none.

        Raises UpstreamError if the issuer is unreachable and the cached keys are too old or lack the key.
        """
        age = self._clock() - self._fetched_at
        if age > MAX_AGE_S:
            self._refresh(FAILURE_COOLDOWN_S, wait=age > MAX_STALE_S)
        key = _pick(self._keys, algorithm, kid)
        if key is None:
            self._refresh(MISS_COOLDOWN_S, wait=True)
            key = _pick(self._keys, algorithm, kid)
        is_outdated = self._clock() - self._fetched_at > MAX_STALE_S
        if is_outdated or (key is None and self.failure is not None):
            raise UpstreamError(
                "Tokens can't be verified now: the issuer's keys are unavailable. Try again in a few seconds."
            )
        return key

    def _refresh(self, after_s: float, *, wait: bool) -> None:
        """Fetch the keys unless tried within the last `after_s`. Only one thread fetches; others wait if `wait`."""
        if not self._refresh_lock.acquire(blocking=wait):
            return
        try:
            if self._clock() - self._tried_at < after_s:
                return
            self._tried_at = self._clock()
            self._keys = read_keys(_fetch(self.url, self.timeout_s))
            self._fetched_at, self.failure = self._clock(), None
        except (OSError, ValueError, RecursionError) as error:
            self.failure = error
            logs.event("jwks.not_read", severity=30, error=error, url=self.url)
        finally:
            self._refresh_lock.release()


def read_keys(content: bytes) -> list[PublicKey]:
    """Parse the signature keys of a JWKS (RFC 7517, 7518, 8037); other keys are ignored.

    Raises ValueError if the content is no JWKS or has no usable key.
    """
    members = msgspec.json.decode(content, type=dict[str, Any]).get("keys")
    if not isinstance(members, list):
        raise ValueError("Not a JWKS: the list `keys` is missing.")
    keys = [key for member in members if isinstance(member, dict) and (key := _read_key(member)) is not None]
    if not keys:
        raise ValueError("The JWKS has no key for ES256, RS256 or EdDSA.")
    return keys


class _JwkFields(msgspec.Struct):
    kty: str
    crv: str | None = None
    kid: str | None = None
    alg: str | None = None
    use: str = "sig"


def _read_key(member: Mapping[str, Any]) -> PublicKey | None:
    import jwt

    try:
        fields = msgspec.convert(member, _JwkFields)
    except msgspec.ValidationError:
        return None
    algorithm = _ALGORITHMS.get((fields.kty, fields.crv))
    if algorithm is None or fields.alg not in (None, algorithm) or fields.use != "sig":
        return None
    public = {name: value for name, value in member.items() if name not in _PRIVATE_PARTS}
    try:
        return PublicKey(algorithm, fields.kid, jwt.PyJWK(public, algorithm).key)
    except jwt.PyJWTError:
        return None


def _pick(keys: Sequence[PublicKey], algorithm: str, kid: str | None) -> PublicKey | None:
    candidates = [key for key in keys if key.algorithm == algorithm and kid in (None, key.kid)]
    return candidates[0] if len(candidates) == 1 else None


def _fetch(url: str, timeout_s: float) -> bytes:
    """Fetch a URL without following redirects, within `timeout_s` and `MAX_BYTES`; raises OSError or ValueError."""
    from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
    from urllib.error import HTTPError
    from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

    from headwater.outbound.sockets import create_connection, tls_context

    class Connection(HTTPConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._create_connection = create_connection

    class TLSConnection(Connection, HTTPSConnection):
        pass

    class Handler(HTTPHandler, HTTPSHandler):
        def http_open(self, request: Request) -> HTTPResponse:
            return self.do_open(Connection, request)

        def https_open(self, request: Request) -> HTTPResponse:
            return self.do_open(TLSConnection, request, context=tls_context())

    class NoRedirects(HTTPRedirectHandler):  # a redirect to http:// would allow forged keys
        def redirect_request(self, *_: object) -> None:
            return None

    content = b""
    try:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the URL is a setting
        with within(timeout_s), build_opener(Handler, NoRedirects).open(request, timeout=timeout_s) as response:
            while part := response.read1(65_536):
                content += part
                if len(content) > MAX_BYTES:
                    raise ValueError(f"The JWKS is larger than {MAX_BYTES} bytes.")
    except HTTPError as error:
        error.close()
        raise OSError(f"The issuer answered with HTTP {error.code}.") from None  # its text may be long
    except HTTPException as error:
        raise OSError(f"The issuer's response is not HTTP: {quote(repr(error))}") from None
    return content


_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""By type and curve."""

_PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
