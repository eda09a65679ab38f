"""Signatures of ID tokens: what the stock verifier says of them."""

import asyncio
import time
from pathlib import Path

import jwt
import pytest

from localcloud.targets.id_tokens import id_token
from localcloud.targets.outbound import OutboundRequest, OutboundResponse
from localcloud.targets.signing import Key, Signing, kept_key, make_key


class Sent:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        self.headers = dict(request.headers)
        return OutboundResponse(200, {})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "oidc-key.json"


@pytest.fixture(scope="module")
def key(path: Path) -> Key:
    return kept_key(path)


def sent_with(key: Key, authorization: str) -> str:
    sent = Sent()
    headers = [("Authorization", authorization), ("X-Other", "kept")]
    asyncio.run(Signing(sent, key).send(OutboundRequest("POST", "http://127.0.0.1/", headers, b"")))
    assert sent.headers["X-Other"] == "kept"
    return sent.headers["Authorization"]


def test_a_token_is_signed_before_it_leaves_and_verifies_with_the_published_key(key: Key) -> None:
    token = sent_with(key, f"Bearer {id_token('a@p', 'https://service', time.time())}").removeprefix("Bearer ")
    public = jwt.PyJWK(key.public_jwk())
    assert jwt.decode(token, public, ["RS256"], audience="https://service")["email"] == "a@p"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(make_key().public_jwk()), ["RS256"], audience="https://service")


@pytest.mark.parametrize("authorization", ["Bearer a-users.own.token", "Basic x.SIGNATURE_REMOVED_BY_GOOGLE"])
def test_nothing_else_is_signed(key: Key, authorization: str) -> None:
    assert sent_with(key, authorization) == authorization


def test_the_key_is_kept_for_this_user_alone(key: Key, path: Path) -> None:
    assert key.modulus.bit_length() == 2048
    assert kept_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
