"""Org as Markdown. `markup.org.md` has the expected text."""

import pytest

from functions.collection.parsers.org.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.paths import ROOT

SAMPLE = ROOT / "tests/data/documents/markup.org"


def test_file_becomes_markdown() -> None:
    parsed = parse("a.org", SAMPLE.read_bytes(), "")
    check_parsed(parsed)
    assert parsed.text + "\n" == SAMPLE.with_name("markup.org.md").read_text()
    assert parsed.front_matter["author"] == "Ann"
    assert "/etc/passwd" not in parsed.text
    assert "root:" not in parsed.text


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"x" * 10_000, b"* " * 5_000, b"|" * 5_000, b"=\n" * 2_000, b"[[" * 5_000]
)
def test_odd_files_are_read(content: bytes) -> None:
    check_parsed(parse("a.org", content, ""))


def test_binary_file_is_refused() -> None:
    with pytest.raises(PermanentError, match="binary"):
        parse("a.org", b"a\0b", "")
