"""The keys that an issuer publishes (JWKS, RFC 7517): an algorithm and a key id flow in, a public key flows out.

Each key serves the one algorithm that its type stands for, whatever a token says. Keys are kept for ten minutes; a key
id that isn't among them makes us ask at once, since issuers rotate, but at most every few seconds, since anybody can
make key ids up. While the issuer can't be reached, the keys that we have go on to serve for a day.
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

MAX_AGE_S = 600.0
MAX_STALE_S = 86_400.0
TIMEOUT_S = 3.0
MISS_COOLDOWN_S = 5.0
"""How long after asking an unknown key id may make us ask again."""

FAILURE_COOLDOWN_S = 30.0
"""How long keys that should be renewed serve on after the issuer couldn't be reached."""

MAX_BYTES = 200_000


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies, and the one algorithm it verifies."""

    algorithm: str
    kid: str | None
    key: Any


class Jwks:
    """An issuer's keys, for many threads; asks for none before the first is wanted."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._clock = clock
        self._keys: Sequence[PublicKey] = ()
        self._fetched_at = self._asked_at = -math.inf
        self._failure: Exception | None = None
        self._asking = threading.Lock()

    def find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        """Find the key for a token; one without a key id fits if it can mean one key only.

        Raises UpstreamError when the issuer can't be reached and what we have doesn't tell.
        """
        age = self._clock() - self._fetched_at
        if age > MAX_AGE_S:
            self._ask(FAILURE_COOLDOWN_S, wait=age > MAX_STALE_S)
        found = _pick(self._keys, algorithm, kid)
        if found is None:
            self._ask(MISS_COOLDOWN_S, wait=True)
            found = _pick(self._keys, algorithm, kid)
        is_outdated = self._clock() - self._fetched_at > MAX_STALE_S
        if is_outdated or (found is None and self._failure is not None):
            raise UpstreamError("The keys of the token's issuer can't be read now. Try again shortly.")
        return found

    def _ask(self, after_s: float, *, wait: bool) -> None:
        """Fetch the keys, unless that was done or tried within `after_s`; one thread asks, and others needn't wait."""
        if not self._asking.acquire(blocking=wait):
            return
        try:
            if self._clock() - self._asked_at < after_s:
                return
            self._asked_at = self._clock()
            self._keys = read_keys(_fetch(self.url, self.timeout_s))
            self._fetched_at, self._failure = self._clock(), None
        except (OSError, ValueError, RecursionError) as error:
            self._failure = error
            logs.event("jwks.not_read", severity=30, error=error, url=self.url)
        finally:
            self._asking.release()


def read_keys(content: bytes) -> list[PublicKey]:
    """Read the keys of a set that verify signatures, by RFC 7517, 7518 and 8037; others in it are passed over.

    Raises ValueError when it isn't a set of keys, or holds none for us.
    """
    described = msgspec.json.decode(content, type=dict[str, Any]).get("keys")
    if not isinstance(described, list):
        raise ValueError("That is no JWKS: it has no list `keys`.")
    keys = [key for one in described if isinstance(one, dict) and (key := _read_key(one)) is not None]
    if not keys:
        raise ValueError("The JWKS holds no key for ES256, RS256 or EdDSA.")
    return keys


class _Described(msgspec.Struct):
    kty: str
    crv: str | None = None
    kid: str | None = None
    alg: str | None = None
    use: str = "sig"


def _read_key(described: Mapping[str, Any]) -> PublicKey | None:
    import jwt

    try:
        told = msgspec.convert(described, _Described)
    except msgspec.ValidationError:
        return None
    algorithm = _ALGORITHMS.get((told.kty, told.crv))
    if algorithm is None or told.alg not in (None, algorithm) or told.use != "sig":
        return None
    public = {name: value for name, value in described.items() if name not in _PRIVATE_PARTS}
    try:
        return PublicKey(algorithm, told.kid, jwt.PyJWK(public, algorithm).key)
    except jwt.PyJWTError:
        return None


def _pick(keys: Sequence[PublicKey], algorithm: str, kid: str | None) -> PublicKey | None:
    fitting = [key for key in keys if key.algorithm == algorithm and kid in (None, key.kid)]
    return fitting[0] if len(fitting) == 1 else None


def _fetch(url: str, timeout_s: float) -> bytes:
    """Read a URL, and no other that it may name, within `timeout_s` and `MAX_BYTES`; raises OSError or ValueError."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):  # where it leads, anybody between might forge keys
        def redirect_request(self, *_: object) -> None:
            return None

    until = time.monotonic() + timeout_s
    content = b""
    try:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the installation's own setting
        with build_opener(Stay).open(request, timeout=timeout_s) as response:
            while part := response.read1(65_536):
                content += part
                if len(content) > MAX_BYTES:
                    raise ValueError(f"The JWKS is over {MAX_BYTES} bytes.")
                if time.monotonic() > until:
                    raise TimeoutError(f"The JWKS took longer than {timeout_s:g} s.")
    except HTTPError as error:
        error.close()
        raise
    except HTTPException as error:
        raise OSError(f"The issuer doesn't speak HTTP: {error!r}") from error
    return content


_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""By type and curve."""

_PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
