"""Collecting sites: by links and by sitemap, among traps, again, in several steps, and when pages go."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from functions.collection.connectors.site import connector
from functions.collection.runs.read import Run
from functions.collection.sources.sources import Source
from tests.fakes.trap_site import TrapSite
from tests.fakes.web_site import Page, WebSite, moved, web_site
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline

PAGES = 60


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        yield site


@pytest.fixture
def traps(site: WebSite) -> TrapSite:
    traps = TrapSite(site, PAGES)
    traps.huge_bytes = 11_000_000
    return traps


def add(pipeline: Pipeline, site: WebSite, **config: Any) -> Source:
    return pipeline.add_source(f"{site.origin}/docs/", kind="site", **{"delay_s": 0, **config})


def skipped_by(pipeline: Pipeline, run: Run) -> dict[str, str]:
    """Return why pages were skipped, by key."""
    statement = "select key, warning from run_items where run_id = :run_id and action = 'skipped'"
    return dict(pipeline.rows(statement, run_id=run.id))


@pytest.mark.parametrize("sitemap", [False, True])
def test_pages_are_collected_once_and_traps_are_not(sitemap: bool, pipeline: Pipeline, traps: TrapSite) -> None:
    traps.sitemap = sitemap
    run = pipeline.collect(add(pipeline, traps.site))
    keys = set(pipeline.live_keys())
    calendar = {key for key in keys if key.startswith("docs/calendar/")}
    lists = {key for key in keys if key.startswith("docs/list")}
    loops = {key for key in keys if key.startswith("docs/loop")}
    assert keys - calendar - lists - loops == traps.keys
    assert (len(calendar), len(lists) <= 20, len(loops)) == ((0, True, 0) if sitemap else (10, True, 2))
    paths = [path for path, _ in traps.site.take_requests()]
    assert not {path for path in paths if "private" in path or ".print" in path or "outside" in path}
    assert {path for path, times in Counter(paths).items() if times > 1} == {"/docs/"}  # the first page
    skipped = skipped_by(pipeline, run)
    assert "MAX_FILE_BYTES" in skipped["docs/big"]
    [(text,)] = pipeline.rows("select text from documents where key = 'docs/latin'")
    assert text == "Über die Größe der Pumpe."


def test_unchanged_site_costs_conditional_requests_only(pipeline: Pipeline, traps: TrapSite) -> None:
    source = add(pipeline, traps.site, exclude=["docs/list*", "docs/loop/**", "docs/calendar/*"])
    pipeline.collect(source)
    traps.site.take_requests()
    run = pipeline.collect(source)
    assert (run.counts.listed, run.counts.unchanged, run.counts.embedded) == (PAGES + 2, PAGES + 2, 0)
    requests = traps.site.take_requests()
    assert sum(status == 304 for _, status in requests) == PAGES + 2
    assert sum(status == 200 and path.startswith("/docs/p/") for path, status in requests) == 0

    traps.versions[7] = 2
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.unchanged) == (1, PAGES + 1)
    assert [path for path, status in traps.site.take_requests() if status == 200 and "/p/" in path] == ["/docs/p/7"]


def test_page_is_removed_when_two_listings_miss_it(pipeline: Pipeline, traps: TrapSite) -> None:
    source = add(pipeline, traps.site)
    pipeline.collect(source)
    traps.gone = {7}
    assert (pipeline.collect(source).counts.removed, "docs/p/7" in pipeline.live_keys()) == (0, True)
    assert (pipeline.collect(source).counts.removed, "docs/p/7" in pipeline.live_keys()) == (1, False)


def test_failing_pages_are_kept(pipeline: Pipeline, site: WebSite) -> None:
    site.pages = {
        "/docs/": Page('<p><a href="a">a</a> <a href="b">b</a>'),
        "/docs/a": Page("Page a"),
        "/docs/b": Page("b"),
    }
    source = add(pipeline, site)
    pipeline.collect(source)
    site.pages |= {"/docs/a": Page("down", status=500), "/docs/b": Page("no", status=403)}
    for _ in range(3):
        assert pipeline.collect(source).counts.removed == 0
    assert pipeline.live_keys() == ["docs", "docs/a", "docs/b"]


def test_long_listing_takes_several_steps(pipeline: Pipeline, traps: TrapSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    run = pipeline.collect(add(pipeline, traps.site, max_pages=6))
    assert (run.state, run.counts.added) == ("succeeded", 6)
    [(steps,)] = pipeline.rows("select count(*) from steps where kind = 'list'")
    assert steps >= 6
    assert any("the limit is reached" in reason for reason in skipped_by(pipeline, run).values())


def test_workers_that_die_lose_and_double_no_page(
    pipeline: Pipeline, traps: TrapSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    traps.count = 4
    pipeline.start(add(pipeline, traps.site, exclude=["docs/[!p]*", "docs/loop/**", "docs/calendar/*"]))
    die_everywhere(pipeline)
    assert pipeline.live_keys() == ["docs", "docs/p/1", "docs/p/2", "docs/p/3"]


def test_links_between_pages_are_resolved(pipeline: Pipeline, site: WebSite) -> None:
    prose = "The pump delivers nine litres of water a minute. " * 5
    site.pages = {
        "/docs/": Page(f'<main><p>{prose}<a href="guide/">The guide</a></main>'),
        "/docs/guide/": Page(f'<main><p>A guide. {prose}<a href="../use">Use it</a></main>'),
        "/docs/use": Page(f'<main><p>Use it. {prose}<a href="/docs/guide">The guide</a></main>'),
        "/docs/guide": moved("/docs/guide/"),
    }
    pipeline.collect(add(pipeline, site))
    assert pipeline.links() == [("docs", "docs/guide"), ("docs/guide", "docs/use"), ("docs/use", "docs/guide")]


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ({}, "answered with HTTP 404"),
        ({"/docs/": Page("x", "image/png")}, "is not a web page"),
        (
            {"/docs/": Page("<p>x"), "/robots.txt": Page("User-agent: Headwater\nDisallow: /", "text/plain")},
            "robots.txt",
        ),
    ],
)
def test_site_that_cannot_be_read_fails_with_the_reason(
    pages: dict[str, Page], reason: str, pipeline: Pipeline, site: WebSite
) -> None:
    site.pages = pages
    run = pipeline.collect(add(pipeline, site))
    assert (run.state, reason in str(run.error)) == ("failed", True)
