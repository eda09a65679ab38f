"""Stored fingerprints: a source's own fingerprint, the version of its parser and of the chunker.

`7f3a.1.1` is Markdown, `7f3a.acme_pdf-1_2.1` was read by version 1.2 of the package acme-pdf. A document whose stored
fingerprint differs has changed: it is fetched, parsed and chunked again.
"""

from functools import cache, lru_cache

from functions.collection.chunking.chunk import CHUNKER_VERSION
from functions.collection.connectors.media_types import media_type
from functions.collection.parsers.choose import choose, file_extension, parser_version, parser_versions
from headwater.connectors import Entry

MOVED_SUFFIX = ".moved.0"
"""Ends the fingerprint of a document that moved and has not been read at its new key: no release's versions."""


def stored_fingerprint(entry: Entry) -> str:
    """Return the fingerprint to store for an entry of a listing."""
    return entry.fingerprint + _suffix(file_extension(entry.key), entry.media_type)


def source_fingerprint(stored: str) -> str:
    """Return the source's own part: `7f3a` of `7f3a.1.1`."""
    return stored.rsplit(".", 2)[0]


def with_current_versions(stored: str) -> str:
    """Replace the versions by those of this process: a run may outlive a release."""
    source, parser, _ = stored.rsplit(".", 2)
    return f"{source}.{parser_versions().get(parser.rpartition('-')[0], parser)}.{CHUNKER_VERSION}"


@cache
def current_suffixes() -> list[str]:
    """List the ends of the fingerprints that documents read by this release have."""
    return [f".{version}.{CHUNKER_VERSION}" for version in parser_versions().values()]


def current_versions() -> str:
    """Name all versions of this release: a cursor that was stored with others is not used."""
    return ",".join(current_suffixes())


@lru_cache(1024)
def _suffix(extension: str, listed_media_type: str | None) -> str:
    """Return the suffix for documents with this file extension: listings have many keys and few extensions."""
    name = f"document{extension}"
    choice = choose(name, listed_media_type or media_type(name, b""))
    return f".{parser_version(choice)}.{CHUNKER_VERSION}"
