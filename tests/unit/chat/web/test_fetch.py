"""Which pages are fetched, and which results count. The network: tests/integration/chat/web."""

import threading
from typing import Any

import pytest

from functions.chat.web.fetch import TOO_LATE, Fetched, PageFetcher
from functions.chat.web.page_text import PageText
from functions.chat.web.reader_pool import ReaderPool
from headwater.config import Settings
from headwater.outbound.deadline import Deadline

URLS = ["https://a.example/", "https://b.example/"]


def settings_of(**values: Any) -> Settings:
    return Settings(database_url="postgresql+pg8000://app@127.0.0.1:9/none", **values)


class Fetcher(PageFetcher):
    """Fetches pages at once, except those that are `slow`."""

    slow: frozenset[str] = frozenset()
    deadline: Deadline

    def _fetch(self, url: str, robots: dict[str, str], deadline: Deadline, closed: threading.Event) -> Fetched:
        self.deadline = deadline
        if url in self.slow:
            closed.wait()
        return Fetched(url, url, PageText("", "en", "", []))


@pytest.mark.parametrize(("slow", "problem"), [([], ""), (URLS[1:], TOO_LATE)], ids=["in_time", "late"])
def test_page_read_in_time_counts_while_the_caller_is_busy(slow: list[str], problem: str) -> None:
    fetcher = Fetcher(settings_of(web_patience_s=3600.0), ReaderPool())
    fetcher.slow = frozenset(slow)
    pages = fetcher.fetch(URLS, {})
    first = next(page for page in pages if page)
    fetcher._threads.shutdown(wait=not slow)
    fetcher.deadline.restart(0)
    [second] = pages
    assert second is not None
    assert {first.url, second.url} == {*URLS}
    assert (first.problem, second.problem) == ("", problem)


@pytest.mark.parametrize(
    ("url", "is_blocked"),
    [
        ("https://evil.example/a", True),
        ("https://EVIL.example.:8443/", True),
        ("https://www.evil.example/", True),
        ("https://notevil.example/", False),
        ("https://bücher.example/", True),
        ("https://xn--bcher-kva.example/", True),
        ("https://1.2.3.4/", True),
        ("https://[::1]/", False),
        (f"https://{'a' * 70}.example/", False),
    ],
)
def test_hosts_are_blocked_with_their_subdomains(url: str, is_blocked: bool) -> None:
    blocked = ("Evil.example", "bücher.example", "1.2.3.4")
    assert PageFetcher(settings_of(web_blocked_hosts=blocked), ReaderPool()).is_blocked(url) is is_blocked
