"""Fetch pages of the web: several at once, guarded, within limits of time and size, as their robots.txt allows."""

import socket
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from functions.chat.web.page_text import HTML, PageText
from functions.chat.web.reader_pool import ReaderPool
from headwater.config import Settings
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.deadline import Deadline, DeadlineExceeded, while_wanted, within
from headwater.outbound.robots import MAX_ROBOTS_BYTES
from headwater.outbound.sockets import Lookup

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient

AT_ONCE = 5
"""Pages of an answer that are fetched at the same time."""

MAX_THREADS = 40
"""Pages of all answers of an instance that are fetched at the same time."""

CONNECT_S, READ_S = 3.0, 5.0
"""Time for a connection and for each read. A page with its redirects and its robots.txt has both together."""

TOO_LATE = "it took too long"
_ACCEPT = {"Accept": ", ".join([*HTML, "text/plain;q=0.8"])}


class Fetched(msgspec.Struct, frozen=True):
    """A page, or the reason why there is none. `final_url` is where redirects led to."""

    url: str
    final_url: str = ""
    page: PageText | None = None
    problem: str = ""


class PageFetcher:
    """Fetches and reads pages. One per instance; safe to share between threads."""

    def __init__(self, settings: Settings, readers: ReaderPool, lookup: Lookup = socket.getaddrinfo) -> None:
        self._settings = settings
        self._readers = readers
        self._lookup = lookup

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="web-page")

    @cached_property
    def _web(self) -> "WebClient":
        from headwater.outbound.guarded_http import guarded_http
        from headwater.outbound.web_client import WebClient

        http = guarded_http(
            allow_private=False,  # even where sources may be private: a stranger's page names these addresses
            connect_s=CONNECT_S,
            timeout_s=READ_S,
            user_agent=self._settings.user_agent,
            proxy=self._settings.fetch_proxy,
            lookup=self._lookup,
        )
        return WebClient(http, max_bytes=self._settings.web_max_page_bytes, limit_name="WEB_MAX_PAGE_BYTES")

    def fetch(self, urls: Sequence[str], robots: dict[str, str]) -> Generator[Fetched | None, None, None]:
        """Yield each page as soon as it is read, in any order, or the reason why it can't be used. None: still waiting.

        `robots` has the robots.txt files that are known, by origin; those that are read are added. Fetching ends when
        this generator is closed.
        """
        waiting = deque(urls)
        running: dict[Future[Fetched], str] = {}
        deadline = Deadline(self._settings.web_patience_s)
        closed = threading.Event()
        try:
            while waiting or running:
                while waiting and len(running) < AT_ONCE:
                    url = waiting.popleft()
                    call = copy_context().run
                    running[self._threads.submit(call, self._fetch, url, robots, deadline, closed)] = url
                done, _ = wait(running, min(deadline.left_s(), 1.0), FIRST_COMPLETED)
                if not done:
                    yield None
                for future in done:
                    del running[future]
                    yield future.result()
        except DeadlineExceeded:
            for future, url in running.items():
                fetched = future.result() if future.done() else None  # some were read while the caller was busy
                yield fetched if fetched and fetched.page else Fetched(url, problem=TOO_LATE)
            yield from (Fetched(url, problem=TOO_LATE) for url in waiting)
        finally:
            closed.set()
            for future in running:
                future.cancel()

    def is_blocked(self, url: str) -> bool:
        """Return whether a URL's host, or a domain that it belongs to, is blocked by `WEB_BLOCKED_HOSTS`."""
        host = f".{_ascii_name(urlsplit(url).hostname or '')}"
        return any(host.endswith(f".{_ascii_name(blocked)}") for blocked in self._settings.web_blocked_hosts)

    def _fetch(self, url: str, robots: dict[str, str], deadline: Deadline, closed: threading.Event) -> Fetched:
        try:
            with deadline.apply(), within(CONNECT_S + READ_S), while_wanted(lambda: not closed.is_set()):
                return self._read(url, robots)
        except DeadlineExceeded:
            return Fetched(url, problem=TOO_LATE)
        except HeadwaterError as error:
            return Fetched(url, problem=error.message)

    def _read(self, url: str, robots: dict[str, str]) -> Fetched:
        answer = self._web.get(
            url, _ACCEPT, timeout_s=CONNECT_S + READ_S, before_request=lambda target: self._check(target, robots)
        )
        if answer.status != 200:
            raise PermanentError(f"it answered with HTTP {answer.status}")
        page = self._readers.page(answer.content, answer.headers.get("content-type", "")[:200])
        return Fetched(url, answer.url, page)

    def _check(self, url: str, robots: dict[str, str]) -> None:
        """Raise PermanentError if a URL is blocked, or its site doesn't allow it to be read."""
        if self.is_blocked(url):
            raise PermanentError("its host is blocked (WEB_BLOCKED_HOSTS)")
        origin = origin_of(url)
        if origin not in robots:
            robots[origin] = self._read_robots(origin)
        if robots[origin] and not self._readers.allowed(robots[origin], url):
            raise PermanentError("its robots.txt doesn't allow Headwater to read it")

    def _read_robots(self, origin: str) -> str:
        """Return a site's robots.txt, "" if it has none. While the server fails, nothing is allowed (RFC 9309, 2.3)."""
        try:
            answer = self._web.get(f"{origin}/robots.txt", timeout_s=READ_S, before_request=self._check_host)
        except UpstreamError as error:
            raise PermanentError(f"its robots.txt can't be read: {error.message}") from None
        if answer.status != 200 or b"\0" in answer.content:
            return ""
        return answer.content[:MAX_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")

    def _check_host(self, url: str) -> None:
        if self.is_blocked(url):
            raise PermanentError("its host is blocked (WEB_BLOCKED_HOSTS)")


def origin_of(url: str) -> str:
    """Return a URL's scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _ascii_name(host: str) -> str:
    """Return a host's name as it is looked up: `bücher.de` is `xn--bcher-kva.de`."""
    name = host.strip(".").lower()
    try:
        return name.encode("idna").decode()
    except UnicodeError:  # not a name
        return name
