"""Answers from the web: a real SearXNG, fifty pages many of which misbehave, and no connection to a private address."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from functions.chat.web.cache import MAX_BYTES, MAX_ENTRY_BYTES, cache_key, read_entries, write_entries
from functions.chat.web.fetch import TOO_LATE
from functions.collection.runs.retention import sweep
from tests.fakes.fifty_pages import FAILING, PRIVATE_HOST, SECRET, FiftyPages, fact, html, prose
from tests.fakes.search_engines import SearchEngines, search_engines
from tests.fakes.tunnels import Names, Tunnels, running_tunnels
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.chat_app import StreamEvent, event_types, running_chat_app, second_instance, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.searxng import running_searxng
from tests.harness.support import OTHER_WORKSPACE

NAMES = Names({PRIVATE_HOST: "10.0.0.5"})
PUBLIC = "93.184.216.34:80"


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        yield site


@pytest.fixture
def tunnels(site: WebSite) -> Iterator[Tunnels]:
    with running_tunnels(int(site.origin.rpartition(":")[2])) as tunnels:
        yield tunnels


@pytest.fixture
def engines() -> Iterator[SearchEngines]:
    with search_engines() as engines:
        yield engines


def stages(events: list[StreamEvent]) -> list[dict[str, Any]]:
    return [event.part["data"] for event in events if event_types([event]) == ["data-stage"]]


def sources(events: list[StreamEvent]) -> dict[str, dict[str, Any]]:
    return {event.part["sourceId"]: event.part for event in events if event_types([event]) == ["source-url"]}


def words(text: str) -> str:
    return " ".join(text.split())


def test_fifty_pages_are_read_safely(database: FreshDatabase, site: WebSite, tunnels: Tunnels) -> None:
    pages = FiftyPages(site)
    failed: dict[str, str] = {}
    with (
        running_searxng(site.origin) as searxng,
        running_chat_app(database) as _,
        second_instance(
            database, lookup=NAMES, searxng_url=searxng, fetch_proxy=tunnels.url, web_pages=20, web_patience_s=3.0
        ) as app,
    ):
        for third in range(3):
            events = app.ask(
                f"c{third}", f"How many litres does pump series {third + 6:02} deliver? part {third}", mode="web"
            )
            seen = stages(events)
            assert [stage["name"] for stage in seen] == sorted(
                [stage["name"] for stage in seen], key=["searching", "reading", "answering"].index
            )
            reading = [stage for stage in seen if stage["name"] == "reading"]
            assert [stage["done"] + len(stage["failed"]) for stage in reading] == [*range(len(reading))]
            failed |= {page["url"]: page["problem"] for page in reading[-1]["failed"]}
            assert seen[-1]["total"] == len(sources(events)) > 0
            check_citations(events, pages)
            assert fact(third + 6) in text_of(events)
        pages.is_over.set()
    problems = {int(re.findall(r"\d+", url)[0]): problem for url, problem in failed.items()}
    assert problems.keys() >= FAILING
    others = {problem for n, problem in problems.items() if n not in FAILING}
    assert all(problem == TOO_LATE or "robots.txt can't be read" in problem for problem in others)  # a busy machine
    assert set(tunnels.targets) == {PUBLIC}
    assert SECRET not in {path for path, _ in site.requests}


def check_citations(events: list[StreamEvent], pages: FiftyPages) -> None:
    """Assert that the text of each citation stands on its page, and that nothing else is cited."""
    found = sources(events)
    assert set(re.findall(r"\[(\d+)\]", text_of(events))) <= set(found)
    for source in found.values():
        n = int(re.findall(r"\d+", source["url"])[0])
        assert n not in FAILING
        assert words(source["providerMetadata"]["headwater"]["text"]) in words(pages.texts(n))


def put_page(site: WebSite, engines: SearchEngines, n: int) -> None:
    """Add a page to the site and to what the engines find."""
    site.pages[f"/p{n}"] = Page(html(n, prose(n)))
    engines.results.append((f"http://p{n}.example/p{n}", "Found"))


QUESTION = "How many litres a minute does the pump of series 07 deliver?"


def test_documents_and_pages_are_ranked_together(
    database: FreshDatabase, site: WebSite, tunnels: Tunnels, engines: SearchEngines
) -> None:
    for n in (1, 7, 9):
        put_page(site, engines, n)
    settings = {**engines.settings("tavily"), "fetch_proxy": tunnels.url}
    with running_chat_app(database) as _, second_instance(database, lookup=NAMES, **settings) as app:
        app.add_document("pumps.md", "The new pump of series 07 delivers 12 litres a minute.", title="Pumps")
        events = app.ask("c", QUESTION, mode="both")
        kinds = {event.part["type"] for event in events if isinstance(event.part, dict)}
        assert {"source-document", "source-url", "data-stage"} < kinds
        assert "12 litres" in text_of(events)
        assert fact(7) in text_of(events)
        [_, answer] = app.messages("c")
        stored = [part for part in answer["parts"] if part["type"] == "data-stage"]
        assert [(part["id"], part["data"]["done"], part["data"]["total"]) for part in stored] == [
            ("searching", 0, 3),
            ("reading", 3, 3),
            ("answering", 0, sum(part["type"].startswith("source-") for part in answer["parts"])),
        ]
        site.take_requests()
        assert text_of(app.ask("d", QUESTION, mode="both")) == text_of(events)
        assert site.requests == []  # from the cache, and so are the results
        assert len(engines.requests) == 1
        usage = app.rows("select model, calls, cost from usage where kind = 'web'")
        assert usage == [("tavily:basic", 1, Decimal("0.008"))]
        with second_instance(database, lookup=NAMES, workspace_id=OTHER_WORKSPACE, **settings) as other:
            other.ask("c", QUESTION, mode="web")
            assert len(engines.requests) == 2  # each workspace has a cache of its own
            assert other.rows("select count(*) from web_cache") == app.rows("select count(*) from web_cache")


def test_missing_search_engine_is_told_to_owners(database: FreshDatabase) -> None:
    with running_chat_app(database) as app:
        [last] = [event.part for event in app.ask("c", QUESTION, mode="web") if event_types([event]) == ["error"]]
        assert "SEARXNG_URL, which needs no key" in last["errorText"]
        assert app.post("d", QUESTION, mode="everything").status_code == 422


def test_failing_search_leaves_documents(database: FreshDatabase, engines: SearchEngines) -> None:
    engines.status = 503
    with running_chat_app(database) as _, second_instance(database, **engines.settings("brave")) as app:
        app.add_document("pumps.md", "The pump of series 07 delivers 12 litres a minute.", title="Pumps")
        events = app.ask("c", QUESTION, mode="both")
        assert stages(events)[1]["problem"] == "Brave is unavailable (HTTP 503). Try again."
        assert "12 litres" in text_of(events)
        [last] = [event.part for event in app.ask("d", QUESTION, mode="web") if event_types([event]) == ["error"]]
        assert last["errorText"] == "Brave is unavailable (HTTP 503). Try again."


def test_answer_without_evidence_says_what_was_looked_for(
    database: FreshDatabase, site: WebSite, tunnels: Tunnels, engines: SearchEngines
) -> None:
    put_page(site, engines, 1)
    settings = {**engines.settings("searxng"), "fetch_proxy": tunnels.url, "web_blocked_hosts": ("example",)}
    with running_chat_app(database) as _, second_instance(database, lookup=NAMES, **settings) as app:
        assert "on the web. I searched for:\n\n> " + QUESTION in text_of(app.ask("c", QUESTION, mode="web"))
        assert site.requests == []


def test_cache_is_bounded_and_swept(database: FreshDatabase) -> None:
    with running_chat_app(database) as app:
        app.add_source()
        with app.database.transaction(app.workspace_id) as tx:
            entries = {cache_key("page", str(n)): bytes(MAX_ENTRY_BYTES) for n in range(33)}
            write_entries(tx, app.workspace_id, {**entries, b"large": bytes(MAX_ENTRY_BYTES + 1)}, 1.0)
            assert len(read_entries(tx, app.workspace_id, [*entries, b"large"])) == MAX_BYTES // MAX_ENTRY_BYTES
            write_entries(tx, app.workspace_id, {b"new": b"text"}, 2.0)
            assert read_entries(tx, app.workspace_id, [b"new"]) == {b"new": b"text"}
        app.rows("update web_cache set expires_at = now() - interval '1 s' where key <> 'new'")
        sweep(app.database, app.settings)
        assert app.rows("select key from web_cache") == [(b"new",)]
