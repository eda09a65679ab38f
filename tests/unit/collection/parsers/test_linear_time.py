"""The time to parse adversarial files of text formats grows linearly with their size."""

import pytest

from functions.collection.parsers.asciidoc.parser import parse as parse_asciidoc
from headwater.errors import PermanentError
from tests.harness.adversarial.rst import RST
from tests.harness.adversarial.text_formats import FILES
from tests.harness.growth import check_linear
from tests.harness.parsing import parse


def parse_or_refuse(file: str, content: bytes) -> None:
    try:
        parse(file, content, "text/plain")
    except PermanentError:
        return


@pytest.mark.sampled(29)
@pytest.mark.parametrize(("file", "name"), FILES)
def test_parsing_text_formats_takes_linear_time(file: str, name: str) -> None:
    shape = FILES[file, name]
    check_linear(lambda content: parse_or_refuse(file, content), lambda size: shape(size).encode(), largest=64_000)


@pytest.mark.sampled(211)
@pytest.mark.parametrize("name", RST)
def test_parsing_rst_takes_linear_time(name: str) -> None:
    shape = RST[name]
    check_linear(
        lambda content: parse_or_refuse("a.rst", content),
        lambda size: shape(size).encode(),
        largest=64_000,
    )


def test_references_to_attributes_expand_to_a_bounded_text() -> None:
    content = f"= A\n:long: {'word ' * 20_000}\n\n{'{long}' * 20_000}"
    parsed = parse_asciidoc("a.adoc", content.encode(), "text/asciidoc")
    assert 100_000 < len(parsed.text) < 4 * len(content) + 100_000
    assert parsed.text.endswith("{long}")


def test_callouts_of_code_are_removed_with_the_spaces_before_them() -> None:
    parsed = parse_asciidoc("a.adoc", b"[source,py]\n----\na  <1>\n\nb <.>\nx  <y>\n----\n", "text/asciidoc")
    assert parsed.text == "```py\na\n\nb\nx  <y>\n```"


@pytest.mark.parametrize(
    ("line", "heading"), [("== A b ==", "A b"), ("== A ==b", "A ==b"), ("== A=", "A="), ("##  A  \t##", "A")]
)
def test_heading_is_read_without_its_closing_marks(line: str, heading: str) -> None:
    parsed = parse_asciidoc("a.adoc", line.encode(), "text/asciidoc")
    assert parsed.text == f"## {heading}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("link:link:a[b]", "link:[b](a)"),
        ("https://web.example/2020/https://a.example[old]", "[old](https://web.example/2020/https://a.example)"),
        ("``a` b``", r"`a` b\`\`"),
        ("<<<a,b>>", "<b"),
    ],
)
def test_macros_are_read_after_what_looks_like_one(text: str, expected: str) -> None:
    assert parse_asciidoc("a.adoc", text.encode(), "text/asciidoc").text == expected
