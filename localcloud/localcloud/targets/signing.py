"""Signs ID tokens, for targets that verify them themselves because they do not run behind Cloud Run.

`SigningSender` replaces the marker that `id_tokens` leaves with a signature: RSASSA-PKCS1-v1_5 with SHA-256. The public
key is at `GET /oauth2/v3/certs`, the path of Google's own. Do not trust these keys outside a laptop.
"""

import base64
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.private_files import write_private_file
from localcloud.rest.router import Call, JsonObject, Route
from localcloud.targets.id_tokens import KEY_ID, SIGNATURE
from localcloud.targets.outbound import OutboundRequest, OutboundResponse
from localcloud.targets.outcome import Sender

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 2048
EXPONENT = 65537


@dataclass(frozen=True)
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

    @cached_property
    def _private(self) -> "RSAPrivateKey":
        from cryptography.hazmat.primitives.asymmetric import rsa

        d = rsa.rsa_recover_private_exponent(EXPONENT, self.p, self.q)
        remainders = rsa.rsa_crt_dmp1(d, self.p), rsa.rsa_crt_dmq1(d, self.q), rsa.rsa_crt_iqmp(self.p, self.q)
        public = rsa.RSAPublicNumbers(EXPONENT, self.modulus)
        return rsa.RSAPrivateNumbers(self.p, self.q, d, *remainders, public).private_key()

    def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._private.sign(message, PKCS1v15(), SHA256())

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
    """Load the key at `path`, or create it."""
    if not path.exists():
        key = generate_key()
        write_private_file(path, json.dumps({"p": key.p, "q": key.q}))
    return Key(**json.loads(path.read_text()))


def generate_key() -> Key:
    """Generate a key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = rsa.generate_private_key(EXPONENT, KEY_BITS).private_numbers()
    return Key(numbers.p, numbers.q)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
