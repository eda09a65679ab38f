"""Parse one file as a `fetch` step does."""

from functions.collection.parsers.parse import BatchParser, ParsedDocument


def parse(key: str, content: bytes, media_type: str, title: str | None = None) -> ParsedDocument:
    """Parse a file with the installed parsers."""
    with BatchParser() as parsers:
        return parsers.parse(key, content, media_type, title)
