"""Google's own calls: what the claims of a token must say, and where they are believed without a signature."""

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

GOOD = {
    "iss": "https://accounts.google.com",
    "aud": "https://collection.example",
    "email": "tasks@p.iam.gserviceaccount.com",
    "email_verified": True,
}
ON_CLOUD_RUN: dict[str, Any] = {"auth_mode": "jwt", "k_service": "collection"}
ON_A_LAPTOP: dict[str, Any] = {"auth_mode": "local"}
ELSEWHERE: dict[str, Any] = {"auth_mode": "jwt"}


def check(signature: str = "SIGNATURE_REMOVED_BY_GOOGLE", **changes: Any) -> None:
    claims = {"exp": time.time() + 600} | GOOD | changes
    check_token(f"e30.{encoded(json.dumps(claims).encode())}.{signature}")


def encoded(claims: bytes) -> str:
    return base64.urlsafe_b64encode(claims).decode().rstrip("=")


def check_token(
    token: str, where: dict[str, Any] = ON_CLOUD_RUN, service: str = "collection", jwks: str = "", **headers: str
) -> None:
    settings = Settings(
        database_url="x",
        collection_url="https://collection.example/",
        embedding_url="https://embedding.example/",
        invoker_service_account=str(GOOD["email"]),
        google_jwks_url=jwks or "https://127.0.0.1:9/certs",
        **where,
    )
    given = {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    with flask.Flask("t").test_request_context(headers=given, environ_base=peer):
        Auth(settings, unopened_database(), service).check("google", flask.request)


def refusal(*args: Any, **kwargs: Any) -> int:
    with pytest.raises(HeadwaterError) as refused:
        check_token(*args, **kwargs)
    return refused.value.status


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
    with pytest.raises(HeadwaterError) as refused:
        check(**changes)
    assert refused.value.status == status


def test_expiry_accepts_any_number() -> None:
    check(exp=10**400)


@pytest.mark.parametrize(
    "claims", ["\xe9\xe9", "abcde", encoded(b'{"a":' + b"[" * 5000), encoded(b"\xff"), encoded(b"[]")]
)
def test_malformed_token_is_rejected(claims: str) -> None:
    assert refusal(f"e30.{claims}.SIGNATURE_REMOVED_BY_GOOGLE") == 401


def good_token() -> str:
    return f"e30.{encoded(json.dumps({'exp': time.time() + 600} | GOOD).encode())}.SIGNATURE_REMOVED_BY_GOOGLE"


def test_function_without_a_queue_rejects_tickets() -> None:
    assert refusal(good_token(), service="chat") == 401


def test_only_the_header_verified_by_cloud_run_is_trusted() -> None:
    forged = good_token()
    assert refusal(forged, X_Serverless_Authorization="Bearer e30.e30.SIGNATURE_REMOVED_BY_GOOGLE") == 401
    check_token("of.a.user", X_Serverless_Authorization=f"Bearer {good_token()}")


def test_local_mode_accepts_tickets_only_from_this_machine() -> None:
    check_token(good_token(), ON_A_LAPTOP)
    check_token(good_token(), Host="collection.example")
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        assert refusal(good_token(), ON_A_LAPTOP, **headers) == 403


def test_signature_is_verified_outside_cloud_run(google: FakeIssuer) -> None:
    claims = {"exp": time.time() + 600} | GOOD
    signed = google.sign(claims)
    check_token(signed, ELSEWHERE, jwks=google.url)
    check_token(signed, ON_CLOUD_RUN, jwks=google.url)
    assert refusal(good_token(), ELSEWHERE, jwks=google.url) == 401
    assert refusal(good_token(), ELSEWHERE, jwks=google.url, X_CloudScheduler="true", X_CloudTasks_QueueName="q") == 401
    head, _, signature = signed.split(".")
    forged = encoded(json.dumps(claims | {"email": "x"}).encode())
    assert refusal(f"{head}.{forged}.{signature}", ELSEWHERE, jwks=google.url) == 401
    assert refusal(google.sign(claims | {"aud": "https://embedding.example"}), ELSEWHERE, jwks=google.url) == 401
    assert refusal(google.sign(claims | {"email": "other@x"}), ELSEWHERE, jwks=google.url) == 403


def test_unavailable_google_keys_give_503(google: FakeIssuer) -> None:
    assert refusal(google.sign({"exp": time.time() + 600} | GOOD), ELSEWHERE, jwks="http://127.0.0.1:9/certs") == 503
