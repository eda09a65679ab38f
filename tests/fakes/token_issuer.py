"""A token issuer on loopback with a JWKS, key rotation and failures.

Its sign-in page asks only for a name.
"""

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/auth/v1"
AUDIENCE = "authenticated"


class FakeIssuer:
    """Signs with its newest key and publishes all keys."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.url = ""
        self.asked = 0
        self.status = 200
        self.content: bytes | None = None
        """The body of the answer, instead of the keys."""
        self.leads_to = ""
        """The target of a redirect, with a `status` of 302."""
        self.wait: threading.Event | None = None
        """Delays answers until it is set."""
        self.keys: dict[str, Any] = {}
        self.rotate()

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with a new key. Without `keep`, stop publishing the older ones."""
        number = len(self.keys)
        if not keep:
            self.keys.clear()
        self.keys[f"key-{number}"] = private_key(self.algorithm, number)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign claims without changes."""
        kid, key = list(self.keys.items())[-1]
        given = {name: value for name, value in ({"kid": kid} | header).items() if value is not None}
        return jwt.encode(claims, key, self.algorithm, headers=given)

    def token(self, subject: str = "ada", **changes: Any) -> str:
        """Make a valid token with these changes. None removes a claim."""
        return self.sign(good_claims(subject, **changes))

    @property
    def sign_in_url(self) -> str:
        """The URL template of the sign-in page."""
        return f"{self.url.rpartition('/.well-known')[0]}/authorize?redirect_to={{redirect}}&state={{state}}"

    def key_set(self) -> dict[str, Any]:
        """Return the JWKS."""
        return {"keys": [{**public_jwk(key), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]}


def good_claims(subject: str = "ada", **changes: Any) -> dict[str, Any]:
    """Make valid claims with these changes. None removes a claim."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600} | changes
    return {name: value for name, value in claims.items() if value is not None}


@cache
def private_key(algorithm: str, number: int) -> Any:
    """Make the key of a number once, because RSA keys are slow to make."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: Any) -> dict[str, Any]:
    """Return the public key as a JWK."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(public, as_dict=True)
    kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else OKPAlgorithm
    described: dict[str, Any] = kind.to_jwk(public, as_dict=True)
    return described


def unsigned(claims: dict[str, Any], signature: str = "", **header: Any) -> str:
    """Compose a token without a valid signature."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"} | header, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), signature])


def signed_by_hmac(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """Compose an HS256 token with any secret, such as a public key, which pyjwt refuses."""
    signed = unsigned(claims, alg="HS256", kid=kid).removesuffix(".")
    mac = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def public_forms(key: Any) -> list[bytes]:
    """Return the public key in each form that could be mistaken for a shared secret."""
    public, info = key.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    encoded = [public.public_bytes(form, info) for form in (serialization.Encoding.PEM, serialization.Encoding.DER)]
    return [*encoded, json.dumps(public_jwk(key)).encode()]


class _Handler(BaseHTTPRequestHandler):
    issuer: FakeIssuer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/authorize":
            self._sign_in(dict(parse_qsl(asked.query)))
        else:
            self._tell_keys()

    def _sign_in(self, asked: dict[str, str]) -> None:
        """Show a form for a name; a submitted name is redirected back with a token in the fragment."""
        given = asked.pop("name", None)
        content = b"" if given else _page(asked).encode()
        self.send_response(302 if given else 200)
        if given:
            token = self.issuer.token(given, name=given.capitalize())
            back = {"access_token": token, "token_type": "bearer", "state": asked["state"]}
            self.send_header("Location", f"{asked['redirect_to']}#{urlencode(back)}")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _tell_keys(self) -> None:
        self.issuer.asked += 1
        if self.issuer.wait:
            self.issuer.wait.wait(300)
        content = json.dumps(self.issuer.key_set()).encode() if self.issuer.content is None else self.issuer.content
        self.send_response(self.issuer.status)
        self.send_header("Location", self.issuer.leads_to)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


def _page(asked: dict[str, str]) -> str:
    kept = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in asked.items())
    title, icon = "<title>Issuer</title>", '<link rel="icon" href="data:,">'
    form = f'<form>{kept}<label>Name <input name="name"></label> <button>Continue</button></form>'
    return f"<!doctype html>{title}{icon}<h1>Issuer</h1>{form}"


@contextmanager
def fake_issuer(algorithm: str = "ES256") -> Iterator[FakeIssuer]:
    """Run an issuer until the block ends."""
    issuer = FakeIssuer(algorithm)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"issuer": issuer}))
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/.well-known/jwks.json"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        if issuer.wait:
            issuer.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
