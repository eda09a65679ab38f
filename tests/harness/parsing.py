"""Parse one file as a `fetch` step does."""

from functions.collection.parsers.parse import ParsedDocument, Parsers


def parse(key: str, content: bytes, media_type: str, title: str | None = None) -> ParsedDocument:
    """Parse a file with the installed parsers."""
    with Parsers() as parsers:
        return parsers.parse(key, content, media_type, title)
