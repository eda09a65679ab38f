"""Parse one file in this process, as the processes of a `fetch` step do."""

from functions.collection.parsers.choose import choose, load_built_in
from functions.collection.parsers.parse import ParsedDocument, complete
from headwater.extensions.discovery import Extension


def parse(key: str, content: bytes, media_type: str, title: str | None = None) -> ParsedDocument:
    """Parse a file with a built-in parser."""
    parser = choose(key, media_type).parser
    assert parser is not None
    assert not isinstance(parser, Extension)
    return complete(key, load_built_in(parser.name)(key, content, media_type), title)
