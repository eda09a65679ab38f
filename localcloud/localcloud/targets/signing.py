"""Signatures of the ID tokens, for targets that no Cloud Run stands before and that verify what they get themselves.

A request flows in with the token that `identity` made; it flows on to the target with a signature in the marker's
place. Targets find the public key at `GET /oauth2/v3/certs`, as Google's is found. RSASSA-PKCS1-v1_5 with SHA-256
(RFC 8017, 8.2), which is nothing but integers in Python; a key made here vouches for nothing outside this machine.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from localcloud.rest.router import Call, JsonObject, Route
from localcloud.targets.id_tokens import KEY_ID, SIGNATURE
from localcloud.targets.outbound import OutboundRequest, OutboundResponse
from localcloud.targets.outcome import Sender

PRIME_BITS = 1024
EXPONENT = 65537
_SIZE_BYTES = PRIME_BITS * 2 // 8
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2, note 1
_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA key, by its primes."""

    p: int
    q: int

    @property
    def modulus(self) -> int:
        """The public part, beside the exponent."""
        return self.p * self.q

    def public_jwk(self) -> JsonObject:
        """Describe the public key."""
        n, e = (_text(number.to_bytes(-(-number.bit_length() // 8))) for number in (self.modulus, EXPONENT))
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": n, "e": e}

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        info = _SHA256_INFO + hashlib.sha256(message).digest()
        padded = b"\x00\x01" + b"\xff" * (_SIZE_BYTES - len(info) - 3) + b"\x00" + info
        exponent = pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))
        return pow(int.from_bytes(padded), exponent, self.modulus).to_bytes(_SIZE_BYTES)


class Signing:
    """Sends requests, after it has signed the ID tokens in them."""

    def __init__(self, sender: Sender, key: Key) -> None:
        self._sender = sender
        self._key = key
        self.routes = [Route("GET", "/oauth2/v3/certs", "oauth2.certs", self._certs)]

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the final answer. Errors: OSError (no answer), ProtocolError (not HTTP)."""
        headers = [(name, self._signed(value)) for name, value in request.headers]
        return await self._sender.send(replace(request, headers=headers))

    def _signed(self, value: str) -> str:
        unsigned, marker, _ = value.partition(f".{SIGNATURE}")
        if not marker or not unsigned.startswith("Bearer "):
            return value
        return f"{unsigned}.{_text(self._key.sign(unsigned.removeprefix('Bearer ').encode()))}"

    def _certs(self, _: Call) -> JsonObject:
        return {"keys": [self._key.public_jwk()]}


def kept_key(path: Path) -> Key:
    """Read the key of this data folder, made at its first start (which takes about a second)."""
    if not path.exists():
        key = make_key()
        path.touch(mode=0o600)
        path.write_text(json.dumps({"p": key.p, "q": key.q}))
    return Key(**json.loads(path.read_text()))


def make_key() -> Key:
    """Make a key of 2,048 bits."""
    p = _make_prime()
    while (q := _make_prime()) == p:
        pass
    return Key(p, q)


def _make_prime() -> int:
    while True:
        # The two highest bits make the product of two such numbers as long as it should be.
        candidate = secrets.randbits(PRIME_BITS) | (3 << (PRIME_BITS - 2)) | 1
        if candidate % EXPONENT != 1 and all(candidate % prime for prime in _SMALL_PRIMES) and _is_prime(candidate):
            return candidate


def _is_prime(number: int) -> bool:
    """Test as Miller and Rabin do; a number that isn't prime passes with a chance of 4^-40 at most."""
    odd, halvings = number - 1, 0
    while odd % 2 == 0:
        odd, halvings = odd // 2, halvings + 1
    for _ in range(_ROUNDS):
        power = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(halvings - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
