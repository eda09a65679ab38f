"""Google's own calls: what the claims of a token must say."""

import base64
import json
import time
from typing import Any

import flask
import pytest

from headwater.auth import Auth
from headwater.config import Settings
from headwater.errors import HeadwaterError

GOOD = {
    "iss": "https://accounts.google.com",
    "aud": "https://collection.example",
    "email": "tasks@p.iam.gserviceaccount.com",
    "email_verified": True,
}


def check(signature: str = "SIGNATURE_REMOVED_BY_GOOGLE", **changes: Any) -> None:
    claims = {"exp": time.time() + 600} | GOOD | changes
    check_token(f"{encoded(json.dumps(claims).encode())}.{signature}")


def encoded(claims: bytes) -> str:
    return base64.urlsafe_b64encode(claims).decode().rstrip("=")


def check_token(token: str, k_service: str = "collection", **headers: str) -> None:
    settings = Settings(
        database_url="x",
        collection_url="https://collection.example/",
        invoker_service_account=str(GOOD["email"]),
        k_service=k_service,
    )
    given = {"Authorization": f"Bearer e30.{token}", **headers}
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    with flask.Flask("t").test_request_context(headers=given, environ_base=peer):
        Auth(settings).check("google", flask.request)


def test_a_token_that_cloud_run_has_checked_is_believed() -> None:
    check()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"iss": "https://evil.example"}, 401),
        ({"aud": "https://other.example"}, 401),
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
def test_any_other_token_is_refused(changes: dict[str, Any], status: int) -> None:
    with pytest.raises(HeadwaterError) as refused:
        check(**changes)
    assert refused.value.status == status


def test_an_expiry_may_be_any_number() -> None:
    check(exp=10**400)


@pytest.mark.parametrize(
    "claims", ["\xe9\xe9", "abcde", encoded(b'{"a":' + b"[" * 5000), encoded(b"\xff"), encoded(b"[]")]
)
def test_a_token_that_cannot_be_read_is_refused(claims: str) -> None:
    with pytest.raises(HeadwaterError) as refused:
        check_token(f"{claims}.SIGNATURE_REMOVED_BY_GOOGLE")
    assert refused.value.status == 401


def test_off_cloud_run_a_ticket_must_come_from_this_machine_too() -> None:
    token = encoded(json.dumps({"exp": time.time() + 600} | GOOD).encode()) + ".SIGNATURE_REMOVED_BY_GOOGLE"
    check_token(token, k_service="")
    check_token(token, Host="collection.example")
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        with pytest.raises(HeadwaterError) as refused:
            check_token(token, k_service="", **headers)
        assert refused.value.status == 403
