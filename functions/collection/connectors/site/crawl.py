"""Crawl a site: request its pages one after another, and stage those that have changed."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.collection.connectors.site.config import MAX_QUERIES, Scope, SiteConfig, normalise_link
from functions.collection.connectors.site.read import PageFacts, RobotsRules, Sitemap
from functions.collection.connectors.site.state import Crawl, KnownPage
from headwater.config import minimal_environment
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.robots import MAX_ROBOTS_BYTES
from headwater.processes.process import ChildProcess

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient, WebResponse

READ_CPU_S, READ_S = 10.0, 30.0
MAX_READ_BYTES = 64_000_000
MAX_SITEMAPS = 100
MAX_UNREAD = 1_000
"""Pages that could not be read, and are tried again by the next listing."""
MAX_FAILURES = 5
"""Requests that fail one after another: the server is down."""
REQUESTS_PER_PAGE = 3
"""Requests for each page that may be collected: traps lead to pages that aren't."""
HTML = ("text/html", "application/xhtml+xml")
READABLE = (*HTML, "text/plain", "text/markdown", "application/pdf")
_ACCEPT = {"Accept": "text/html, application/xhtml+xml;q=0.9, */*;q=0.5"}
_NO_INDEX = "the page asks not to be indexed (noindex)"
_NO_INDEX_TAG = re.compile(r"(?:^|,)\s*(?:(?!max-)[\w-]+\s*:\s*)?(?:noindex|none)\s*(?:,|$)", re.IGNORECASE)
"""A directive of `X-Robots-Tag`, with or without the name of a crawler; not `max-image-preview: none`."""
_MISSING = "headwater-looks-for-a-missing-page-7d0f2c"

T = TypeVar("T")
Stage = Callable[[str, "StagedPage"], None]


class StagedPage(msgspec.Struct, frozen=True, array_like=True):
    """A page's content between the steps of a run."""

    url: str
    media_type: str
    content: bytes


class Redirected(PermanentError):
    """A redirect leads to a page that is read anyway, or isn't part of the site."""


class Crawler:
    """Crawls one site. Use it in a `with` statement: it has a process that reads pages."""

    def __init__(self, web: "WebClient", config: SiteConfig, stage: Stage) -> None:
        self._web = web
        self._config = config
        self._stage = stage
        self._failures = 0
        target = "functions.collection.connectors.site.read:SiteReader"
        self._reader = ChildProcess(target, (), name="The site reader", environment=minimal_environment())

    def __enter__(self) -> "Crawler":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def begin(self, previous: dict[str, KnownPage], until: float) -> Crawl:
        """Find the first page, robots.txt and, until a time, the sitemaps."""
        answer = self._web.get(self._config.url, _ACCEPT)
        if answer.status != 200:
            raise SystemicError(f"{self._config.url} answered with HTTP {answer.status}. Check the address.")
        start = normalise_link(answer.url)
        if start is None or answer.media_type not in READABLE:
            raise SystemicError(f"{self._config.url} is not a web page ({answer.media_type or 'no media type'}).")
        crawl = Crawl(start, {url: page for url, page in previous.items() if page.fingerprint})
        crawl.retried = [url for url in previous if url not in crawl.previous]
        scope = Scope(start, self._config)
        rules = self._read_robots(crawl, scope)
        if not self._allowed(crawl, [start]):
            raise SystemicError(f"The site's robots.txt doesn't allow Headwater to read {start}.")
        crawl.delay_s = max(self._config.delay_s, rules.delay_s)
        crawl.missing_words = self._missing_words(scope)
        self._add(crawl, scope, [start, *previous], 0)
        if self._config.sitemap:
            listed = self._read_sitemaps(scope, rules.sitemaps, until)
            crawl.follows_links = not self._add(crawl, scope, listed, 0)
        return crawl

    def go_on(self, crawl: Crawl, until: float) -> bool:
        """Request pages until a time (of `time.monotonic`). Returns True if none is left.

        Raises UpstreamError if the first request fails because the server asks for a pause, or doesn't answer.
        """
        scope, done = Scope(crawl.start, self._config), 0
        max_requests = REQUESTS_PER_PAGE * self._config.max_pages + 100
        while crawl.queue:
            if done and time.monotonic() > until:
                return False
            url, depth = crawl.queue[0]
            if len(crawl.pages) >= self._config.max_pages or crawl.requests > max_requests:
                crawl.skipped[url] = _limit_reached(len(crawl.pages), crawl.requests)
                crawl.queue.clear()
                break
            try:
                self._visit(crawl, scope, url, depth)
            except UpstreamError:
                if done:
                    return False  # what was done is kept; the next step meets the error again, if it lasts
                raise
            crawl.queue.pop(0)
            done += 1
        return True

    def _visit(self, crawl: Crawl, scope: Scope, url: str, depth: int) -> None:
        previous = crawl.previous.get(url)
        try:
            answer = self._get(crawl, scope, url, previous.headers() if previous else {})
        except UpstreamError as error:
            self._failures += url not in crawl.retried
            if error.retry_after_s is not None or self._failures >= MAX_FAILURES:
                raise
            self._keep(crawl, url, error.message, may_pass=True)
            return
        except Redirected:
            return
        except PermanentError as error:
            self._keep(crawl, url, error.message)
            return
        self._failures = 0
        if answer.status == 304 and previous:
            if _asks_no_index(answer):
                crawl.skipped[url] = _NO_INDEX
            else:
                _add_unchanged(crawl, url, msgspec.structs.replace(previous, gone=0))
        elif answer.status in (404, 410):
            self._miss(crawl, url)
        elif answer.status == 200:
            self._read(crawl, scope, answer, depth)
        else:
            self._keep(crawl, url, f"the server answered with HTTP {answer.status}", may_pass=True)

    def _get(self, crawl: Crawl, scope: Scope, url: str, headers: dict[str, str]) -> "WebResponse":
        redirects = count(-1)

        def check(target: str) -> None:
            address = normalise_link(target) or ""
            if next(redirects) >= 0 and (address in crawl.seen or not scope.has(address)):
                raise Redirected(f"{url} redirects to {target}.")
            crawl.requests += 1

        return self._web.get(url, {**_ACCEPT, **headers}, delay_s=crawl.delay_s, before_request=check)

    def _read(self, crawl: Crawl, scope: Scope, answer: "WebResponse", depth: int) -> None:
        url = normalise_link(answer.url) or answer.url
        crawl.seen.add(url)
        if url in crawl.pages or answer.media_type not in READABLE:
            return
        media_type = answer.headers["content-type"][:200]
        fingerprint = hashlib.sha256(media_type.encode() + b"\n" + answer.content).hexdigest()[:40]
        headers = answer.headers
        page = KnownPage(fingerprint, media_type, headers.get("etag", "")[:200], headers.get("last-modified", "")[:50])
        previous = crawl.previous.get(url)
        no_index = _asks_no_index(answer)
        if previous and previous.fingerprint == fingerprint and not no_index:
            _add_unchanged(crawl, url, msgspec.structs.replace(page, text_hash=previous.text_hash))
            return
        facts = self._facts(answer) if answer.media_type in HTML else PageFacts()
        if facts.words_hash and facts.words_hash == crawl.missing_words:
            self._miss(crawl, url)
            return
        if crawl.follows_links and depth < self._config.max_depth:
            self._add(crawl, scope, facts.links, depth + 1)
        canonical = normalise_link(facts.canonical) if facts.canonical else None
        other = crawl.texts.setdefault(facts.text_hash, url) if facts.text_hash else url
        if canonical and canonical != url and scope.has(canonical):
            self._add(crawl, scope, [canonical], depth)
        elif facts.no_index or no_index:
            crawl.skipped[url] = _NO_INDEX
        elif other == url:
            self._stage(fingerprint, StagedPage(answer.url, media_type, answer.content))
            crawl.pages[url] = msgspec.structs.replace(page, text_hash=facts.text_hash)

    def _facts(self, answer: "WebResponse") -> PageFacts:
        try:
            return self._call("page", answer.content, answer.headers["content-type"], answer.url, kind=PageFacts)
        except HeadwaterError:  # the parser of the page tells why it can't be read
            return PageFacts()

    def _miss(self, crawl: Crawl, url: str) -> None:
        """Keep a page that is missing for the first time."""
        previous = crawl.previous.get(url)
        if previous and not previous.gone:
            crawl.pages[url] = msgspec.structs.replace(previous, gone=1)

    def _keep(self, crawl: Crawl, url: str, reason: str, *, may_pass: bool = False) -> None:
        """Keep a page that can't be read now; skip one that never could, and try it again if that `may_pass`.

        Pages that link to it may be unchanged by then, so that no link leads to it.
        """
        if previous := crawl.previous.get(url):
            crawl.pages[url] = previous
            return
        crawl.skipped[url] = reason
        if may_pass and len(crawl.unread) < MAX_UNREAD:
            crawl.unread.append(url)

    def _add(self, crawl: Crawl, scope: Scope, links: Iterable[str], depth: int) -> int:
        """Queue addresses that haven't been seen, belong to the site and are allowed. Returns how many were added."""
        room = 2 * REQUESTS_PER_PAGE * self._config.max_pages - len(crawl.queue)
        found: list[str] = []
        for link in links:
            url = normalise_link(link)
            if url is None or url in crawl.seen or not scope.may_follow(url) or len(found) >= room:
                continue
            crawl.seen.add(url)
            if (parts := urlsplit(url)).query:
                crawl.queries[parts.path] = crawl.queries.get(parts.path, 0) + 1
                if crawl.queries[parts.path] > MAX_QUERIES:
                    continue
            found.append(url)
        allowed = self._allowed(crawl, found)
        crawl.queue.extend((url, depth) for url in allowed)
        return len(allowed)

    def _allowed(self, crawl: Crawl, urls: list[str]) -> list[str]:
        if not crawl.robots or not urls:
            return urls
        answers = self._call("allowed", crawl.robots, urls, kind=list[bool])
        return [url for url, is_allowed in zip(urls, answers, strict=True) if is_allowed]

    def _read_robots(self, crawl: Crawl, scope: Scope) -> RobotsRules:
        """Read robots.txt. Without one everything is allowed; while the server fails, nothing (RFC 9309, 2.3.1)."""
        answer = self._web.get(f"{scope.origin}/robots.txt")
        if answer.status != 200 or b"\0" in answer.content:
            return RobotsRules()
        crawl.robots = answer.content[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")
        return self._call("robots", crawl.robots, kind=RobotsRules)

    def _missing_words(self, scope: Scope) -> str:
        """Return the hash of the words that the site shows for a missing page, if it answers with 200."""
        try:
            answer = self._web.get(f"{scope.origin}{scope.path}{_MISSING}", _ACCEPT)
        except (PermanentError, UpstreamError):
            return ""
        is_page = answer.status == 200 and answer.media_type in HTML
        return self._facts(answer).words_hash if is_page else ""

    def _read_sitemaps(self, scope: Scope, named: tuple[str, ...], until: float) -> list[str]:
        """Return the addresses in the sitemaps that robots.txt names, or else in the usual one.

        Raises UpstreamError for one of the site's own that may be readable later. A server that is named, often by a
        robots.txt that was copied with the site, may never answer.
        """
        todo = list(dict.fromkeys(named)) or [f"{scope.origin}/sitemap.xml"]
        found: dict[str, None] = {}
        for number, url in enumerate(todo):
            is_enough = len(found) >= REQUESTS_PER_PAGE * self._config.max_pages
            if number >= MAX_SITEMAPS or is_enough or (number and time.monotonic() > until):
                break
            try:
                answer = self._web.get(url, delay_s=self._config.delay_s)
                sitemap = self._call("sitemap", answer.content, kind=Sitemap) if answer.status == 200 else Sitemap()
            except PermanentError:
                continue
            except UpstreamError:
                if url.startswith(f"{scope.origin}/"):
                    raise
                continue
            todo += [nested for nested in sitemap.sitemaps if nested not in todo]
            found |= dict.fromkeys(sitemap.pages)
        return list(found)

    def _call(self, method: str, *arguments: object, kind: type[T]) -> T:
        limits: Any = {"timeout_s": READ_S, "cpu_s": READ_CPU_S, "max_bytes": MAX_READ_BYTES}
        return self._reader.call(method, *arguments, kind=kind, **limits)


def _add_unchanged(crawl: Crawl, url: str, page: KnownPage) -> None:
    crawl.pages[url] = page
    if page.text_hash:
        crawl.texts.setdefault(page.text_hash, url)


def _asks_no_index(answer: "WebResponse") -> bool:
    """Return True if the header `X-Robots-Tag` asks so, to all crawlers or one of them."""
    return bool(_NO_INDEX_TAG.search(answer.headers.get("x-robots-tag", "")))


def _limit_reached(pages: int, requests: int) -> str:
    limit = f"the limit is reached after {pages:,} collected pages and {requests:,} requests"
    return f"this and further pages are left out: {limit}"
