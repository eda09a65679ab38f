"""Calls by Google: the claims that a token must have, and where its signature is verified."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import flask
import pytest

from headwater.auth.authorize import Auth
from headwater.config import Settings
from headwater.errors import HeadwaterError
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.support import unopened_database

CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": "https://collection.example",
    "email": "tasks@p.iam.gserviceaccount.com",
    "email_verified": True,
}
ON_CLOUD_RUN: dict[str, Any] = {"auth_mode": "jwt", "k_service": "collection"}
LOCAL: dict[str, Any] = {"auth_mode": "local"}
ELSEWHERE: dict[str, Any] = {"auth_mode": "jwt"}


def check(signature: str = "SIGNATURE_REMOVED_BY_GOOGLE", **changes: Any) -> None:
    claims = {"exp": time.time() + 600} | CLAIMS | changes
    check_token(f"e30.{encode(json.dumps(claims).encode())}.{signature}")


def encode(claims: bytes) -> str:
    return base64.urlsafe_b64encode(claims).decode().rstrip("=")


def check_token(
    token: str, mode: dict[str, Any] = ON_CLOUD_RUN, service: str = "collection", jwks: str = "", **headers: str
) -> None:
    settings = Settings(
        database_url="x",
        collection_url="https://collection.example/",
        embedding_url="https://embedding.example/",
        invoker_service_account=str(CLAIMS["email"]),
        google_jwks_url=jwks or "https://127.0.0.1:9/certs",
        **mode,
    )
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    with flask.Flask("t").test_request_context(
        headers={"Authorization": f"Bearer {token}"} | extra, environ_base={"REMOTE_ADDR": "127.0.0.1"}
    ):
        Auth(settings, unopened_database(), service).check("google", flask.request)


def rejection(*args: Any, **kwargs: Any) -> int:
    """Return the status of the error for a token that must be rejected."""
    with pytest.raises(HeadwaterError) as raised:
        check_token(*args, **kwargs)
    return raised.value.status


@pytest.fixture(scope="module")
def google() -> Iterator[FakeIssuer]:
    with fake_issuer("RS256") as issuer:
        yield issuer


def test_token_verified_by_cloud_run_is_accepted() -> None:
    check()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"iss": "https://evil.example"}, 401),
        ({"aud": "https://embedding.example"}, 401),
        ({"aud": ["https://collection.example"]}, 401),
        ({"aud": ""}, 401),
        ({"iss": ["https://accounts.google.com"]}, 401),
        ({"exp": 1}, 401),
        ({"exp": None}, 401),
        ({"exp": "soon"}, 401),
        ({"exp": []}, 401),
        ({"email": "someone@p.iam.gserviceaccount.com"}, 403),
        ({"email_verified": False}, 403),
        ({"email_verified": "true"}, 403),
        ({"signature": "c2lnbmF0dXJl"}, 401),
    ],
)
def test_token_with_an_invalid_claim_is_rejected(changes: dict[str, Any], status: int) -> None:
    with pytest.raises(HeadwaterError) as raised:
        check(**changes)
    assert raised.value.status == status


def test_expiry_accepts_any_number() -> None:
    check(exp=10**400)


@pytest.mark.parametrize(
    "claims", ["\xe9\xe9", "abcde", encode(b'{"a":' + b"[" * 5000), encode(b"\xff"), encode(b"[]")]
)
def test_malformed_token_is_rejected(claims: str) -> None:
    assert rejection(f"e30.{claims}.SIGNATURE_REMOVED_BY_GOOGLE") == 401


def unsigned_token() -> str:
    return f"e30.{encode(json.dumps({'exp': time.time() + 600} | CLAIMS).encode())}.SIGNATURE_REMOVED_BY_GOOGLE"


def test_function_without_a_queue_rejects_tickets() -> None:
    assert rejection(unsigned_token(), service="chat") == 401


def test_only_the_header_verified_by_cloud_run_is_trusted() -> None:
    forged = unsigned_token()
    assert rejection(forged, X_Serverless_Authorization="Bearer e30.e30.SIGNATURE_REMOVED_BY_GOOGLE") == 401
    check_token("user.token.signature", X_Serverless_Authorization=f"Bearer {unsigned_token()}")


def test_local_mode_accepts_signed_tickets_from_this_machine_only(google: FakeIssuer) -> None:
    signed = google.sign({"exp": time.time() + 600} | CLAIMS)
    check_token(signed, LOCAL, jwks=google.url)
    assert rejection(unsigned_token(), LOCAL, jwks=google.url) == 401, "other users of the machine can write the marker"
    check_token(unsigned_token(), Host="collection.example")
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert rejection(signed, LOCAL, jwks=google.url, **headers) == 403


def test_signature_is_verified_outside_cloud_run(google: FakeIssuer) -> None:
    claims = {"exp": time.time() + 600} | CLAIMS
    signed = google.sign(claims)
    check_token(signed, ELSEWHERE, jwks=google.url)
    check_token(signed, ON_CLOUD_RUN, jwks=google.url)
    assert rejection(unsigned_token(), ELSEWHERE, jwks=google.url) == 401
    assert (
        rejection(unsigned_token(), ELSEWHERE, jwks=google.url, X_CloudScheduler="true", X_CloudTasks_QueueName="q")
        == 401
    )
    head, _, signature = signed.split(".")
    forged = encode(json.dumps(claims | {"email": "x"}).encode())
    assert rejection(f"{head}.{forged}.{signature}", ELSEWHERE, jwks=google.url) == 401
    assert rejection(google.sign(claims | {"aud": "https://embedding.example"}), ELSEWHERE, jwks=google.url) == 401
    assert rejection(google.sign(claims | {"email": "other@x"}), ELSEWHERE, jwks=google.url) == 403


def test_unavailable_google_keys_give_503(google: FakeIssuer) -> None:
    assert (
        rejection(google.sign({"exp": time.time() + 600} | CLAIMS), ELSEWHERE, jwks="http://127.0.0.1:9/certs") == 503
    )
