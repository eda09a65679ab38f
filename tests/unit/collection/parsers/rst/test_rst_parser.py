"""reStructuredText as Markdown. `markup.rst.md` has the expected text."""

import pytest

from functions.collection.parsers.rst.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.paths import ROOT

SAMPLE = ROOT / "tests/data/documents/markup.rst"


def test_file_becomes_markdown() -> None:
    parsed = parse("a.rst", SAMPLE.read_bytes(), "")
    check_parsed(parsed)
    assert parsed.text + "\n" == SAMPLE.with_name("markup.rst.md").read_text()
    assert parsed.front_matter["author"] == "Ann"
    assert "/etc/passwd" not in parsed.text
    assert "root:" not in parsed.text


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"x" * 10_000, b"* " * 50, b"|" * 5_000, b"=\n" * 2_000, b"[[" * 5_000]
)
def test_odd_files_are_read(content: bytes) -> None:
    check_parsed(parse("a.rst", content, ""))


def test_binary_file_is_refused() -> None:
    with pytest.raises(PermanentError, match="binary"):
        parse("a.rst", b"a\0b", "")


def test_deeply_nested_file_is_refused() -> None:
    with pytest.raises(PermanentError, match="its structure can't be read"):
        parse("a.rst", b"* " * 5_000, "")
