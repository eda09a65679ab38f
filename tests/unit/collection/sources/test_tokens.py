"""Tokens of sources: line breaks around them are removed, characters that can't be sent are refused."""

import json

import pytest

from functions.collection.sources.tokens import normalise_token
from headwater.errors import UnprocessableContent

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("token", "stored"),
    [
        (None, None),
        ("", ""),
        ("\n", ""),
        ("ghp_a1\r\n", "ghp_a1"),
        ("anna:pass word ", "anna:pass word "),
        (f"{KEY}\n", KEY),
        (f"12345:{KEY}", f"12345:{KEY}"),
        (json.dumps({"private_key": KEY, "n": 1}, indent=2), json.dumps({"private_key": KEY, "n": 1}, indent=2)),
        ("{not JSON", "{not JSON"),
    ],
)
def test_token_is_stored_without_line_breaks_around_it(token: str | None, stored: str | None) -> None:
    assert normalise_token(token, has_lines=False) == stored


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("ghp_a1\nghp_b2", "token has a line break at position 7. Copy it again, as one line."),
        ("a\tb", "token has a character that can't be seen (U+0009) at position 2."),
        ("a\0", "token has a character that can't be seen (U+0000) at position 2."),
        ("\ufeffabc", "(U+FEFF) at position 1"),
        ("abcd\u00a0efgh", "(U+00A0) at position 5"),
        (KEY.replace("b3B", "b\x07B"), "(U+0007) at position 38"),
        ('{"refresh_token": "a\\nb"}', "token: its field refresh_token has a line break at position 2."),
    ],
)
def test_token_that_cannot_be_sent_is_refused(token: str, reason: str) -> None:
    with pytest.raises(UnprocessableContent) as caught:
        normalise_token(token, has_lines=False)
    assert reason in caught.value.message
    assert "ghp" not in caught.value.message


def test_token_of_an_extension_has_any_number_of_lines() -> None:
    assert normalise_token("a: 1\nb: 2", has_lines=True) == "a: 1\nb: 2"
    with pytest.raises(UnprocessableContent, match=r"U\+0000"):
        normalise_token("a: 1\nb\0", has_lines=True)
