"""The password verifier and the name of the functions' role."""

import base64
import hashlib
import hmac

import pytest

from headwater.database.role import check_name, scram_verifier
from headwater.errors import ConfigError


def test_scram_verifier_has_the_keys_of_rfc_7677() -> None:
    # The server key signs the example exchange of RFC 7677, section 3, as the RFC says.
    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    head, keys = verifier.rsplit("$", 1)
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored_key, server_key = map(base64.b64decode, keys.split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    exchange = (f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}").encode()
    signature = hmac.digest(server_key, exchange, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_signature = hmac.digest(stored_key, exchange, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


def test_scram_verifier_has_a_new_salt_each_time() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")


def test_password_that_the_driver_cannot_use_is_rejected() -> None:
    with pytest.raises(ConfigError, match="characters that SCRAM doesn't allow") as caught:
        scram_verifier("s3cret\U0001f511")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("role", "user"), [("app", "app"), ("app", "app.abc"), ("hw_two", "hw_two.abc")])
def test_role_is_the_user_before_the_project(role: str, user: str) -> None:
    check_name(role, user)


@pytest.mark.parametrize(
    ("role", "user", "message"),
    [
        ("two", "app", "must connect as the role `two`"),
        ('a"; drop role x; --', 'a"; drop role x; --', "DATABASE_ROLE: .* is invalid"),
        ("App", "App", "is invalid"),
        ("app.abc", "app.abc", "is invalid"),
    ],
)
def test_invalid_role_is_rejected(role: str, user: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_name(role, user)
