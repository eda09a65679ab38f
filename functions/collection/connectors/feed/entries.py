"""Entries of a feed, and the HTML page that is made of each."""

import hashlib

import msgspec

from functions.collection.connectors.entry_page import entry_page
from headwater.connectors import MAX_KEY_BYTES

_MAX_EXCERPT_CHARS = 1_000
_CUT_ENDS = ("…", "...", "[…]", "[...]", "[&#8230;]", "read more", "continue reading")


class FeedEntry(msgspec.Struct, frozen=True):
    """An entry. `html` is its content with `base` as the base URL of links; `has_content` is False for a summary."""

    key: str
    title: str
    link: str
    html: str
    base: str
    has_content: bool
    text_chars: int = 0
    ends_cut: bool = False
    author: str = ""
    published: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_excerpt(self) -> bool:
        """Whether the feed has only the beginning of the article."""
        return self.ends_cut or (not self.has_content and self.text_chars < _MAX_EXCERPT_CHARS)

    def fingerprint(self, full_text: str) -> str:
        """Return a hash of what readers see of the entry, and of how its article is read."""
        seen = (self.title, self.link, self.html, self.author, self.published, self.tags, full_text)
        return hashlib.sha256(msgspec.msgpack.encode(seen)).hexdigest()[:40]

    def page(self) -> bytes:
        """Return an HTML page that has nothing but the entry."""
        return entry_page(
            self.html,
            title=self.title,
            base=self.base,
            author=self.author,
            published=self.published,
            tags=self.tags,
        )


class FeedLink(msgspec.Struct, frozen=True):
    """A feed that a page links to."""

    url: str
    title: str = ""


class FeedDocument(msgspec.Struct, frozen=True):
    """What a feed reader made of a file: the entries of a feed, else the feeds that a page links to."""

    is_feed: bool
    entries: tuple[FeedEntry, ...] = ()
    links: tuple[FeedLink, ...] = ()
    warning: str | None = None
    older: str = ""
    """The address of the feed's next page, which has older entries; "" without one."""


def entry_key(guid: str, link: str, content: str) -> str:
    """Return what identifies an entry: its id, else its link, else a hash of its content.

    >>> entry_key(" tag:a,2024:1 ", "https://a.example/1", ""), entry_key("", "https://a.example/1", "")
    ('tag:a,2024:1', 'https://a.example/1')
    """
    for text in (guid, link):
        key = " ".join(text.split())
        if key and len(key.encode()) <= MAX_KEY_BYTES:
            return key
    return hashlib.sha256(" ".join((guid, link, content)).encode()).hexdigest()[:40]


def ends_cut(text: str) -> bool:
    """Return True for a text that says that it goes on elsewhere."""
    return text.rstrip().lower().rstrip(" \u203a\u00bb\u2192").endswith(_CUT_ENDS)
