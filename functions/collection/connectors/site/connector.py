"""The site connector: pages of a web site, by its sitemaps or by following links.

A listing requests every page, conditionally, and stages what has changed; `fetch` reads what was staged. Large sites
take several steps. The cursor has the pages with their validators. A page is gone when two listings miss it.
"""

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

import msgspec

from functions.collection.connectors.site.config import SiteConfig, key_of
from functions.collection.connectors.site.crawl import READABLE, Crawler, StagedPage
from functions.collection.connectors.site.state import Crawl, decode_cursor, encode_cursor
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.web_address import with_base
from headwater.connectors import Connector, Entry, Fetched, Listing
from headwater.errors import HeadwaterError, PermanentError, UnprocessableContent

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient

SLICE_S = 60.0
"""Time for one step of a listing."""
CHECK_S = 8.0


class SiteConnector(Connector[SiteConfig]):
    """Reads web sites."""

    title = "Web site"
    help = "Collects the pages of a web site, by its sitemap or by following links. Follows the rules in robots.txt."
    config_type = SiteConfig
    identity = ("url",)

    @cached_property
    def _web(self) -> "WebClient":
        return self.context.web()

    @classmethod
    def normalise(cls, config: SiteConfig) -> SiteConfig:
        """Write the address in its one form and check the patterns."""
        return config.normalised()

    def check(self, config: SiteConfig, secret: str | None) -> None:  # noqa: ARG002 - sites have no secret
        """Request the first page."""
        try:
            answer = self._web.get(config.url, timeout_s=CHECK_S)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error
        if answer.status != 200:
            raise UnprocessableContent(f"{config.url} answered with HTTP {answer.status}. Check the address.")
        if answer.media_type not in READABLE:
            raise UnprocessableContent(f"{config.url} is not a web page ({answer.media_type or 'no media type'}).")

    def list(self, config: SiteConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """Request pages for a while. Returns the listing, or where the next step goes on."""
        until = time.monotonic() + SLICE_S
        with Crawler(self._web, config, self._stage) as crawler:
            crawl = staged_listing(self.context, cursor, Crawl)
            if crawl is None:
                crawl = crawler.begin(decode_cursor(cursor), until)
            if not crawler.go_on(crawl, until):
                return Listing("", [], complete=False, resume=stage_listing(self.context, crawl))
        entries: dict[str, Entry] = {}
        for url, page in crawl.pages.items():
            entries.setdefault(key_of(url), Entry(key_of(url), page.fingerprint, page.media_type))
        skipped = {key_of(url): reason for url, reason in crawl.skipped.items()}
        left_out = [(key, reason) for key, reason in skipped.items() if key not in entries]
        return Listing(crawl.start, [*entries.values()], skipped=left_out, cursor=encode_cursor(crawl), hashed=True)

    def fetch(
        self,
        config: SiteConfig,
        secret: str | None,  # noqa: ARG002 - sites have no secret
        snapshot: str,
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield staged pages; a later run, which retries some, requests them again."""
        blobs = self.context.blobs()
        keys = [self._page_key(entry.fingerprint) for entry in entries]
        for entry, (_, staged) in zip(entries, blobs.get_all(keys), strict=True):
            if staged is None:
                yield self._request(snapshot or config.url, entry)
            else:
                yield _fetched(entry.key, msgspec.msgpack.decode(staged, type=StagedPage))

    def _request(self, start: str, entry: Entry) -> Fetched:
        path = "" if entry.key == "index" else quote(entry.key, safe="/:@!$&'()*+,;=~%?")
        url = urljoin(start, f"/{path}")
        try:
            answer = self._web.get(url)
        except PermanentError as error:
            return Fetched(entry.key, None, "text/html", url, error=error.message)
        if answer.status != 200:
            return Fetched(entry.key, None, "text/html", url, error=f"The server answered with HTTP {answer.status}.")
        return _fetched(entry.key, StagedPage(answer.url, answer.headers.get("content-type", ""), answer.content))

    def _stage(self, fingerprint: str, page: StagedPage) -> None:
        self.context.blobs().put(self._page_key(fingerprint), msgspec.msgpack.encode(page))

    def _page_key(self, fingerprint: str) -> str:
        return f"{self.context.stage_prefix}/pages/{fingerprint}"


def _fetched(key: str, page: StagedPage) -> Fetched:
    is_html = page.media_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
    content = with_base(page.content, page.url) if is_html else page.content
    return Fetched(key, content, page.media_type, page.url)


CONNECTOR = SiteConnector
