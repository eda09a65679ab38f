"""The cache of an issuer's public keys: refresh, rotation, outages and invalid key sets."""

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
    with fake_issuer() as issuer:
        yield issuer


def test_keys_are_fetched_on_first_use_and_every_ten_minutes(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert issuer.asked == 0
    for _ in range(5):
        assert jwks.find("ES256", "key-0")
    assert issuer.asked == 1
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0")
    assert issuer.asked == 2


def test_unknown_key_ids_refetch_keys_once_per_cooldown(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    clock.now += MISS_COOLDOWN_S
    issuer.rotate()
    assert jwks.find("ES256", "key-1")
    assert issuer.asked == 2
    for n in range(20):
        assert jwks.find("ES256", f"unknown-{n}") is None
    assert issuer.asked == 2
    clock.now += MISS_COOLDOWN_S
    assert jwks.find("ES256", "unknown") is None
    assert issuer.asked == 3


def test_withdrawn_key_is_rejected_after_ten_minutes(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    issuer.rotate(keep=False)
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0") is None
    assert jwks.find("ES256", "key-1")


def test_cached_keys_are_used_for_a_day_while_the_issuer_is_down(issuer: FakeIssuer) -> None:
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
        jwks.find("ES256", "unknown")
    clock.now += MAX_STALE_S
    with pytest.raises(UpstreamError):
        jwks.find("ES256", "key-0")
    issuer.status = 200
    clock.now += MISS_COOLDOWN_S
    with pytest.raises(UpstreamError):
        jwks.find("ES256", "key-0")  # in the cooldown
    clock.now += FAILURE_COOLDOWN_S
    assert jwks.find("ES256", "key-0")


def test_redirects_of_the_issuer_are_not_followed(issuer: FakeIssuer) -> None:
    with fake_issuer() as elsewhere:
        issuer.status, issuer.leads_to = 302, elsewhere.url
        with pytest.raises(UpstreamError):
            Jwks(issuer.url).find("ES256", "key-0")
        assert elsewhere.asked == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"keys": []}', b'{"keys": {}}', b"[" * 9000, b" " * 300_000]
)
def test_invalid_key_set_keeps_the_cached_keys(issuer: FakeIssuer, content: bytes) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    assert jwks.find("ES256", "key-0")
    issuer.content = content
    clock.now += MAX_AGE_S + 1
    assert jwks.find("ES256", "key-0")
    with pytest.raises(UpstreamError):
        Jwks(issuer.url).find("ES256", "key-0")


def test_concurrent_requests_fetch_once_and_use_cached_keys_meanwhile(issuer: FakeIssuer) -> None:
    clock = Clock()
    jwks = Jwks(issuer.url, clock=clock)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: jwks.find("ES256", "key-0"), range(8)))
    assert issuer.asked == 1
    issuer.wait = threading.Event()
    clock.now += MAX_AGE_S + 1
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(jwks.find, "ES256", "key-0")
        wait_until(lambda: issuer.asked == 2)
        assert jwks.find("ES256", "key-0")  # while the other thread waits for the issuer
        assert not refresh.done()
        issuer.wait.set()
        assert refresh.result()


def test_token_without_key_id_matches_only_a_single_key(issuer: FakeIssuer) -> None:
    assert Jwks(issuer.url).find("ES256", None)
    assert Jwks(issuer.url).find("RS256", None) is None
    issuer.rotate()
    assert Jwks(issuer.url).find("ES256", None) is None


def test_read_keys_skips_unsupported_keys() -> None:
    supported = public_jwk(private_key("ES256", 0)) | {"kid": "supported"}
    unsupported = [
        {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA", "kid": "a"},
        {**supported, "alg": "HS256", "kid": "b"},
        {**supported, "alg": "ES384", "kid": "c"},
        {**supported, "use": "enc", "kid": "d"},
        {**supported, "crv": "P-384", "kid": "e"},
        {**supported, "crv": ["P-256"], "kid": "f"},
        {**supported, "x": "AAAA", "kid": "g"},
        {**supported, "kid": 7},
        {},
        "key",
    ]
    assert [key.kid for key in read_keys(json.dumps({"keys": [*unsupported, supported]}).encode())] == ["supported"]


def test_read_keys_drops_private_parts() -> None:
    published = {**public_jwk(private_key("ES256", 0)), "d": "AAAA", "kid": "k"}
    [key] = read_keys(json.dumps({"keys": [published]}).encode())
    assert not hasattr(key.key, "sign")
