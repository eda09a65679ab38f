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
    settings = Settings(
        database_url="x", collection_url="https://collection.example/", tasks_service_account=str(GOOD["email"])
    )
    claims = {"exp": time.time() + 600} | GOOD | changes
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    with flask.Flask("t").test_request_context(headers={"Authorization": f"Bearer e30.{body}.{signature}"}):
        Auth(settings).check("google", flask.request)


def test_a_token_that_cloud_run_has_checked_is_believed() -> None:
    check()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"iss": "https://evil.example"}, 401),
        ({"aud": "https://other.example"}, 401),
        ({"exp": 1}, 401),
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
