"""Results of tools: bounded, and without control characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.tools.text import MAX_CHARS, clean, decode


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain ü 漢\ttab\n", "plain ü 漢\ttab\n"),
        ("a\x1b[31mred\x07\0", "a[31mred"),
        ("right\u202eto\u2066left", "righttoleft"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("one\r\ntwo", "one\ntwo"),
    ],
)
def test_control_characters_are_removed(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    text = clean("a" * 50_000 + "the error")
    assert text.startswith("aaa")
    assert text.endswith("the error")
    assert "[20,009 characters left out]" in text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("grün".encode(), "grün"),
        (bytes(range(256)) * 4, "[1,024 bytes that are no text]"),
        (bytes(1000), "[1,000 bytes that are no text]"),
    ],
)
def test_bytes_become_text_or_are_named(content: bytes, text: str) -> None:
    assert decode(content) == text


@given(st.binary(max_size=2_000), st.integers(4, 500))
def test_any_bytes_become_a_bounded_text(content: bytes, max_chars: int) -> None:
    assert len(decode(content, max_chars)) <= max_chars + 100


@given(st.text(max_size=2_000))
def test_any_text_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) <= MAX_CHARS
