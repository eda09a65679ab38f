"""The feed connector: entries of RSS, Atom and JSON feeds, with their full articles.

A feed is a window: what leaves it stays collected. Without a cursor, the pages with older entries are read too, if the
feed links to them. The cursor has the feed's address, its validators for conditional
requests and the hash of its content, since many servers send a new ETag with the same content.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urljoin

import msgspec
from msgspec import Meta

from functions.collection.connectors.feed.entries import FeedDocument, FeedEntry
from functions.collection.connectors.web_address import normalise_web_address, with_base
from headwater.config import minimal_environment
from headwater.connectors import Connector, Entry, Fetched, Listing
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.processes.process import ChildProcess

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient, WebResponse

READ_CPU_S, READ_S = 10.0, 30.0
MAX_READ_BYTES = 128_000_000
BATCH_S = 120.0
"""Time for the articles of one batch; one that takes longer is split."""
CHECK_S = 8.0
OLDER_S, MAX_OLDER_PAGES, MAX_OLDER_ENTRIES = 45.0, 100, 5_000
"""Of the pages with older entries, together."""
OLDER_DELAY_S = 0.5
_ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
_ACCEPT_ARTICLES = {"Accept": "text/html, application/xhtml+xml;q=0.9, */*;q=0.5"}
ARTICLE_DELAY_S = 0.2
"""Between two articles of a host."""
_USUAL_PATHS = ("/feed", "/feed.xml", "/rss.xml", "/atom.xml", "/index.xml")


class FeedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The feed to collect."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="The feed's address, or that of a page that links to it, such as a blog.",
            examples=["https://example.com/blog"],
        ),
    ]
    full_text: Annotated[
        Literal["excerpts", "always", "never"],
        Meta(
            title="Fetch articles",
            description="When to fetch the article's page: for entries that are only an excerpt, always, or never.",
        ),
    ] = "excerpts"


class FeedState(msgspec.Struct, frozen=True):
    """The cursor: what the last listing found."""

    url: str
    content_hash: str = ""
    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}


class FeedConnector(Connector[FeedConfig]):
    """Reads feeds."""

    title = "Feed"
    help = "Collects the entries of an RSS, Atom or JSON feed. What leaves the feed stays collected."
    config_type = FeedConfig
    identity = ("url",)
    has_dates = True

    @cached_property
    def _web(self) -> "WebClient":
        return self.context.web()

    @classmethod
    def normalise(cls, config: FeedConfig) -> FeedConfig:
        """Write the address in its one form."""
        return msgspec.structs.replace(config, url=normalise_web_address(config.url))

    def check(self, config: FeedConfig, secret: str | None) -> None:  # noqa: ARG002 - feeds have no secret
        """Find the feed."""
        try:
            self._find(config.url, timeout_s=CHECK_S)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: FeedConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the entries that the feed has now; none if it has not changed."""
        state = msgspec.json.decode(cursor, type=FeedState) if cursor else FeedState(config.url)
        answer = self._web.get(state.url, {"Accept": _ACCEPT, **state.headers()})
        if answer.status in (404, 410) and state.url != config.url:  # the page may link to another feed now
            state = FeedState(config.url)
            answer = self._web.get(state.url, {"Accept": _ACCEPT})
        if answer.status == 304:
            return Listing(state.content_hash, [], complete=False, cursor=cursor)
        answer, feed = self._read_feed(answer, state.url)
        new = _state_of(answer)
        if new.content_hash != state.content_hash:
            feed = feed if cursor else self._with_older(feed, answer.url)
            self._stage(new.content_hash, feed)
            entries = [
                Entry(entry.key, entry.fingerprint(config.full_text), "text/html")
                for entry in feed.entries
                if self._is_in_period(entry)
            ]
        else:
            entries = []
        return Listing(new.content_hash, entries, complete=False, cursor=msgspec.json.encode(new).decode())

    def fetch(
        self,
        config: FeedConfig,
        secret: str | None,  # noqa: ARG002 - feeds have no secret
        snapshot: str,
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield the entries: the feed's own text, or the article's page."""
        in_feed = {entry.key: entry for entry in self._staged(config, snapshot).entries}
        began = time.monotonic()
        for wanted in entries:
            entry = in_feed.get(wanted.key)
            if time.monotonic() - began > BATCH_S and len(entries) > 1:
                raise PermanentError(f"The articles of the batch took longer than {BATCH_S:g} s.")
            if entry is None:
                yield Fetched(wanted.key, None, "text/html", error="The entry is not in the feed any more.")
            elif entry.link and (config.full_text == "always" or (config.full_text == "excerpts" and entry.is_excerpt)):
                yield self._article(entry)
            else:
                yield _fetched(entry)

    def _is_in_period(self, entry: FeedEntry) -> bool:
        """Whether a backfill lists an entry: by its date."""
        if self.context.period is None:
            return True
        try:
            return self.context.period.has(datetime.fromisoformat(entry.published))
        except ValueError:
            return False

    def _with_older(self, feed: FeedDocument, url: str) -> FeedDocument:
        """Add the entries of the pages that the feed, and each of them, links to, up to one that can't be read."""
        until, seen = time.monotonic() + OLDER_S, {url}
        entries = {entry.key: entry for entry in feed.entries}
        page = feed
        with self._reader() as reader:
            while page.older and page.older not in seen and len(seen) <= MAX_OLDER_PAGES:
                if len(entries) >= MAX_OLDER_ENTRIES or time.monotonic() > until:
                    break
                seen.add(page.older)
                try:
                    answer = self._web.get(page.older, {"Accept": _ACCEPT}, delay_s=OLDER_DELAY_S)
                    page = _read(reader, answer) if answer.status == 200 else FeedDocument(False)
                except PermanentError:
                    break
                for entry in page.entries:
                    entries.setdefault(entry.key, entry)
        return msgspec.structs.replace(feed, entries=tuple(entries.values())[:MAX_OLDER_ENTRIES])

    def _article(self, entry: FeedEntry) -> Fetched:
        """Fetch an article; the feed's own text stands in for one that can't be read."""
        reason = ""
        try:
            answer = self._web.get(entry.link, _ACCEPT_ARTICLES, delay_s=ARTICLE_DELAY_S)
            if answer.status == 200 and answer.media_type in ("text/html", "application/xhtml+xml"):
                content = with_base(answer.content, answer.url)
                return Fetched(entry.key, content, answer.headers["content-type"], answer.url, title=entry.title)
            reason = f"HTTP {answer.status}, {answer.media_type or 'no media type'}"
        except UpstreamError as error:
            if error.retry_after_s is not None:
                raise
            reason = error.message
        except PermanentError as error:
            reason = error.message
        if entry.html:
            return _fetched(entry)
        return Fetched(entry.key, None, "text/html", entry.link, error=f"The article can't be read: {reason}")

    def _find(self, url: str, *, timeout_s: float = 30.0) -> "tuple[WebResponse, FeedDocument]":
        answer = self._web.get(url, {"Accept": _ACCEPT}, timeout_s=timeout_s)
        return self._read_feed(answer, url)

    def _read_feed(self, answer: "WebResponse", url: str) -> "tuple[WebResponse, FeedDocument]":
        """Read a feed. From a page, go on to the feed that it links to, or that is where feeds usually are."""
        if answer.status != 200:
            raise SystemicError(f"{url} answered with HTTP {answer.status}. Check the address.")
        with self._reader() as reader:
            feed = _read(reader, answer)
            if feed.is_feed:
                return answer, feed
            linked = [link.url for link in feed.links[:3]]
            for candidate in linked or [urljoin(answer.url, path) for path in _USUAL_PATHS]:
                try:
                    found = self._web.get(candidate, {"Accept": _ACCEPT})
                except HeadwaterError:
                    if linked:
                        raise
                    continue
                if found.status == 200 and (feed := _read(reader, found)).is_feed:
                    return found, feed
        raise SystemicError(f"No feed was found at {url}, nor a link to one. Enter the address of the feed itself.")

    def _reader(self) -> ChildProcess:
        target = "functions.collection.connectors.feed.read:FeedReader"
        return ChildProcess(target, (), name="The feed reader", environment=minimal_environment())

    def _stage(self, snapshot: str, feed: FeedDocument) -> None:
        self.context.blobs().put(self._blob_key(snapshot), msgspec.msgpack.encode(feed))

    def _staged(self, config: FeedConfig, snapshot: str) -> FeedDocument:
        """Return the listed feed; a later run, which retries entries, reads the feed again."""
        staged = self.context.blobs().get(self._blob_key(snapshot))
        if staged:
            return msgspec.msgpack.decode(staged, type=FeedDocument)
        answer, feed = self._find(config.url)
        return self._with_older(feed, answer.url)

    def _blob_key(self, snapshot: str) -> str:
        return f"{self.context.stage_prefix}/{snapshot}"


def _fetched(entry: FeedEntry) -> Fetched:
    return Fetched(entry.key, entry.page(), "text/html", entry.link or None, title=entry.title)


def _read(reader: ChildProcess, answer: "WebResponse") -> FeedDocument:
    arguments = answer.content, answer.headers.get("content-type", ""), answer.url
    limits = {"timeout_s": READ_S, "cpu_s": READ_CPU_S, "max_bytes": MAX_READ_BYTES}
    return reader.call("read", *arguments, kind=FeedDocument, **limits)  # type: ignore[arg-type]


def _state_of(answer: "WebResponse") -> FeedState:
    content_hash = hashlib.sha256(answer.content).hexdigest()[:40]
    headers = answer.headers
    return FeedState(answer.url, content_hash, headers.get("etag", ""), headers.get("last-modified", ""))


CONNECTOR = FeedConnector
