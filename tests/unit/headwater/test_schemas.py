"""Texts of other servers, before they are stored."""

import pytest

from headwater.schemas import has_nul, replace_nul


@pytest.mark.parametrize(("text", "expected"), [("a\0b", "a b"), ("\0a\0\0", "a"), ("\0", ""), ("a b", "a b")])
def test_nul_characters_separate_words(text: str, expected: str) -> None:
    assert replace_nul(text) == expected
    assert has_nul(text) == (text != expected)
