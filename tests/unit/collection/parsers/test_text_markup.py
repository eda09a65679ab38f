"""AsciiDoc, Org and reStructuredText as Markdown. Each sample has the expected text in a file next to it."""

import pytest

from functions.collection.parsers.choose import load_built_in
from headwater.errors import PermanentError
from headwater.parsers import Parser, check_parsed
from tests.harness.paths import ROOT

SAMPLES = ROOT / "tests" / "data" / "documents"
AUTHORS = {"asciidoc": ("adoc", "Ann Author"), "org": ("org", "Ann"), "rst": ("rst", "Ann")}


@pytest.fixture(params=AUTHORS)
def name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def parse(name: str) -> Parser:
    return load_built_in(name)


def test_file_becomes_markdown(name: str, parse: Parser) -> None:
    extension, author = AUTHORS[name]
    parsed = parse(f"a.{extension}", (SAMPLES / f"markup.{extension}").read_bytes(), "")
    check_parsed(parsed)
    assert parsed.text + "\n" == (SAMPLES / f"markup.{extension}.md").read_text()
    assert parsed.front_matter["author"] == author
    assert "/etc/passwd" not in parsed.text
    assert "root:" not in parsed.text


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"x" * 10_000, b"* " * 50, b"|" * 5_000, b"=\n" * 2_000, b"[[" * 5_000]
)
def test_odd_files_are_read(parse: Parser, content: bytes) -> None:
    check_parsed(parse("a", content, ""))


def test_deeply_nested_file_is_read_or_refused(name: str, parse: Parser) -> None:
    if name == "rst":
        with pytest.raises(PermanentError, match="its structure can't be read"):
            parse("a", b"* " * 5_000, "")
    else:
        check_parsed(parse("a", b"* " * 5_000, ""))


def test_binary_file_is_refused(parse: Parser) -> None:
    with pytest.raises(PermanentError, match="binary"):
        parse("a", b"a\0b", "")
