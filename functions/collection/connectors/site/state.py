"""What a crawl knows: between the steps of one listing, and from one listing to the next. Pure."""

import base64
import zlib

import msgspec

from headwater.connectors import MAX_CURSOR_CHARS


class KnownPage(msgspec.Struct, frozen=True, array_like=True):
    """A page as it was last read. `gone` counts the last listings in which it was missing.

    `text_hash` is that of its text, so that a page that comes later is recognised as a copy of it. The fingerprint is
    "" for a page that could not be read yet.
    """

    fingerprint: str
    media_type: str
    etag: str = ""
    last_modified: str = ""
    gone: int = 0
    text_hash: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class Crawl(msgspec.Struct):
    """A listing under way. Pages are by URL.

    `queue` has URLs to request, with their depth; `seen` those that have been in it. `previous` are the pages of the
    last listing, `pages` those of this one. `texts` has a page for each hash of a text. `unread` are
    skipped pages that the next listing tries again, `retried` those of the last listing.
    """

    start: str
    previous: dict[str, KnownPage]
    robots: str = ""
    delay_s: float = 0.0
    missing_words: str = ""
    follows_links: bool = True
    queue: list[tuple[str, int]] = []
    seen: set[str] = set()
    pages: dict[str, KnownPage] = {}
    texts: dict[str, str] = {}
    queries: dict[str, int] = {}
    skipped: dict[str, str] = {}
    unread: list[str] = []
    retried: list[str] = []
    requests: int = 0


def encode_cursor(crawl: Crawl) -> str | None:
    """Return the pages as a cursor; without validators if they would not fit, None if even that doesn't."""
    pages = crawl.pages | dict.fromkeys(crawl.unread, KnownPage("", ""))
    for kept in (
        pages,
        {url: msgspec.structs.replace(page, etag="", last_modified="") for url, page in pages.items()},
    ):
        cursor = base64.b85encode(zlib.compress(msgspec.msgpack.encode(kept), 9)).decode()
        if len(cursor) <= MAX_CURSOR_CHARS:
            return cursor
    return None


def decode_cursor(cursor: str | None) -> dict[str, KnownPage]:
    """Return the pages of the last listing."""
    if not cursor:
        return {}
    return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(cursor)), type=dict[str, KnownPage])
