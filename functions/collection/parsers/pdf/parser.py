"""The PDF parser: open a file, read its pages, and write them as Markdown."""

import re
from typing import Any

from functions.collection.parsers.writer import MarkdownWriter
from headwater.errors import PermanentError
from headwater.parsers import SCANNED_PDF, OtherParserNeeded, Parsed

READS = ("application/pdf", "application/x-pdf", ".pdf")
VERSION = 3

MAX_PAGES = 1_000
"""A page takes about 7 ms, one with tables twice that."""

_UNSTATED = re.compile(
    r"untitled|\(?(?:anonymous|unspecified)\)?"
    r"|.*\.(?:docx?|odt|pdf|tex|dvi|indd|rtf|html?|pptx?|xlsx?)|microsoft \w+.*",
    re.IGNORECASE,
)
"""Titles and authors that programs write without being asked."""


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse a PDF file. Raises PermanentError if it is encrypted, damaged or has no text."""
    import pypdfium2

    from functions.collection.parsers.pdf.blocks import write_pages
    from functions.collection.parsers.pdf.pages import read_outline, read_page

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise PermanentError(_describe(str(error), content)) from error
    count = len(document)
    pages = [read_page(document, index) for index in range(min(count, MAX_PAGES))]
    blank = [index + 1 for index, page in enumerate(pages) if not page.lines and page.has_image]
    if not any(page.lines for page in pages):
        if blank:
            raise OtherParserNeeded(
                "it has no text: its pages are images, as scanners make them. Recognise their text first, or install "
                "an extension that does (OCR)",
                SCANNED_PDF,
            )
        if all(page.is_damaged for page in pages):
            raise PermanentError("it is damaged: none of its pages can be read")
        raise PermanentError("it has no text")
    writer = MarkdownWriter()
    if blank:
        writer.warnings.append(f"without text, as they are images: {_list_pages(blank)}")
    if damaged := [index + 1 for index, page in enumerate(pages) if page.is_damaged]:
        writer.warnings.append(f"damaged and not read: {_list_pages(damaged)}")
    if count > MAX_PAGES:
        writer.warnings.append(f"only the first {MAX_PAGES:,} of {count:,} pages were read")
    write_pages(pages, read_outline(document), writer)
    metadata = document.get_metadata_dict(skip_empty=True)
    return writer.finish(_title(metadata), _front_matter(metadata))


def _describe(problem: str, content: bytes) -> str:
    if "password" in problem.lower():
        return "it is encrypted and opens only with a password"
    if "security" in problem.lower():
        return "it is encrypted by a method that is not supported"
    if b"%PDF-" not in content[:1024]:
        return "it is not a PDF document, although its name says so"
    return "it is damaged and can't be opened as a PDF document"


def _title(metadata: dict[str, str]) -> str | None:
    title = " ".join(metadata.get("Title", "").split())
    return None if len(title) < 3 or _UNSTATED.fullmatch(title) else title


def _front_matter(metadata: dict[str, str]) -> dict[str, Any]:
    """Return the author, date, subject and keywords that the file states."""
    fields = {"author": "Author", "description": "Subject", "keywords": "Keywords"}
    texts = {name: " ".join(metadata.get(field, "").split()) for name, field in fields.items()}
    values = {name: text for name, text in texts.items() if text and not _UNSTATED.fullmatch(text)}
    if date := re.match(r"(?:D:)?(\d{4})(\d\d)(\d\d)", metadata.get("CreationDate", "")):
        values["date"] = "-".join(date.groups())
    return values


def _list_pages(pages: list[int]) -> str:
    """Write page numbers: `page 3`, or `pages 1, 2, 7` and how many more there are."""
    shown = ", ".join(map(str, pages[:10])) + (f" and {len(pages) - 10:,} more" if len(pages) > 10 else "")
    return f"page {shown}" if len(pages) == 1 else f"pages {shown}"
