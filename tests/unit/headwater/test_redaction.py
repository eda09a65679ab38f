"""Quotes, redaction and escapes: no secret in any encoding, no unprintable character."""

import base64
import html
import json
import traceback
import unicodedata
from collections.abc import Callable
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.errors import PermanentError
from headwater.redaction import Redactor, escape, quote, redact, redacting

SECRET = "ghp_Zx9/+q~é\"'<&>%\\ 47Tk"

Encode = Callable[[str], str]

ENCODINGS: dict[str, Encode] = {
    "raw": str,
    "upper case": lambda secret: "".join(c.upper() if c.isascii() else c for c in secret),
    "lower case": lambda secret: "".join(c.lower() if c.isascii() else c for c in secret),
    "percent": lambda secret: percent_encode(secret, safe=""),
    "percent, lower-case digits": lambda secret: percent_encode(secret, safe="").replace("%2F", "%2f"),
    "percent, path": percent_encode,
    "percent, twice": lambda secret: percent_encode(percent_encode(secret, safe=""), safe=""),
    "form": quote_plus,
    "JSON": json.dumps,
    "JSON, not ASCII": lambda secret: json.dumps(secret, ensure_ascii=False),
    "HTML": html.escape,
    "hexadecimal": lambda secret: secret.encode().hex(),
    "bytes literal": lambda secret: repr(secret.encode()),
    "text literal": repr,
    "latin-1": lambda secret: secret.encode().decode("latin-1"),
    "Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "URL with user": lambda secret: f"https://user:{percent_encode(secret, safe='')}@git.example/r.git",
    "URL with token as user": lambda secret: f"https://{percent_encode(secret, safe='')}@git.example/r.git",
    **{
        f"{name} of {user!r} and the secret": lambda secret, encode=encode, user=user: encode(  # type: ignore[misc]
            f"{user}:{secret}:rest".encode()
        ).decode()
        for name, encode in {"Base64": base64.b64encode, "Base64 for URLs": base64.urlsafe_b64encode}.items()
        for user in ("", "a", "ab", "x-access-token")
    },
}


def contains_part(text: str, secret: str) -> bool:
    """Return whether a text has eight successive characters of a secret, regardless of case."""
    lower, parts = text.lower(), secret.lower()
    return any(parts[i : i + 8] in lower for i in range(len(parts) - 7))


@pytest.mark.parametrize("name", ENCODINGS)
@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="…[]"), min_size=8, max_size=60),
    around=st.text(" \n\t\x1b\u202e|", max_size=5),
)
@example(secret=SECRET, around=" ")
@example(secret="a" * 40, around="")
def test_quote_contains_no_encoding_of_a_secret(name: str, secret: str, around: str) -> None:
    sent = ENCODINGS[name](secret)
    with redacting(Redactor([secret])):
        quoted = quote(f"{around}{sent}{around}", max_chars=10_000)
    left = quoted.replace("[secret]", "\n")
    assert not contains_part(left, secret)
    assert not any(contains_part(left, encode(secret)) for encode in (ENCODINGS["percent"], ENCODINGS["Base64"]))


@given(
    secret=st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=20, max_size=60),
    start=st.integers(0, 12),
    stop=st.integers(0, 12),
)
def test_part_of_a_secret_is_removed(secret: str, start: int, stop: int) -> None:
    cut = secret[start : len(secret) - stop]
    redacted = Redactor([secret])(f"cut {cut} off")
    assert redacted == "cut [secret] off" or len(cut) < 8


@given(text=st.text("abcdefgh .:/"), secrets=st.lists(st.text("IJKLMN0123456789", min_size=4), max_size=3))
def test_text_without_secrets_is_unchanged(text: str, secrets: list[str]) -> None:
    assert Redactor(secrets)(text) == text


CUTS = [(4, -1), (4, -2), (4, -3), (4, 100)]
"""Base64 of `me:` has four characters; the last characters of a text also have bits of its padding."""


@pytest.mark.parametrize("secret", ["pass", "s3cre!", "1234567"])
def test_short_secret_is_removed(secret: str) -> None:
    pair = base64.b64encode(f"me:{secret}".encode()).decode()
    assert Redactor([secret])(f"{secret}, {pair}") in (f"[secret], {pair[:n]}[secret]{pair[m:]}" for n, m in CUTS)


def test_credentials_are_removed_without_knowing_them() -> None:
    key = "hw_" + "0" * 32 + "49HUhz"
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-1_x"
    for text in (
        "Authorization: Basic dXNlcjpwYXNz",
        "authorization: bearer abc.DEF_123-4~5",
        "see https://user:pass@git.example/x and postgresql://app:pw@db/x",
        f"key {key}, token {token}, ya29.a0Af_x-Y, ghs_0aB1cD2eF3gH4iJ5kL6mN7",
    ):
        redacted = redact(text)
        assert "[secret]" in redacted
        for part in ("dXNlcjpwYXNz", "abc.DEF", "user:pass", "app:pw", key, token, "a0Af", "ghs_"):
            assert part not in redacted
    for text in ("Basic authentication is required", "Bearer …", "https://git.example/a@b", "hw_x", "a@b"):
        assert redact(text) == text


@given(st.text())
@example("\x00\x1b[2J\x07\x9b\x7f\u202e\u2066\u200b\u2028\ufeff\ud800\U000e0041")
def test_escape_leaves_only_printable_characters_and_newlines(text: str) -> None:
    escaped = escape(text)
    assert all(c.isprintable() or c == "\n" for c in escaped)
    assert not any(unicodedata.bidirectional(c) in {"LRO", "RLO", "LRE", "RLE", "PDF", "LRI", "RLI"} for c in escaped)
    if all(c.isprintable() for c in text):
        assert escaped == text


def test_quote_is_one_short_line() -> None:
    assert quote("ERR access\r\n  denied\t\x1b[31m") == r"ERR access denied \x1b[31m"
    assert quote(ConnectionRefusedError(111, "Connection refused")) == "Connection refused"
    assert quote("socket error: [Errno 32] Broken pipe") == "socket error: Broken pipe"
    assert quote("x" * 1_000_000) == "x" * 199 + "…"
    assert len(quote("\x1b" * 500, 50)) == 50


def test_secret_at_the_cut_is_removed() -> None:
    with redacting(Redactor([SECRET])):
        for length in range(170, 200):
            assert not contains_part(quote("x" * length + SECRET), SECRET)


def test_errors_that_leave_the_block_contain_no_secret() -> None:
    def fail() -> None:
        try:
            try:
                raise ValueError("sent", {"not": "a text"}, SECRET.encode(), OSError(f"status {SECRET}"))
            except ValueError as error:
                raise KeyError(SECRET) from error
        except KeyError:
            raise PermanentError(f"Refused: {SECRET}.")  # noqa: B904 - the context is redacted too

    with pytest.raises(PermanentError) as caught, redacting(Redactor([SECRET])):
        fail()
    assert caught.value.message == "Refused: [secret]."
    report = "".join(traceback.format_exception(caught.value))
    assert report.count("[secret]") >= 4
    for encoding in ("raw", "bytes literal", "text literal"):
        assert not contains_part(report, ENCODINGS[encoding](SECRET)[1:-1])


def test_block_ends_with_its_secrets() -> None:
    with redacting(Redactor([SECRET])):
        with redacting(Redactor(["another secret"])):
            assert redact("another secret") == "[secret]"
        assert redact(f"another secret, {SECRET}") == "another secret, [secret]"
    assert redact(SECRET) == SECRET


def test_messages_of_errors_are_escaped() -> None:
    error = PermanentError("first\n second \x1b]0;title\x07 \u202etxt.exe\ud800\x00")
    assert error.message == str(error) == "first\n second \\x1b]0;title\\x07 \\u202etxt.exe\\ud800\\x00"
