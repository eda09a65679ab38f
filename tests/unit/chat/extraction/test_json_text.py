"""The JSON object in a model's text, at any cut."""

import json
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.extraction.json_text import MAX_CHARS, JsonText

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def parse(content: bytes) -> Any:
    return jiter.from_json(content, partial_mode="trailing-strings", allow_inf_nan=False)


def read(text: str, size: int) -> tuple[str, JsonText]:
    reader = JsonText()
    parts = [reader.feed(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join([*parts, reader.finish()]), reader


@given(st.dictionaries(st.text(), VALUES), st.booleans(), st.sampled_from([None, 2]), st.integers(1, 50))
def test_every_cut_of_the_bytes_parses(value: dict[str, Any], is_ascii: bool, indent: int | None, size: int) -> None:
    written = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    text, reader = read(f"Sure:\n```json\n{written}\n```\nAnything {{else}}?", size)
    assert (text, reader.is_complete, reader.text) == (written, True, written)
    content = text.encode()
    for end in range(1, len(content)):
        assert isinstance(parse(content[:end]), dict)
    assert parse(content) == value


@given(st.text(alphabet='{}[]",:\\ 1eE-.truefalsn\n\0\x1fü😀', max_size=40), st.integers(1, 5))
def test_what_is_passed_on_of_any_text_parses(text: str, size: int) -> None:
    passed, reader = read("{" + text, size)
    content = passed.encode()
    for end in range(1, len(content) + 1):
        assert isinstance(parse(content[:end]), dict)
    assert not (reader.is_broken and reader.is_complete)


@pytest.mark.parametrize(
    "text",
    ['{"a": nope}', '{"a" 1}', '{"a": "\0"}', '{"a": NaN}', '{"a": "\ud800"}', '{"a": 1]', '{"a": ' + "[" * 10_000],
    ids=["word", "colon", "nul", "nan", "surrogate", "bracket", "deep"],
)
def test_invalid_json_is_broken(text: str) -> None:
    reader = JsonText()
    assert reader.feed(text) == ""
    assert (reader.is_broken, reader.is_complete, reader.feed("{}")) == (True, False, "")


def test_text_without_an_object_passes_nothing_on() -> None:
    text, reader = read("I can't do that. [1, 2]", 3)
    assert (text, reader.is_complete) == ("", False)


def test_long_object_is_broken() -> None:
    reader = JsonText()
    passed = reader.feed('{"a": "') + reader.feed("x" * MAX_CHARS)
    assert (len(passed) < MAX_CHARS, reader.is_broken) == (True, True)
