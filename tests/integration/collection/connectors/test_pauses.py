"""Web servers that answer 429 with Retry-After, in listings and in fetches: the run waits, then collects everything."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.collection.connectors.feed import connector as feed
from functions.collection.connectors.wordpress import api as wordpress
from functions.collection.sources.sources import Source
from tests.fakes.web_site import Page, WebSite, web_site
from tests.fakes.wordpress import WordPress
from tests.harness.pipeline import Pipeline

HOUR = 3600
PROSE = "The pump delivers nine litres of water a minute, and it does so with hardly any noise. " * 20


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "ARTICLE_DELAY_S", 0.0)
    monkeypatch.setattr(wordpress, "DELAY_S", 0.0)


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        yield site


def _feed(site: WebSite) -> tuple[str, list[str]]:
    items = "".join(f"<item><guid>post-{n}</guid><title>Post {n}</title><link>/posts/{n}</link></item>" for n in (1, 2))
    site.pages = {f"/posts/{n}": Page(f"<main><p>Article {n}. {PROSE}</main>") for n in (1, 2)}
    site.pages["/feed.xml"] = Page(f'<rss version="2.0"><channel>{items}</channel></rss>', "application/rss+xml")
    return "/feed.xml", ["/feed.xml", "/posts/2"]


def _site(site: WebSite) -> tuple[str, list[str]]:
    links = "".join(f"<a href=/docs/{n}>x</a>" for n in (1, 2))
    site.pages = {f"/docs/{n}": Page(f"<main><p>{'One' if n == 1 else 'Two'}. {PROSE}</main>") for n in (1, 2)}
    site.pages["/docs/"] = Page(f"<main><p>Start. {PROSE}{links}</main>")
    return "/docs/", [
        "/robots.txt",
        "/sitemap.xml",
        "/docs/2",
    ]  # a page is asked for twice: in the step that ends, and the next


def _wordpress(site: WebSite) -> tuple[str, list[str]]:
    blog = WordPress(site)
    site.find = blog.answer
    for number in (1, 2):
        blog.publish(number, f"Text {number}")
    return "/", ["/wp-json/wp/v2/posts?", "/wp-json/wp/v2/pages?", "include="]


def documents(pipeline: Pipeline, source: Source) -> list[Any]:
    statement = "select key, title, text, url, error from documents where source_id = :id order by key"
    return pipeline.rows(statement, id=source.id)


SITES: dict[str, tuple[Callable[[WebSite], tuple[str, list[str]]], dict[str, Any]]] = {
    "feed": (_feed, {}),
    "site": (_site, {"delay_s": 0}),
    "wordpress": (_wordpress, {}),
}


@pytest.mark.parametrize("kind", sorted(SITES))
def test_run_waits_for_the_pause_and_then_collects_everything(kind: str, pipeline: Pipeline, site: WebSite) -> None:
    prepare, config = SITES[kind]
    path, refused = prepare(site)
    refusal = Page("slow down", status=429, headers={"Retry-After": str(HOUR)})
    site.refusals = [(part, refusal) for part in refused for _ in range(2 if part.startswith("/docs/") else 1)]
    source = pipeline.add_source(f"{site.origin}{path}", kind=kind, **config)
    run_id = pipeline.start(source)
    pipeline.drain()
    for part in refused:
        waiting = pipeline.read(run_id).waiting
        assert waiting is not None
        assert (waiting.kind, waiting.server) == ("provider", site.origin.removeprefix("http://"))
        assert waiting.until is not None
        assert waiting.until.timestamp() > time.time() + HOUR / 2
        assert "429" in waiting.reason
        assert {left for left, _ in site.refusals} == {*refused[refused.index(part) + 1 :]}
        pipeline.end_pauses()
    run = pipeline.read(run_id)
    assert (run.state, run.waiting) == ("succeeded", None)
    other = pipeline.add_source(f"{site.origin}{path}", kind=kind, **config)
    assert pipeline.collect(other).waiting is None
    assert documents(pipeline, source) == documents(pipeline, other)
    assert len(documents(pipeline, source)) >= 2
