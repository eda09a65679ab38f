"""Users' tokens: signatures and claims, and that a token cannot select how it is verified."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from headwater.auth.user_tokens import LEEWAY_S, UserTokens
from headwater.config import Settings
from headwater.errors import HeadwaterError, Unauthorized
from tests.fakes.token_issuer import (
    AUDIENCE,
    ISSUER,
    FakeIssuer,
    fake_issuer,
    good_claims,
    private_key,
    public_forms,
    public_jwk,
    signed_by_hmac,
    unsigned,
)

NOW = 4_000_000_000
SECRET = "a secret of more than thirty-two bytes"


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as issuer:
        yield issuer


def tokens(jwks_url: str = "", secret: str = "", **changes: Any) -> UserTokens:
    values = {"auth_issuer": ISSUER, "auth_audience": ("other", AUDIENCE)} | changes
    return UserTokens(
        Settings(database_url="x", auth_jwks_url=jwks_url, auth_secret=secret, **values), clock=lambda: NOW
    )


def claims_of(subject: str = "ada", **changes: Any) -> dict[str, Any]:
    return good_claims(subject, **({"exp": NOW + 600, "iat": NOW} | changes))


def rejection(verifier: UserTokens, token: str) -> str:
    """Return the error message for a token that must be rejected."""
    with pytest.raises(Unauthorized) as raised:
        verifier.verify(token)
    return raised.value.message


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_token_signed_by_a_published_key_identifies_the_user(algorithm: str) -> None:
    with fake_issuer(algorithm) as issuer:
        identity = tokens(issuer.url).verify(issuer.sign(claims_of("ada", name="Ada", email="ada@example.org")))
    assert (identity.subject, identity.name) == ("ada", "Ada")


def test_shared_secret_verifies_hs256() -> None:
    verifier = tokens(secret=SECRET)
    assert verifier.verify(jwt.encode(claims_of("bob"), SECRET, "HS256")).subject == "bob"
    assert verifier.verify(jwt.encode(claims_of("bob"), SECRET, "HS256", headers={"kid": "k"})).subject == "bob"
    assert "signature is invalid" in rejection(verifier, jwt.encode(claims_of(), SECRET + "x", "HS256"))
    assert "'HS512' is not accepted" in rejection(verifier, jwt.encode(claims_of(), SECRET * 2, "HS512"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": NOW - LEEWAY_S - 2}, "expired"),
        ({"exp": None}, "lacks a required claim"),
        ({"exp": "4102444800"}, "lacks a required claim"),
        ({"nbf": NOW + 600}, "is not valid yet"),
        ({"aud": "stranger"}, "another audience"),
        ({"aud": [AUDIENCE.upper()]}, "another audience"),
        ({"aud": None}, "lacks a required claim"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"iss": None}, "lacks a required claim"),
        ({"sub": None}, "lacks a required claim"),
        ({"sub": ""}, "printable"),
        ({"sub": "a\x00b"}, "printable"),
        ({"sub": "x" * 256}, "printable"),
        ({"sub": "local"}, "printable"),
        ({"sub": "deployment"}, "printable"),
        ({"sub": "key:00000000-0000-4000-8000-000000000001"}, "printable"),
    ],
)
def test_missing_or_invalid_claim_is_rejected(issuer: FakeIssuer, changes: dict[str, Any], message: str) -> None:
    assert message in rejection(tokens(issuer.url), issuer.sign(claims_of(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - LEEWAY_S + 5, "nbf": NOW + LEEWAY_S - 5},
        {"aud": ["one", AUDIENCE]},
        {"sub": "auth0|ada lovelace/ü"},
        {"exp": NOW + 60.5},
        {"name": {"first": "Ada"}, "email": 3},
        {"iat": NOW + 600},
    ],
)
def test_valid_variants_of_claims_are_accepted(issuer: FakeIssuer, changes: dict[str, Any]) -> None:
    assert tokens(issuer.url).verify(issuer.sign(claims_of(**changes))).subject


def test_unsigned_token_is_rejected(issuer: FakeIssuer) -> None:
    for alg in ("none", "None", "nOnE", ""):
        for signature in ("", "c2lnbmF0dXJl"):
            forged = unsigned(claims_of(), signature, alg=alg, kid="key-0")
            assert "is not accepted" in rejection(tokens(issuer.url, SECRET), forged)


@pytest.mark.parametrize("secret", ["", SECRET])
def test_public_key_is_not_accepted_as_hmac_secret(issuer: FakeIssuer, secret: str) -> None:
    key = private_key("ES256", 0)
    for form in public_forms(key):
        assert rejection(tokens(issuer.url, secret), signed_by_hmac(claims_of(), form, "key-0"))
    forged = signed_by_hmac(claims_of(), SECRET.encode(), "key-0")
    assert tokens(secret=SECRET).verify(forged).subject == "ada"  # the form is valid; the key was not


def test_es256_token_is_rejected_without_published_keys(issuer: FakeIssuer) -> None:
    assert "'ES256' is not accepted" in rejection(tokens(secret=SECRET), issuer.sign(claims_of()))


def test_signature_by_another_key_with_a_known_id_is_rejected(issuer: FakeIssuer) -> None:
    other = private_key("ES256", 99)
    forged = jwt.encode(claims_of(), other, "ES256", headers={"kid": "key-0"})
    assert "signature is invalid" in rejection(tokens(issuer.url), forged)
    embedded = jwt.encode(
        claims_of(), other, "ES256", headers={"kid": "key-0", "jwk": public_jwk(other), "jku": "https://evil.example"}
    )
    assert "signature is invalid" in rejection(tokens(issuer.url), embedded)


def test_modified_token_is_rejected(issuer: FakeIssuer) -> None:
    head, _, signature = issuer.sign(claims_of()).split(".")
    body = unsigned(claims_of("eve")).split(".")[1]
    assert "signature is invalid" in rejection(tokens(issuer.url), f"{head}.{body}.{signature}")
    assert "signature is invalid" in rejection(tokens(issuer.url), f"{head}.{body}.")


def test_crit_header_is_rejected(issuer: FakeIssuer) -> None:
    for crit in (["b64"], ["exp"], []):
        assert "crit" in rejection(tokens(issuer.url), unsigned(claims_of(), alg="ES256", crit=crit))


@pytest.mark.parametrize(
    "token", ["x", "a.b", "a.b.c", "..", "e30.e30.e30", "\xe9.b.c", "e" * 9000, "eyJhbGciOjF9.e30.x"]
)
def test_malformed_token_is_rejected(issuer: FakeIssuer, token: str) -> None:
    assert "neither a JWT nor an API key" in rejection(tokens(issuer.url), token)


def test_short_rsa_key_is_not_used() -> None:
    with fake_issuer("RS256") as issuer:
        issuer.keys = {"short": rsa.generate_private_key(public_exponent=65537, key_size=1024)}
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
            token = issuer.sign(claims_of())
        with pytest.raises(HeadwaterError):
            tokens(issuer.url).verify(token)
