"""Signatures of deliveries: each scheme, forged, repeated and malformed ones."""

import base64
import datetime as dt
import hashlib
import hmac

import pytest

from functions.collection.webhooks.signatures import Delivery, verify
from headwater.auth.webhook_signatures import make_secret, sign
from headwater.errors import Unauthorized

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
BODY = b'{"ref": "refs/heads/main"}'


def github(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}


def standard(at: dt.datetime = NOW, key: bytes = b"s" * 32) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    signed = base64.b64encode(hmac.digest(key, f"msg_1.{timestamp}.".encode() + BODY, "sha256")).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signed}"}


def test_secret_is_random_and_in_the_form_of_standard_webhooks() -> None:
    first, second = make_secret(), make_secret()
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32


def test_signed_delivery_is_verified() -> None:
    headers = sign("run-1", BODY, SECRET, NOW)
    assert verify(headers, BODY, SECRET, NOW).id == hashlib.sha256(b"run-1").hexdigest()
    with pytest.raises(Unauthorized):
        verify(headers, BODY + b" ", SECRET, NOW)


def test_github_example_of_its_documentation() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": signature}
    assert verify(headers, b"Hello, World!", "It's a Secret to Everybody", NOW).id == signature[7:]


def test_bitbucket_example_of_its_documentation() -> None:
    signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    assert (
        verify({"X-Hub-Signature": signature}, b"Hello World!", "It's a Secret to Everybody", NOW).id == signature[7:]
    )


def test_standard_example_of_its_specification() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1a,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = dt.datetime.fromtimestamp(1614265330, dt.UTC)
    assert verify(headers, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", at)


@pytest.mark.parametrize(
    "headers", [github(), standard(), {"X-Gitlab-Token": SECRET}], ids=["GitHub", "Standard Webhooks", "GitLab"]
)
def test_repetition_has_the_same_id(headers: dict[str, str]) -> None:
    first = verify(headers, BODY, SECRET, NOW)
    again = verify({name.upper(): value for name, value in headers.items()}, BODY, SECRET, NOW)
    assert first == again == Delivery(first.id)


def test_ping_of_github_is_told_apart() -> None:
    assert verify(github() | {"X-GitHub-Event": "ping"}, BODY, SECRET, NOW).is_ping


@pytest.mark.parametrize("minutes", [-4, 4])
def test_standard_timestamp_may_be_some_minutes_off(minutes: int) -> None:
    assert verify(standard(NOW + dt.timedelta(minutes=minutes)), BODY, SECRET, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest()},
        {"X-Hub-Signature": github()["X-Hub-Signature-256"], "X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "sha256=\xff\udcff"},
        github(body=BODY + b" "),
        github(secret="other"),
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": SECRET[:-1]},
        {"X-Gitlab-Token": SECRET + "\udc80"},
        standard(key=b"t" * 32),
        standard(NOW - dt.timedelta(minutes=6)),
        standard(NOW + dt.timedelta(minutes=6)),
        standard() | {"webhook-id": "msg_2"},
        standard() | {"webhook-id": ""},
        standard() | {"webhook-timestamp": ""},
        standard() | {"webhook-timestamp": "1e9"},
        standard() | {"webhook-timestamp": "٣"},
        standard() | {"webhook-timestamp": "9" * 30_000},
        standard() | {"webhook-signature": ""},
        standard() | {"webhook-signature": "v1,"},
        standard() | {"webhook-signature": "v1,é"},
        standard() | {"webhook-signature": "v0," + standard()["webhook-signature"][3:]},
        github() | {"webhook-signature": "v1,AAAA"},
    ],
)
def test_forged_delivery_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        verify(headers, BODY, SECRET, NOW)
