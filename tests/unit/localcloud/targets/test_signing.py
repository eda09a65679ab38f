"""Signatures of ID tokens, verified by PyJWT."""

import asyncio
import time
from pathlib import Path

import jwt
import pytest

from localcloud.targets.id_tokens import id_token
from localcloud.targets.outbound import OutboundRequest, OutboundResponse
from localcloud.targets.signing import Key, SigningSender, generate_key, load_or_create_key


class RecordingSender:
    """Records the headers of the last request."""

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
    return load_or_create_key(path)


def send_with(key: Key, authorization: str) -> str:
    recorder = RecordingSender()
    headers = [("Authorization", authorization), ("X-Other", "unchanged")]
    asyncio.run(SigningSender(recorder, key).send(OutboundRequest("POST", "http://127.0.0.1/", headers, b"")))
    assert recorder.headers["X-Other"] == "unchanged"
    return recorder.headers["Authorization"]


def test_signed_token_verifies_with_the_published_key(key: Key) -> None:
    token = send_with(key, f"Bearer {id_token('a@p', 'https://service', time.time())}").removeprefix("Bearer ")
    public = jwt.PyJWK(key.public_jwk())
    assert jwt.decode(token, public, ["RS256"], audience="https://service")["email"] == "a@p"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(generate_key().public_jwk()), ["RS256"], audience="https://service")


@pytest.mark.parametrize("authorization", ["Bearer a-users.own.token", "Basic x.SIGNATURE_REMOVED_BY_GOOGLE"])
def test_other_authorization_headers_are_unchanged(key: Key, authorization: str) -> None:
    assert send_with(key, authorization) == authorization


def test_key_file_is_reused_and_private(key: Key, path: Path) -> None:
    assert key.modulus.bit_length() == 2048
    assert load_or_create_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
