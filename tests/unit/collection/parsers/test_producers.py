"""Files that many programs have made of one text: words in order, headings, tables with their headers, and code."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from functions.collection.connectors.media_types import media_type
from functions.collection.parsers.parse import ParsedDocument
from headwater.passages import excerpt
from tests.harness.handbook import DOCUMENTS, PRODUCERS, headings, made_files, share_in_order, words
from tests.harness.parsing import parse

HANDBOOK = (DOCUMENTS / "handbook.md").read_text()
DECK = (PRODUCERS / "deck.md").read_text()
STOCK = (PRODUCERS / "stock.md").read_text().rstrip()

TITLES = {"pump station handbook", "handbook.nbconvert", "handbook.old asciidoc", "notebook"}
TABLE = re.compile(
    r"\| Pump +\| Rated flow +\| Maximum pressure +\|\n\|[ -]+\|[ -]+\|[ -]+\|\n\| North +\| 120 litres a second +\|"
)

MARKED_UP = [path for path in made_files("handbook") if path.suffix not in (".pdf", ".eml", ".mbox")]
MESSAGES = [path for path in made_files("handbook") if path.suffix in (".eml", ".mbox")]

WITHOUT_HEADINGS = {"handbook.libreoffice.epub"}
"""Its headings are paragraphs with a larger font, and the first rows of tables are left out by the program."""
WITHOUT_LISTS = {"handbook.abiword.odt", "handbook.libreoffice.epub", "handbook.libreoffice.html"}
"""Their lists or code have become paragraphs in the file itself."""


def read(path: Path) -> tuple[ParsedDocument, str]:
    """Parse a file. Returns the document, and its text as it is searched."""
    content = path.read_bytes()
    document = parse(path.name, content, media_type(path.name, content))
    return document, excerpt(document.text, [offset for pair in document.markup for offset in pair])


def titles(text: str) -> list[str]:
    return [line.lstrip("# ") for line in headings(re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


def test_each_format_has_files_of_five_programs() -> None:
    programs = defaultdict(set)
    for path in [*made_files("handbook"), *made_files("deck"), *made_files("stock")]:
        _, program, suffix = path.name.split(".")
        programs[suffix].add(program)
    few = {suffix: sorted(names) for suffix, names in programs.items() if len(names) < 5}
    assert set(few) <= {"ods", "odp", "xls", "mbox", "tsv", "csv"}
    assert {"docx", "pptx", "xlsx", "odt", "epub", "html", "ipynb", "rst", "adoc", "org", "eml", "pdf"} <= set(programs)


@pytest.mark.parametrize("path", MARKED_UP, ids=lambda path: path.name.removeprefix("handbook."))
def test_document_of_a_program_is_read_as_it_was_written(path: Path) -> None:
    document, text = read(path)
    share = share_in_order(words(HANDBOOK), words(f"{document.title}\n{text}"))
    if path.name in WITHOUT_HEADINGS:
        assert share >= 0.98
        return
    assert share >= 0.99
    assert document.title.lower() in TITLES
    assert share_in_order(titles(HANDBOOK), [document.title, *titles(text)]) == 1
    assert TABLE.search(text)
    if path.name not in WITHOUT_LISTS:
        assert re.search(r"^( *)connect /dev/ttyS0 9600\n\1read state\n\1    pump north\n", text, re.MULTILINE)
        assert re.search(r"^(-|\*) +Close the drain", text, re.MULTILINE)
        assert re.search(r"^2\. +Compare it", text, re.MULTILINE)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.name.removeprefix("handbook."))
def test_message_of_a_program_is_read_as_it_was_written(path: Path) -> None:
    document, text = read(path)
    assert share_in_order(words(HANDBOOK), words(text)) >= 0.99
    assert "für den März" in text.split("\n", 1)[0]
    assert "Anne" in text + str(document.front_matter) or "Änne" in text + str(document.front_matter)


@pytest.mark.parametrize("path", made_files("deck"), ids=lambda path: path.name.removeprefix("deck."))
def test_slides_of_a_program_are_read_as_they_were_written(path: Path) -> None:
    document, text = read(path)
    is_numbered = "2. Replace both filters" in text
    expected = DECK if is_numbered else re.sub(r"^\d\. ", "", DECK, flags=re.MULTILINE)
    assert share_in_order(words(expected), words(text)) >= 0.99
    assert titles(text) == titles(DECK)
    assert [text[at:].split("\n")[0].lstrip("# ") for at in excerpt_pages(document)] == titles(DECK)
    assert "| Pump | Rated flow | Maximum pressure |\n| --- | --- | --- |\n| North | 120 litres a second |" in text
    assert re.search(r"^- Two of three pumps lose pressure\n    - the northern one", text, re.MULTILINE)
    assert "> The seal takes three weeks." in text


def excerpt_pages(document: ParsedDocument) -> list[int]:
    """Return where pages begin in the text without markup."""
    return [at - sum(end - start for start, end in document.markup if end <= at) for at in document.pages]


@pytest.mark.parametrize("path", made_files("stock"), ids=lambda path: path.name.removeprefix("stock."))
def test_sheets_of_a_program_are_read_as_they_were_written(path: Path) -> None:
    document, _ = read(path)
    if path.suffix not in (".csv", ".tsv"):
        assert document.text == STOCK
        return
    caption, table = STOCK.split("\n\n")[1:3]
    has_caption = document.text.startswith("Spare")
    text = re.sub(r"(\d),(\d)", r"\1.\2", document.text)
    assert text == (f"{caption}\n\n{table}" if has_caption else table)
