"""What a crawl asks for and leaves out: robots.txt, sitemap indexes, depth, missing pages, noindex, JavaScript."""

import gzip
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from functions.collection.connectors.registry import SourceReader, kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.errors import UpstreamError
from headwater.queue.turns import HostTurns
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.pipeline import Pipeline
from tests.harness.support import WORKSPACE

OOPS = Page("<main><h1>Oops</h1><p>Nothing is here. It may have been moved to another place.</p></main>")


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        yield site


def listed(site: WebSite, turns: HostTurns | None = None, **config: Any) -> list[str]:
    """Return the keys of the pages that a first listing finds."""
    return sorted(entry.key for entry in opened(site, turns, **config).list(None, frozenset()).entries)


def opened(site: WebSite, turns: HostTurns | None = None, **config: Any) -> SourceReader:
    stored = kind_for_new_source("site").normalise({"url": f"{site.origin}/docs/", "delay_s": 0, **config})
    opener = SourceOpener(Settings(database_url="unused", fetch_private=True), turns)
    return opener.open(Credentials(uuid.uuid4(), "site", stored, None, None, workspace_id=WORKSPACE))


def page(name: str, *links: str, **more: Any) -> Page:
    return Page(f"<main><p>The page {name}.{''.join(f'<a href={link}>x</a>' for link in links)}</main>", **more)


class RecordedTurns(HostTurns):
    """Turns that are free at once."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float]] = []

    def reserve(self, workspace_id: uuid.UUID, host: str, delay_s: float) -> float:
        self.taken.append((host, delay_s))
        return 0.0


@pytest.mark.parametrize(("delay_s", "kept_s"), [(0, 7.0), (9, 9.0)])
def test_crawl_delay_reserves_turns_unless_the_source_has_a_longer_one(
    delay_s: int, kept_s: float, site: WebSite
) -> None:
    site.pages = {
        "/robots.txt": Page("User-agent: Headwater\nCrawl-delay: 7\n", "text/plain"),
        "/docs/": page("first", "a", "b"),
        "/docs/a": page("a"),
        "/docs/b": page("b"),
    }
    turns = RecordedTurns()
    assert listed(site, turns, sitemap=False, delay_s=delay_s) == ["docs", "docs/a", "docs/b"]
    assert turns.taken == [("127.0.0.1", kept_s)] * 3


def test_pages_that_differ_by_their_numbers_are_pages_of_their_own(site: WebSite) -> None:
    site.pages = {
        **{f"/docs/pump-{n}": page(f"of the pump {n}, whose address is /docs/, has {n * 20} mm") for n in (4, 5)},
    }
    site.pages["/docs/"] = site.pages["/docs/index.html"] = page(
        "first, below /docs/", "pump-4", "pump-5", "index.html"
    )
    assert listed(site) == ["docs", "docs/pump-4", "docs/pump-5"]


def test_copy_that_comes_later_is_recognised(site: WebSite) -> None:
    """The page that it copies is unchanged by then, so its text isn't sent again."""
    site.pages = {"/docs/": page("first", "a"), "/docs/a": page("about the pumps")}
    reader = opened(site)
    first = reader.list(None, frozenset())
    site.pages |= {
        "/docs/": page("first", "a", "b", "c"),
        "/docs/b": site.pages["/docs/a"],
        "/docs/c": page("c, other"),
    }
    second = reader.list(first.cursor, frozenset())
    assert sorted(entry.key for entry in second.entries) == ["docs", "docs/a", "docs/c"]
    assert ("/docs/a", 304) in site.take_requests()


@pytest.mark.parametrize("status", [403, 500])
def test_page_that_fails_at_first_is_tried_again(site: WebSite, status: int) -> None:
    """The page that links to it is unchanged by then, so its links aren't sent again."""
    links = [name for n in range(6) for name in (f"down-{n}", f"up-{n}")]
    site.pages = {"/docs/": page("first", *links)} | {f"/docs/{name}": page(name) for name in links}
    down = [f"/docs/down-{n}" for n in range(6)]
    site.pages |= dict.fromkeys(down, Page(status=status))
    reader, cursor = opened(site), None
    for _ in range(3):
        listing = reader.list(cursor, frozenset())
        assert [key for key, _ in listing.skipped] == [path[1:] for path in down]
        assert len(listing.entries) == 7
        cursor = listing.cursor
    site.pages["/docs/down-3"] = page("about the pumps")
    assert len(reader.list(cursor, frozenset()).entries) == 8


def test_sitemap_on_a_server_that_does_not_answer_is_left_out(site: WebSite) -> None:
    """A copied site often has the robots.txt of the original."""
    site.pages = {
        "/robots.txt": Page("User-agent: *\nSitemap: http://127.0.0.1:1/sitemap.xml\n", "text/plain"),
        "/docs/": page("first", "a"),
        "/docs/a": page("a"),
    }
    assert listed(site) == ["docs", "docs/a"]
    site.pages["/robots.txt"] = Page(f"Sitemap: {site.origin}/map.xml", "text/plain")
    site.pages["/map.xml"] = Page(status=503)
    with pytest.raises(UpstreamError, match="503"):
        listed(site)


def test_sitemap_index_that_robots_names_leads_to_its_files(site: WebSite) -> None:
    def sitemap(kind: str, *paths: str) -> str:
        outer = {"url": "urlset", "sitemap": "sitemapindex"}[kind]
        entries = "".join(f"<{kind}><loc>{site.origin}{path}</loc></{kind}>" for path in paths)
        return f'<{outer} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{outer}>'

    site.pages = {
        "/robots.txt": Page(f"User-agent: *\nDisallow: /x\nSitemap: {site.origin}/maps/index.xml\n", "text/plain"),
        "/maps/index.xml": Page(sitemap("sitemap", "/maps/a.xml", "/maps/b.xml.gz"), "application/xml"),
        "/maps/a.xml": Page(sitemap("url", "/docs/a"), "application/xml"),
        "/maps/b.xml.gz": Page(gzip.compress(sitemap("url", "/docs/b", "/docs/c").encode()), "application/gzip"),
        "/docs/": page("first", "linked-only"),
        **{f"/docs/{name}": page(name) for name in ("a", "b", "c", "linked-only")},
    }
    assert listed(site) == ["docs", "docs/a", "docs/b", "docs/c"]
    assert ("/sitemap.xml", 404) not in site.take_requests()


def test_links_are_followed_up_to_the_depth(site: WebSite) -> None:
    site.pages = {"/docs/": page("first", "1")}
    site.pages |= {f"/docs/{number}": page("a" * number, str(number + 1)) for number in range(1, 5)}
    assert listed(site, max_depth=0) == ["docs"]
    assert listed(site, max_depth=2) == ["docs", "docs/1", "docs/2"]


def test_second_listing_removes_missing_pages_unless_they_come_back(pipeline: Pipeline, site: WebSite) -> None:
    names = ("404", "410", "soft", "back")
    site.find = lambda path: OOPS if path.startswith("/docs/") else Page(status=404)
    site.pages = {"/docs/": page("first", *names), **{f"/docs/{name}": page(name) for name in names}}
    before = dict(site.pages)
    source = pipeline.add_source(f"{site.origin}/docs/", kind="site", delay_s=0)
    assert pipeline.collect(source).counts.added == 5
    missing = {"/docs/404": Page(status=404), "/docs/410": Page(status=410), "/docs/soft": OOPS}
    site.pages |= {**missing, "/docs/back": Page(status=404)}
    assert pipeline.collect(source).counts.removed == 0
    site.pages["/docs/back"] = before["/docs/back"]
    assert pipeline.collect(source).counts.removed == 3
    assert pipeline.live_keys() == ["docs", "docs/back"]
    site.pages["/docs/back"] = Page(status=404)  # for the first time since it came back
    assert pipeline.collect(source).counts.removed == 0


def test_page_that_javascript_builds_fails_with_the_reason(pipeline: Pipeline, site: WebSite) -> None:
    site.pages = {
        "/docs/": page("first", "app"),
        "/docs/app": Page('<!doctype html><title>App</title><div id="root"></div><script src="/app.js"></script>'),
    }
    run = pipeline.collect(pipeline.add_source(f"{site.origin}/docs/", kind="site", delay_s=0))
    assert (run.state, run.counts.added) == ("partial", 1)
    [(reason,)] = pipeline.rows("select error from documents where key = 'docs/app'")
    assert "no text without JavaScript" in reason


@pytest.mark.parametrize("validators", [frozenset(("etag",)), frozenset[str]()], ids=["304", "200"])
def test_header_noindex_leaves_a_page_out_and_removes_it_later(
    validators: frozenset[str], pipeline: Pipeline, site: WebSite
) -> None:
    hidden = {"headers": {"X-Robots-Tag": "noarchive, headwater: noindex"}, "validators": validators}
    site.pages = {
        "/docs/": page("first", "open", "hidden"),
        "/docs/open": page("open", headers={"X-Robots-Tag": "max-image-preview: none"}, validators=validators),
        "/docs/hidden": page("hidden", "below", **hidden),
        "/docs/below": page("below"),
    }
    source = pipeline.add_source(f"{site.origin}/docs/", kind="site", delay_s=0)
    run = pipeline.collect(source)
    assert pipeline.live_keys() == ["docs", "docs/below", "docs/open"]
    reasons = "select key, warning from run_items where run_id = :run_id and action = 'skipped'"
    assert pipeline.rows(reasons, run_id=run.id) == [("docs/hidden", "the page asks not to be indexed (noindex)")]
    site.pages["/docs/open"] = page("open", **hidden)  # the same text
    assert pipeline.collect(source).counts.removed == 1
    assert pipeline.live_keys() == ["docs", "docs/below"]
