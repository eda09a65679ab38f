"""Collecting feeds: discovery, articles, conditional requests, windows, retries, refused addresses."""

import datetime as dt
from collections.abc import Iterator

import pytest

from functions.collection.connectors.feed import connector
from functions.collection.pipeline.retry_failed import retry_run
from functions.collection.runs.start import start_run
from headwater.connectors import Period
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline
from tests.harness.support import WORKSPACE

PROSE = "The pump delivers nine litres of water a minute, and it does so with hardly any noise. " * 20
BLOG = '<html><head><link rel="alternate" type="application/rss+xml" href="feed.xml"></head><body><p>Hello'


def feed(*items: str) -> Page:
    return Page(
        f'<rss version="2.0"><channel><title>Blog</title>{"".join(items)}</channel></rss>', "application/rss+xml"
    )


def item(number: int, text: str = PROSE) -> str:
    return f"<item><guid>post-{number}</guid><title>Post {number}</title><link>/posts/{number}</link>" + (
        f"<description>{text}</description></item>"
    )


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        site.pages["/blog"] = Page(BLOG)
        site.pages["/feed.xml"] = feed(item(1), item(2))
        yield site


def texts(pipeline: Pipeline) -> dict[str, str]:
    return dict(pipeline.rows("select key, text from documents where deleted_at is null"))


def test_feed_of_a_page_is_found_and_its_entries_are_collected(pipeline: Pipeline, site: WebSite) -> None:
    source = pipeline.add_source(f"{site.origin}/blog", kind="feed")
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 2)
    assert site.take_requests() == [("/blog", 200), ("/feed.xml", 200)]
    [(title, url)] = pipeline.rows("select title, url from documents where key = 'post-1'")
    assert (title, url) == ("Post 1", f"{site.origin}/posts/1")
    assert texts(pipeline)["post-1"] == PROSE.strip()


def dated(number: int) -> str:
    return item(number).replace("</item>", f"<pubDate>Mon, {number:02} Jan 2024 10:00:00 GMT</pubDate></item>")


def paged(following: str, *items: str) -> Page:
    link = f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="next" href="{following}"/>'
    return feed(link, *items)


def test_older_pages_are_read_by_the_first_run_and_by_backfills(
    pipeline: Pipeline, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "OLDER_DELAY_S", 0.0)
    site.pages["/feed.xml"] = paged("/feed.xml?page=2", dated(9), dated(8))
    site.pages["/feed.xml?page=2"] = paged("page3", dated(8), dated(7))
    site.pages["/page3"] = paged("/feed.xml?page=2", dated(6))  # a circle
    source = pipeline.add_source(f"{site.origin}/feed.xml", kind="feed")
    assert pipeline.collect(source).counts.added == 4
    assert sorted(texts(pipeline)) == ["post-6", "post-7", "post-8", "post-9"]
    site.take_requests()
    site.pages["/feed.xml"] = paged("/feed.xml?page=2", dated(10), dated(9))
    assert pipeline.collect(source).counts.added == 1
    assert site.take_requests() == [("/feed.xml", 200)]

    site.pages["/page3"] = paged("", dated(6).replace("nine litres", "ten litres"), dated(5), item(4))
    with pipeline.database.transaction(WORKSPACE) as tx:
        day = dt.date(2024, 1, 6)
        run_id, _ = start_run(tx, WORKSPACE, source.id, "api", period=Period(until=day))
    pipeline.drain()
    counts = pipeline.read(run_id).counts
    assert (counts.added, counts.changed, counts.removed) == (1, 1, 0)
    assert "ten litres" in texts(pipeline)["post-6"]


def test_broken_and_endless_older_pages_end_the_listing(
    pipeline: Pipeline, site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "OLDER_DELAY_S", 0.0)
    monkeypatch.setattr(connector, "MAX_OLDER_PAGES", 5)
    site.pages["/feed.xml"] = paged("/p?n=1", dated(1))
    site.find = lambda path: paged(f"/p?n={int(path.partition('=')[2]) + 1}", item(100 + int(path.partition("=")[2])))
    run = pipeline.collect(pipeline.add_source(f"{site.origin}/feed.xml", kind="feed"))
    assert (run.state, run.counts.added) == ("succeeded", 6)
    site.find = lambda path: Page("<p>Gone", status=410)
    run = pipeline.collect(pipeline.add_source(f"{site.origin}/feed.xml?other", kind="feed"))
    assert run.state == "failed"


def test_unchanged_feed_costs_one_conditional_request(pipeline: Pipeline, site: WebSite) -> None:
    source = pipeline.add_source(f"{site.origin}/blog", kind="feed")
    pipeline.collect(source)
    site.take_requests()
    assert pipeline.collect(source).counts.listed == 0
    assert site.take_requests() == [("/feed.xml", 304)]
    site.pages["/feed.xml"].validators = frozenset()  # the same content, but no more conditional answers
    run = pipeline.collect(source)
    assert (run.counts.listed, run.counts.embedded) == (0, 0)
    assert site.take_requests() == [("/feed.xml", 200)]


def test_only_changed_entries_are_fetched_and_what_leaves_the_feed_stays(pipeline: Pipeline, site: WebSite) -> None:
    source = pipeline.add_source(f"{site.origin}/feed.xml", kind="feed")
    pipeline.collect(source)
    site.pages["/feed.xml"] = feed(item(3), item(2, f"Corrected. {PROSE}"))
    run = pipeline.collect(source)
    assert (run.counts.added, run.counts.changed, run.counts.removed) == (1, 1, 0)
    assert texts(pipeline).keys() == {"post-1", "post-2", "post-3"}
    assert texts(pipeline)["post-2"].startswith("Corrected.")


@pytest.mark.parametrize(("full_text", "fetched"), [("excerpts", {1}), ("always", {1, 2}), ("never", set())])
def test_articles_are_fetched_as_configured(
    full_text: str, fetched: set[int], pipeline: Pipeline, site: WebSite
) -> None:
    site.pages["/feed.xml"] = feed(item(1, "The pump delivers …"), item(2), item(3, "It is gone [...]"))
    for number in (1, 2):
        site.pages[f"/posts/{number}"] = Page(f"<nav>Menu</nav><main><p>Article {number}. {PROSE}</main>")
    source = pipeline.add_source(f"{site.origin}/feed.xml", kind="feed", full_text=full_text)
    assert pipeline.collect(source).state == "succeeded"
    articles = {int(key[-1]) for key, text in texts(pipeline).items() if text.startswith("Article")}
    assert articles == fetched
    assert texts(pipeline)["post-3"] == "It is gone \\[...]"  # an article that is gone leaves the excerpt


def test_failed_entry_is_read_again_when_the_staged_feed_is_gone(pipeline: Pipeline, site: WebSite) -> None:
    site.pages["/feed.xml"] = feed(item(1, ""))
    source = pipeline.add_source(f"{site.origin}/feed.xml", kind="feed")
    run = pipeline.collect(source)
    assert run.state == "partial"
    site.pages["/posts/1"] = Page(f"<main><p>Article. {PROSE}</main>")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        retried = retry_run(tx, pipeline.workspace_id, run.id, pipeline.settings)
    pipeline.drain()
    assert pipeline.read(retried).state == "succeeded"
    assert texts(pipeline)["post-1"].startswith("Article.")


def test_workers_that_die_lose_and_double_no_entry(pipeline: Pipeline, site: WebSite) -> None:
    source = pipeline.add_source(f"{site.origin}/blog", kind="feed")
    for number in (3, 4):
        pipeline.start(source)
        die_everywhere(pipeline)
        site.pages["/feed.xml"] = feed(item(number), item(number - 1))
    assert texts(pipeline).keys() == {"post-1", "post-2", "post-3"}
