"""Front matter: YAML becomes JSON of limited size, or a warning."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.parsers.markdown.front_matter import read_front_matter
from tests.harness.adversarial_pages import PAGES

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{before}'] * 9)}]\n" for before, key in zip("abcdefg", "bcdefgh", strict=True)
)


def values(source: str) -> dict[str, Any]:
    read = read_front_matter(f"---\n{source}\n---\nBody")
    assert read.warning is None
    assert f"---\n{source}\n---\nBody"[read.body_start :] == "Body"
    return read.values


def test_yaml_values_become_json() -> None:
    assert values(
        "title: A\nday: 2025-03-14\nat: 2025-03-14T10:00:00Z\nn: .nan\nbig: 99999999999999999999\n"
        '7: one\nyes: [true, null, 1.5]\nset: !!set {a}\nbytes: !!binary aGk=\nnul: "a\\0b"\nnested: {a: {b: c}}'
    ) == {
        "title": "A",
        "day": "2025-03-14",
        "at": "2025-03-14T10:00:00+00:00",
        "n": "nan",
        "big": "99999999999999999999",
        "7": "one",
        "True": [True, None, 1.5],
        "set": ["a"],
        "bytes": "aGk=",
        "nul": "ab",
        "nested": {"a": {"b": "c"}},
    }


def test_aliases_are_expanded() -> None:
    assert values("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}


@pytest.mark.parametrize("text", ["", "Text", "---", "---\nno end", "--- \ntitle: x\n----\n", " ---\na: b\n---\n"])
def test_page_without_front_matter_is_all_body(text: str) -> None:
    assert read_front_matter(text) == ({}, 0, None)


@pytest.mark.parametrize("text", ["---\n---\nBody", "---\n# only a comment\n---\nBody"])
def test_block_without_values_is_front_matter(text: str) -> None:
    read = read_front_matter(text)
    assert (read.values, text[read.body_start :], read.warning) == ({}, "Body", None)


@pytest.mark.parametrize("source", ["Just a paragraph.", "- a\n- list", "42", "*Broken* [prose", "@not yaml"])
def test_page_that_begins_with_a_thematic_break_is_all_body(source: str) -> None:
    read = read_front_matter(f"---\n\n{source}\n\n---\nBody")
    assert read.values == {}
    assert read.body_start == 0
    assert read.warning


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("title: a: b", "mapping values are not allowed"),
        ("title: [a", "on line 3"),
        ("day: 2024-13-45", "month must be in 1..12"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("{a: b}: c", "unhashable key"),
        ("tab:\n\t- x", "on line 3"),
        ("a: !!bool maybe", "maybe"),
        ("a: !!timestamp soon", "'NoneType' object"),
        ("a: !!int ''", "index out of range"),
        ("a: !!binary é", "failed to convert"),
        ("a: 0x" + "f" * 9000, "Exceeds the limit"),
        ("a: " + "9" * 9000, "Exceeds the limit"),
    ],
)
def test_invalid_yaml_is_ignored_with_a_warning(source: str, reason: str) -> None:
    text = f"---\n{source}\n---\nBody"
    read = read_front_matter(text)
    assert (read.values, text[read.body_start :]) == ({}, "Body")
    assert read.warning
    assert read.warning.startswith("front matter ignored: ")
    assert reason in read.warning


@pytest.mark.parametrize(
    "source",
    [
        LAUGHS,
        "a: &a " + "x" * 50_000 + "\nb: [" + "*a, " * 1000 + "]",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: " + "[" * 5000,
        "a: " + "{a: " * 5000,
        "- " * 5000,
        "? " * 5000,
        "a: " + "[" * 60 + "]" * 60,
    ],
    ids=["billion laughs", "echo", "recursive list", "recursive mapping", "[", "{", "-", "?", "deep"],
)
def test_deep_or_expanding_yaml_is_ignored(source: str) -> None:
    read = read_front_matter(f"---\n{source}\n---\nBody")
    assert (read.values, read.warning) == (
        {},
        "front matter ignored: it nests too deep or expands to too many values",
    )


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("front matter") and name.endswith(".md")])
def test_adversarial_front_matter_has_no_values(name: str) -> None:
    assert read_front_matter(PAGES[name]).values == {}


@given(st.text(alphabet="ab:-[]{}&*!?|>'\"#%@`,. \n\t0é\0", max_size=60))
def test_front_matter_of_any_text_is_json(source: str) -> None:
    text = f"---\n{source}\n---\nBody"
    read = read_front_matter(text)
    json.dumps(read.values, allow_nan=False).encode()
    assert 0 <= read.body_start <= len(text)
