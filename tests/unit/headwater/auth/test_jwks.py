"""An issuer's keys: kept, renewed when they rotate, and served on while the issuer is down. The issuer is real."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headwater.auth.jwks import FAILURE_COOLDOWN_S, MAX_AGE_S, MAX_STALE_S, MISS_COOLDOWN_S, Jwks, read_keys
from headwater.errors import UpstreamError
from tests.fakes.token_issuer import FakeIssuer, fake_issuer, private_key, public_jwk
from tests.harness.stacks import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


def test_keys_are_asked_for_when_the_first_is_wanted_and_every_ten_minutes(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert issuer.asked == 0
    for _ in range(5):
        assert jwks.find("ES256", "key-0")
    assert issuer.asked == 1
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0")
    assert issuer.asked == 2


def test_a_new_key_is_found_at_once_and_made_up_ones_are_not_asked_for_every_time(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    clock.now += MISS_COOLDOWN_S
    issuer.rotate()
    assert jwks.find("ES256", "key-1")
    assert issuer.asked == 2
    for n in range(20):
        assert jwks.find("ES256", f"made-up-{n}") is None
    assert issuer.asked == 2
    clock.now += MISS_COOLDOWN_S
    assert jwks.find("ES256", "made-up") is None
    assert issuer.asked == 3


def test_a_key_that_is_withdrawn_serves_no_longer_than_ten_minutes(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    issuer.rotate(keep=False)
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0") is None
    assert jwks.find("ES256", "key-1")


def test_while_the_issuer_is_down_the_keys_that_we_have_serve_for_a_day(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    issuer.status = 503
    clock.now += MAX_AGE_S + 1
    for _ in range(5):
        assert jwks.find("ES256", "key-0")
    assert issuer.asked == 2
    clock.now += FAILURE_COOLDOWN_S
    assert jwks.find("ES256", "key-0")
    assert issuer.asked == 3
    with pytest.raises(UpstreamError):
        jwks.find("ES256", "perhaps a new one")
    clock.now += MAX_STALE_S
    with pytest.raises(UpstreamError):
        jwks.find("ES256", "key-0")
    issuer.status = 200
    clock.now += MISS_COOLDOWN_S
    with pytest.raises(UpstreamError):
        jwks.find("ES256", "key-0")  # asked a moment ago
    clock.now += FAILURE_COOLDOWN_S
    assert jwks.find("ES256", "key-0")


def test_keys_are_taken_from_nowhere_else_than_where_the_installation_says(issuer: FakeIssuer) -> None:
    with fake_issuer() as elsewhere:
        issuer.status, issuer.leads_to = 302, elsewhere.url
        with pytest.raises(UpstreamError):
            Jwks(issuer.url).find("ES256", "key-0")
        assert elsewhere.asked == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"keys": []}', b'{"keys": {}}', b"[" * 9000, b" " * 300_000]
)
def test_what_is_no_key_set_leaves_the_keys_that_we_have(issuer: FakeIssuer, content: bytes) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    issuer.content = content
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0")
    with pytest.raises(UpstreamError):
        Jwks(issuer.url).find("ES256", "key-0")


def test_requests_that_come_together_ask_once_and_do_not_wait_when_they_needn_t(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: jwks.find("ES256", "key-0"), range(8)))
    assert issuer.asked == 1
    issuer.wait = threading.Event()
    clock.now += MAX_AGE_S + 1
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(jwks.find, "ES256", "key-0")
        wait_until(lambda: issuer.asked == 2)
        assert jwks.find("ES256", "key-0")  # while the other thread still waits for the issuer
        assert not renewing.done()
        issuer.wait.set()
        assert renewing.result()


def test_a_token_without_a_key_id_fits_only_if_one_key_can_be_meant(issuer: FakeIssuer) -> None:
    assert Jwks(issuer.url).find("ES256", None)
    assert Jwks(issuer.url).find("RS256", None) is None
    issuer.rotate()
    assert Jwks(issuer.url).find("ES256", None) is None


def test_only_public_keys_for_our_algorithms_are_read() -> None:
    good = public_jwk(private_key("ES256", 0)) | {"kid": "good"}
    passed_over = [
        {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA", "kid": "a"},
        {**good, "alg": "HS256", "kid": "b"},
        {**good, "alg": "ES384", "kid": "c"},
        {**good, "use": "enc", "kid": "d"},
        {**good, "crv": "P-384", "kid": "e"},
        {**good, "crv": ["P-256"], "kid": "f"},
        {**good, "x": "AAAA", "kid": "g"},
        {**good, "kid": 7},
        {},
        "key",
    ]
    assert [key.kid for key in read_keys(json.dumps({"keys": [*passed_over, good]}).encode())] == ["good"]


def test_the_private_half_is_dropped_where_somebody_publishes_it() -> None:
    published = {**public_jwk(private_key("ES256", 0)), "d": "AAAA", "kid": "k"}
    [key] = read_keys(json.dumps({"keys": [published]}).encode())
    assert not hasattr(key.key, "sign")
