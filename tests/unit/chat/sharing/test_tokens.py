"""Tokens of share links."""

import re

import pytest

from functions.chat.sharing.tokens import hash_token, make_token


def test_tokens_are_random_and_hash_to_32_bytes() -> None:
    tokens = {make_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("hws_[0-9A-Za-z]{32}", token) for token in tokens)
    assert len({hash_token(token) for token in tokens}) == 100
    assert all(len(hash_token(token) or b"") == 32 for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "hws_", "hws_" + "0" * 31, "hws_" + "0" * 33, "hw__" + "0" * 32, "hws_" + "é" * 32]
)
def test_other_texts_have_no_hash(text: str) -> None:
    assert hash_token(text) is None
