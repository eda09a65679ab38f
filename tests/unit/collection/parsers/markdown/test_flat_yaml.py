"""YAML of one line for each key is read as by the YAML parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.parsers.markdown.flat_yaml import read_flat_yaml
from functions.collection.parsers.markdown.json_values import Unreadable
from functions.collection.parsers.markdown.yaml_values import load_yaml

PIECES = st.sampled_from([
    "a", "title", "yes", "Null", "x.y-z_1", "<<", "7", "1e3", "0x1f", "2024-03-01", "12/17/2019", "1_000", "1.5", ".",
    "-", "~", "=", ":", ": ", " ", "  ", "\t", "#", " #", '"', '""', "'", "\\", "[", "]", ", ", ",", "{", "}", "&x",
    "*x", "!", "|", ">", "%", "@", "\n", "\n\n", "\n ", "\n- ", "\n---", "\r", "\x00", "\x07", "\x7f", "é", "a: b",
    '["a", "b"]',
])  # fmt: skip
LINES = st.builds(
    "{}: {}\n".format,
    st.sampled_from(["a", "title", "on", "ms.date", "x-y"]),
    st.one_of(
        st.lists(PIECES, max_size=4).map("".join),
        st.lists(PIECES, max_size=4).map(lambda pieces: f'"{"".join(pieces)}"'),
        st.lists(PIECES, min_size=1, max_size=3).map(
            lambda texts: "[" + ", ".join(f'"{text}"' for text in texts) + "]"
        ),
    ),
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('title: "Pumps: a #1 guide"\nms.date: 12/17/2019\n', {"title": "Pumps: a #1 guide", "ms.date": "12/17/2019"}),
        ('\n\ntags: ["a b", "c,d","]"]  \n\nid: 66d773ed-935c', {"tags": ["a b", "c,d", "]"], "id": "66d773ed-935c"}),
        ("title: Use the pump, by hand (v1.2)\ntitle: it's last", {"title": "it's last"}),
    ],
)
def test_keys_with_texts_are_read(source: str, expected: dict[str, object]) -> None:
    assert read_flat_yaml(source) == expected == load_yaml(source)


@pytest.mark.parametrize(
    "source",
    ["", "draft: true", "on: x", "n: 12", "d: 2024-03-01", "a: b: c", "a: b # c", 'a: "b\\n"', "a:\n- b", "a: b\n  c"],
)
def test_other_yaml_is_not_flat(source: str) -> None:
    assert read_flat_yaml(source) is None


@given(st.lists(st.one_of(LINES, PIECES), max_size=4).map("".join))
def test_flat_yaml_is_read_as_by_the_parser(source: str) -> None:
    flat = read_flat_yaml(source)
    try:
        parsed = load_yaml("# not flat\n" + source)
    except Unreadable:
        parsed = None
    if flat is not None:
        assert list(flat.items()) == list(parsed.items())
