"""Signs ID tokens, for targets that verify them themselves because they do not run behind Cloud Run.

`SigningSender` replaces the marker that `id_tokens` leaves with a signature: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017,
8.2). The public key is at `GET /oauth2/v3/certs`, the path of Google's own. Do not trust these keys outside a laptop.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from localcloud.private_files import write_private_file
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
    """An RSA key: its two primes."""

    p: int
    q: int

    @property
    def modulus(self) -> int:
        """The public modulus."""
        return self.p * self.q

    def public_jwk(self) -> JsonObject:
        """Return the public key as a JSON Web Key (RFC 7517)."""
        n, e = (_base64url(number.to_bytes(-(-number.bit_length() // 8))) for number in (self.modulus, EXPONENT))
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": n, "e": e}

    def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        info = _SHA256_INFO + hashlib.sha256(message).digest()
        padded = b"\x00\x01" + b"\xff" * (_SIZE_BYTES - len(info) - 3) + b"\x00" + info
        exponent = pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))
        return pow(int.from_bytes(padded), exponent, self.modulus).to_bytes(_SIZE_BYTES)

    def sign_token(self, token: str) -> str:
        """Replace the marker in an ID token by a signature. Other tokens are returned unchanged."""
        unsigned, marker, _ = token.partition(f".{SIGNATURE}")
        return f"{unsigned}.{_base64url(self.sign(unsigned.encode()))}" if marker else token


class SigningSender:
    """A sender that signs the ID tokens in requests, then passes them to another sender."""

    def __init__(self, sender: Sender, key: Key) -> None:
        self._sender = sender
        self._key = key
        self.routes = [Route("GET", "/oauth2/v3/certs", "oauth2.certs", self._certs, public=True)]

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the response. Errors: OSError (no response), ProtocolError (not HTTP)."""
        headers = [(name, _signed(self._key, value)) for name, value in request.headers]
        return await self._sender.send(replace(request, headers=headers))

    def _certs(self, _: Call) -> JsonObject:
        return {"keys": [self._key.public_jwk()]}


def _signed(key: Key, header: str) -> str:
    scheme, _, token = header.partition(" ")
    return f"Bearer {key.sign_token(token)}" if scheme == "Bearer" else header


def load_or_create_key(path: Path) -> Key:
    """Load the key at `path`, or create it, which takes about a second."""
    if not path.exists():
        key = generate_key()
        write_private_file(path, json.dumps({"p": key.p, "q": key.q}))
    return Key(**json.loads(path.read_text()))


def generate_key() -> Key:
    """Generate a key of 2,048 bits."""
    p = _generate_prime()
    while (q := _generate_prime()) == p:
        pass
    return Key(p, q)


def _generate_prime() -> int:
    while True:
        # With the two highest bits set, the product of two primes has exactly 2,048 bits.
        candidate = secrets.randbits(PRIME_BITS) | (3 << (PRIME_BITS - 2)) | 1
        if candidate % EXPONENT != 1 and all(candidate % prime for prime in _SMALL_PRIMES) and _is_prime(candidate):
            return candidate


def _is_prime(number: int) -> bool:
    """Miller-Rabin primality test. A composite number passes with a probability of at most 4^-40."""
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


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
