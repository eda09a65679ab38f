"""Read RSS, Atom and JSON feeds, and the links to feeds of web pages. Runs in a process of its own.

feedparser reads feeds with errors, in any encoding, and expands no external entities.
"""

import io
import json
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import urljoin

import msgspec

from functions.collection.connectors.feed.entries import FeedDocument, FeedEntry, FeedLink, ends_cut, entry_key
from headwater.processes.child import limit_memory
from headwater.schemas import replace_nul

MAX_ENTRIES = 1_000
MEMORY_BYTES = 512 * 1024**2
_FEED_TYPES = frozenset(
    ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "text/xml")
)

_DECLARATION = re.compile(rb"<\?[^>]{0,500}>")
_DECIMAL_SURROGATE = rb"5529[6-9]|55[3-9]\d\d|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]"
_SURROGATE = rb"&#([xX]0{0,4}[dD][89a-fA-F][0-9a-fA-F]{2}|0{0,4}(?:" + _DECIMAL_SURROGATE + rb"));"
_SURROGATES = re.compile(_SURROGATE + b"(?:" + _SURROGATE + b")?")


class FeedReader:
    """Reads one file at a time."""

    def __init__(self) -> None:
        limit_memory(MEMORY_BYTES)

    def read(self, content: bytes, media_type: str, url: str) -> Iterator[FeedDocument]:
        """Yield what the file is: a feed, or a page with links to feeds. `url` is where it was fetched from."""
        text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text.startswith(b"{"):
            yield _read_json_feed(content, url)
            return
        feed = _read_xml(content, media_type, url)
        yield feed if feed.is_feed else FeedDocument(False, links=tuple(_find_links(content, url)))


def _read_json_feed(content: bytes, url: str) -> FeedDocument:
    """Read a JSON Feed (https://www.jsonfeed.org/version/1.1/)."""
    try:
        feed = json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        return FeedDocument(False)
    items = feed.get("items")
    if "jsonfeed.org" not in str(feed.get("version", "")) or not isinstance(items, list):
        return FeedDocument(False)
    found = [_json_entry(item, feed, url) for item in items[:MAX_ENTRIES] if isinstance(item, dict)]
    older = feed.get("next_url")
    older = _join(url, older) if isinstance(older, str) else ""
    return FeedDocument(True, _unique(found), warning=_warn_of_more(len(items)), older=_storable(older))


def _json_entry(item: Mapping[str, Any], feed: Mapping[str, Any], url: str) -> FeedEntry:
    def text(name: str) -> str:
        value = item.get(name)
        return str(value) if isinstance(value, str | int | float) else ""

    html, plain, summary = text("content_html"), text("content_text"), text("summary")
    authors = item.get("authors") or feed.get("authors") or [item.get("author")]
    names = [author.get("name") for author in authors if isinstance(author, dict)] if isinstance(authors, list) else []
    tags = item.get("tags")
    link = text("url") or text("external_url")
    return _entry(
        guid=text("id"),
        link=_join(url, link) if link else "",
        title=text("title"),
        html=html or _as_html(plain or summary),
        base=_join(url, link) if link else url,
        has_content=bool(html or plain),
        author=", ".join(name for name in names if isinstance(name, str)),
        published=text("date_published"),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _read_xml(content: bytes, media_type: str, url: str) -> FeedDocument:
    import feedparser

    headers = {"content-type": media_type or "application/xml"}  # no address: feedparser would resolve ids too
    options = {"response_headers": headers, "sanitize_html": False, "resolve_relative_uris": False}
    content = _mend_surrogates(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # feedparser warns of fields that it maps
        try:
            feed = feedparser.parse(io.BytesIO(content), **options)
        except UnicodeError:  # the name of the encoding is no text
            feed = feedparser.parse(io.BytesIO(_DECLARATION.sub(b"", content, count=1)), **options)
    if not feed.get("version"):
        return FeedDocument(False)
    found = [_xml_entry(entry, url) for entry in feed.entries[:MAX_ENTRIES]]
    older = _older(feed.feed.get("links") or [], url)
    return FeedDocument(True, _unique(found), warning=_warn_of_more(len(feed.entries)), older=older)


def _mend_surrogates(content: bytes) -> bytes:
    """Write characters that are divided into two references as one; a half alone is none, and becomes U+FFFD.

    >>> _mend_surrogates(b"&#xD83D;&#xDE00; &#55357;")
    b'&#128512; &#65533;'
    """

    def mend(found: re.Match[bytes]) -> bytes:
        halves = [int(one[1:], 16) if one[:1] in b"xX" else int(one) for one in found.groups() if one]
        if len(halves) == 2 and halves[0] < 0xDC00 <= halves[1]:
            return b"&#%d;" % (0x10000 + ((halves[0] - 0xD800) << 10) + halves[1] - 0xDC00)
        return b"&#65533;" * len(halves)

    return _SURROGATES.sub(mend, content)


def _older(links: list[Any], url: str) -> str:
    """Return the address of the page with older entries (RFC 5005, 3 and 4): `next`, or `prev-archive`."""
    targets = {link.get("rel"): link.get("href") for link in reversed(links) if link.get("href")}
    target = targets.get("next") or targets.get("prev-archive") or ""
    return _storable(_join(url, target)) if target else ""


def _xml_entry(entry: Any, url: str) -> FeedEntry:
    contents = entry.get("content") or []
    content = next((one for one in contents if "html" in one.get("type", "")), contents[0] if contents else None)
    chosen = content or entry.get("summary_detail") or {}
    html = chosen.get("value") or ""
    base = _join(url, chosen.get("base") or "")
    if chosen.get("type") == "text/plain":
        html = _as_html(html)
    link = entry.get("link") or ""
    link = _join(base, link) if link else ""
    return _entry(
        guid=entry.get("id") or "",
        link=link,
        title=_plain(entry.get("title") or ""),
        html=html,
        base=base,
        has_content=content is not None,
        author=entry.get("author") or "",
        published=_date(entry.get("published_parsed") or entry.get("updated_parsed")),
        tags=tuple(tag["term"] for tag in entry.get("tags") or () if tag.get("term")),
    )


def _entry(
    *,
    guid: str,
    link: str,
    title: str,
    html: str,
    base: str,
    has_content: bool,
    author: str,
    published: str,
    tags: tuple[str, ...],
) -> FeedEntry:
    plain = _plain(html)
    title = title or " ".join(plain.split()[:12])
    return FeedEntry(
        key=entry_key(_storable(guid), _storable(link), _storable(title + html)),
        title=_storable(" ".join(title.split())),
        link=_storable(link),
        html=_storable(html),
        base=_storable(base),
        has_content=has_content,
        text_chars=len(plain),
        ends_cut=ends_cut(plain),
        author=_storable(author),
        published=_storable(published),
        tags=tuple(map(_storable, tags)),
    )


def _storable(text: str) -> str:
    """Replace NUL characters by spaces and remove halves of surrogate pairs."""
    return replace_nul(text).encode(errors="ignore").decode()


def _plain(html: str) -> str:
    """Return the text of HTML in one line."""
    from lxml import etree
    from lxml import html as lxml_html

    if "<" not in html and "&" not in html:
        return " ".join(html.split())
    try:
        return " ".join(str(lxml_html.fromstring(f"<div>{_storable(html)}</div>").text_content()).split())
    except (etree.ParserError, ValueError):
        return ""


def _as_html(plain: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in plain.split("\n\n"))


def _date(parsed: time.struct_time | None) -> str:
    """Return the ISO 8601 form of a date that feedparser read, which is in UTC; "" without one."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", parsed) if parsed and 0 < parsed.tm_year < 10_000 else ""


def _unique(entries: list[FeedEntry]) -> tuple[FeedEntry, ...]:
    """Keep the first of entries with the same key, which is the newest.

    An id that entries with different links share, such as the address of the site, identifies none of them.
    """
    links: dict[str, set[str]] = {}
    for entry in entries:
        links.setdefault(entry.key, set()).add(entry.link)
    shared = {key for key, found in links.items() if len(found) > 1}
    keyed = [
        msgspec.structs.replace(one, key=entry_key("", one.link, one.title + one.html)) if one.key in shared else one
        for one in entries
    ]
    return tuple({entry.key: entry for entry in reversed(keyed) if entry.title or entry.html}.values())[::-1]


def _warn_of_more(found: int) -> str | None:
    return f"only the first {MAX_ENTRIES:,} of {found:,} entries are read" if found > MAX_ENTRIES else None


def _find_links(content: bytes, url: str) -> Iterator[FeedLink]:
    """Find the feeds that a page names (`<link rel="alternate">`), those of comments last."""
    from lxml import etree, html

    try:
        page = html.document_fromstring(content, parser=html.HTMLParser(recover=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return
    bases = [one.get("href") for one in page.iter("base") if one.get("href")]
    base = _join(url, bases[0]) if bases else url
    links = []
    for link in page.iter("link", "a"):
        kind = (link.get("type") or "").partition(";")[0].strip().lower()
        if kind in _FEED_TYPES and "alternate" in (link.get("rel") or "alternate").lower().split() and link.get("href"):
            links.append(FeedLink(_join(base, link.get("href")), link.get("title") or ""))
    yield from sorted(dict.fromkeys(links), key=lambda link: "comment" in f"{link.title} {link.url}".lower())


def _join(base: str, target: str) -> str:
    try:
        return urljoin(base, target.strip())
    except ValueError:
        return target
