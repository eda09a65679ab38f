"""Books as Markdown: chapters in the order of the spine; protected and damaged ones."""

import pytest

from functions.collection.parsers.epub.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.archives import make_zip
from tests.harness.paths import ROOT

BOOK = ROOT / "tests/data/documents/book.epub"
CONTAINER = {"META-INF/container.xml": "<c><rootfiles><rootfile full-path='c.opf'/></rootfiles></c>"}
PROTECTED = "<e><EncryptionMethod Algorithm='http://www.w3.org/2001/04/xmlenc#aes128-cbc'/></e>"


def test_chapters_follow_the_spine_without_the_table_of_contents() -> None:
    parsed = parse("book.epub", BOOK.read_bytes(), "")
    check_parsed(parsed)
    assert parsed.text == "# First\n\nGröße x\n\n# Second\n\n| A | B |\n| --- | --- |\n| 1 | 2 |"
    assert (parsed.title, parsed.front_matter) == ("Pumps", {"author": "Ann", "date": "2024-01-02"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "it is not an EPUB book"),
        (BOOK.read_bytes()[:900], "not a complete ZIP archive"),
        (make_zip({"a": "b"}), "it has no table of its chapters"),
        (make_zip({**CONTAINER, "c.opf": "<package/>"}), "it has no text"),
        (
            make_zip({**CONTAINER, "c.opf": "<package/>", "META-INF/encryption.xml": PROTECTED}),
            "protected against copying",
        ),
    ],
)
def test_book_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.epub", content, "")
