"""Front matter: YAML becomes JSON of limited size, or a warning."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.parsers.markdown.front_matter import read_front_matter
from functions.collection.parsers.markdown.yaml_values import MAX_EXPANSION
from tests.harness.adversarial.front_matter import FRONT_MATTER, LAUGHS, MERGED_LISTS, MERGES
from tests.harness.parsing import parse


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
        "nul": "a b",
        "nested": {"a": {"b": "c"}},
    }


def test_aliases_are_expanded() -> None:
    assert values("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("source", "merged"),
    [
        ("a: &a {x: 1, y: 1}\nb: {y: 2, <<: *a}", {"x": 1, "y": 2}),
        ("b: {<<: [{x: 1}, {x: 2, y: 2}], z: 3}", {"x": 1, "y": 2, "z": 3}),
        ("b: {'<<': 1}", {"<<": 1}),
    ],
)
def test_merge_keys_add_what_is_missing(source: str, merged: dict[str, Any]) -> None:
    assert values(source)["b"] == merged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "+++\ntitle = 'Tower'\ndate = 2024-03-01\nat = 07:30:00\nn = nan\n[extra]\ntags = ['town']\n+++\nBody",
            {"title": "Tower", "date": "2024-03-01", "at": "07:30:00", "n": "nan", "extra": {"tags": ["town"]}},
        ),
        ('\n \n+++\ntitle = "Second"\n+++\nBody', {"title": "Second"}),
        ("\n---\ntitle: A\n---\nBody", {"title": "A"}),
        ("---\ntitle: A\n...\nBody", {"title": "A"}),
        ("+++\n+++\nBody", {}),
        ('{"title": "A", "tags": ["b\\u0000"], "n": NaN}\nBody', {"title": "A", "tags": ["b"], "n": "nan"}),
        ('{\n  "title": "A"\n}\nBody', {"title": "A"}),
    ],
)
def test_front_matter_of_every_format_is_read(text: str, expected: dict[str, Any]) -> None:
    read = read_front_matter(text, json_allowed=True)
    assert (read.values, text[read.body_start :], read.warning) == (expected, "Body", None)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1} and text', '{"a": 1', "{}}", '{"a"}\n', '{"a": ' + "[" * 30 + "]" * 30 + "}", "++++\na = 1\n+++\n"],
)
def test_text_that_resembles_front_matter_is_body(text: str) -> None:
    assert read_front_matter(text, json_allowed=True) == ({}, 0, None)


def test_properties_of_a_page_are_front_matter_and_text() -> None:
    read = read_front_matter("Alias:: Lamps, [[Light s]], #lit\ntype:: a\n\n- Text\n  id:: 1\n")
    assert read == ({"alias": ["Lamps", "Light s", "lit"], "type": "a"}, 0, None)
    assert read_front_matter("std:: x\nis C++\n") == ({}, 0, None)


def test_json_at_the_start_is_front_matter_of_markdown_only() -> None:
    for key, media_type in (("a.json", "application/json"), ("a.mdx", "text/markdown"), ("a.txt", "text/plain")):
        assert parse(key, b'{"title": "A"}\n', media_type).front_matter == {}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("title = ", "Invalid value (at line 2, column 9)"),
        ("a = 1\na = 2", "Cannot overwrite a value (at line 3, column 6)"),
        ("[" + "a." * 30 + "b]", "nests too deep"),
        ('"a b".' * 30 + "c = 1", "nests too deep"),
        ("a = " + "[" * 3_000, "nests too deep"),
        ("a = " + "[" * 30 + "]" * 30, "nests too deep"),
        ("a = " + "9" * 5_000, "Exceeds the limit"),
    ],
)
def test_invalid_or_deep_toml_is_ignored_with_a_warning(source: str, reason: str) -> None:
    text = f"+++\n{source}\n+++\nBody"
    read = read_front_matter(text)
    assert (read.values, text[read.body_start :]) == ({}, "Body")
    assert read.warning
    assert reason in read.warning


@pytest.mark.parametrize("text", ["1:20:30", "-1:20.5", "9" * 101, "0x" + "f" * 101, "1e+300", "1e-07"])
def test_numbers_that_json_lacks_are_text(text: str) -> None:
    assert values(f"a: {text}") == {"a": text}


def test_date_that_does_not_exist_is_text() -> None:
    expected = {"day": "2024-13-45", "at": "2024-01-01 99:00:00", "title": "A"}
    assert values("day: 2024-13-45\nat: 2024-01-01 99:00:00\ntitle: A") == expected


def test_sexagesimal_integer_with_a_tag_is_text() -> None:
    assert values("a: !!int 1" + ":59" * 20_000)["a"].startswith("1:59")


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
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("{a: b}: c", "unhashable key"),
        ("tab:\n\t- x", "on line 3"),
        ("a: !!bool maybe", "maybe"),
        ("a: !!timestamp soon", "'NoneType' object"),
        ("a: !!int ''", "index out of range"),
        ("a: !!binary é", "failed to convert"),
        ("a: 1\n--- b", "more than one YAML document"),
        ("a: *b", "undefined alias 'b' on line 2"),
        ("a: {<<: 1}", "expected a mapping"),
    ],
)
def test_invalid_yaml_is_ignored_with_a_warning(source: str, reason: str) -> None:
    text = f"---\n{source}\n---\nBody"
    read = read_front_matter(text)
    assert (read.values, text[read.body_start :]) == ({}, "Body")
    assert read.warning
    assert read.warning.startswith("front matter ignored: ")
    assert reason in read.warning


TOO_LARGE = {
    "laughs": LAUGHS,
    "merge keys": MERGES,
    "merged lists": MERGED_LISTS,
    "echo": "a: &a " + "x" * 50_000 + "\nb: [" + "*a, " * 1000 + "]",
    "recursive list": "a: &a [*a]",
    "recursive mapping": "a: &a {b: *a}",
    "deep lists": "a: " + "[" * 5000,
    "deep mappings": "a: " + "{a: " * 5000,
    "deep items": "- " * 5000,
    "deep keys": "? " * 5000,
    "closed lists": "a: " + "[" * 60 + "]" * 60,
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_deep_or_expanding_yaml_is_ignored(name: str) -> None:
    read = read_front_matter(f"---\n{TOO_LARGE[name]}\n---\nBody")
    assert (read.values, read.warning) == (
        {},
        "front matter ignored: it nests too deep or expands to too many values",
    )


@pytest.mark.parametrize("name", FRONT_MATTER)
def test_adversarial_front_matter_is_hardly_larger_than_its_source(name: str) -> None:
    text = f"---\n{FRONT_MATTER[name](100_000)}\n---\n"
    stored = json.dumps(read_front_matter(text).values, ensure_ascii=False)
    assert len(stored) < 3 * len(text) + 10 * MAX_EXPANSION


@given(st.text(alphabet="ab:-[]{}&*!?|>'\"#%@`,. \n\t0é\0", max_size=60))
def test_front_matter_of_any_text_is_json(source: str) -> None:
    text = f"---\n{source}\n---\nBody"
    read = read_front_matter(text)
    json.dumps(read.values, allow_nan=False).encode()
    assert 0 <= read.body_start <= len(text)
