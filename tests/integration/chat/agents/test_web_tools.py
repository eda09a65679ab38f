"""The agent's tools for the web: a search engine and pages on loopback, and addresses that a model must not open."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.fakes.fifty_pages import PRIVATE_HOST, fact, html, prose
from tests.fakes.search_engines import SearchEngines, search_engines
from tests.fakes.tunnels import Names, Tunnels, running_tunnels
from tests.fakes.web_site import Page, WebSite, web_site
from tests.harness.agents import ask, assert_nothing_is_open, close_readers, tool_parts
from tests.harness.chat_app import ChatApp, event_types, running_chat_app, second_instance, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings

PUMP = "http://p7.example/p7"
SEARCH_WEB = ToolCall("web_search", {"query": "How many litres does the pump of series 07 deliver?"})
WEB_TOOLS = {"web_search", "fetch_page"}


@pytest.fixture
def site() -> Iterator[WebSite]:
    with web_site() as site:
        site.pages["/p7"] = Page(html(7, prose(7)))
        site.pages["/long"] = Page(html(8, "</p><p>".join(prose(n) for n in range(20))))
        yield site


@pytest.fixture
def tunnels(site: WebSite) -> Iterator[Tunnels]:
    with running_tunnels(int(site.origin.rpartition(":")[2])) as tunnels:
        yield tunnels


@pytest.fixture
def engines() -> Iterator[SearchEngines]:
    with search_engines() as engines:
        engines.results.append((PUMP, "Pumps"))
        yield engines


@pytest.fixture
def web_settings(cloud: Cloud, provider: ScriptedProvider, engines: SearchEngines, tunnels: Tunnels) -> dict[str, Any]:
    model = {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    return queue_settings(cloud.url) | model | engines.settings("tavily") | {"fetch_proxy": tunnels.url}


@pytest.fixture
def chat(database: FreshDatabase, web_settings: dict[str, Any]) -> Iterator[ChatApp]:
    names = Names({PRIVATE_HOST: "10.0.0.5"})
    with running_chat_app(database) as _, second_instance(database, lookup=names, **web_settings) as app:
        app.add_document("pumps.md", "The pump of series 06 is blue.", title="Pumps")
        yield app
        close_readers()


def offered(provider: ScriptedProvider) -> set[str]:
    return {tool["function"]["name"] for tool in provider.requests[-1]["tools"]}


def test_agent_searches_the_web_and_cites_pages(
    chat: ChatApp, provider: ScriptedProvider, engines: SearchEngines
) -> None:
    documents = ToolCall("search_knowledge", {"query": "Which pump is blue?"})
    provider.script = follow([documents], [SEARCH_WEB], f"Ten litres [2], says {PUMP}; 06 is blue [1]. Not [9].")
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert text_of(events) == f"Ten litres [2], says <{PUMP}>; 06 is blue [1]. Not."
    [source] = [event.part for event in events if event_types([event]) == ["source-url"]]
    assert (source["sourceId"], source["url"]) == ("2", PUMP)
    assert fact(7) in source["providerMetadata"]["headwater"]["text"]
    _, searched = results(provider.requests[-1])
    assert searched.startswith("[2] Pump series 07")
    assert PUMP in searched
    assert fact(7) in searched
    assert engines.requests == [SEARCH_WEB.arguments["query"]]  # type: ignore[index]
    assert chat.rows("select model, calls, cost from usage where kind = 'web'") == [
        ("tavily:basic", 1, Decimal("0.008"))
    ]
    assert_nothing_is_open(chat)


def test_page_that_was_found_is_read_in_parts(
    chat: ChatApp, provider: ScriptedProvider, engines: SearchEngines, tunnels: Tunnels
) -> None:
    url = "http://p8.example/long"
    engines.results[:] = [(url, "Pumps")]
    first = ToolCall("fetch_page", {"url": url})
    provider.script = follow([SEARCH_WEB], [first], "Done [4].")
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    numbers = [event.part["sourceId"] for event in events if event_types([event]) == ["source-url"]]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    assert text_of(events) == "Done [4]."
    read = results(provider.requests[-1])[-1]
    offset = int(read.rpartition("(Read on at offset ")[2].partition(" ")[0])
    assert 4_000 < offset <= 8_000
    second = ToolCall("fetch_page", {"url": url, "offset": offset})
    beyond = ToolCall("fetch_page", {"url": url, "offset": 1_000_000})
    provider.script = follow([second, beyond], "Done.")
    before = len(tunnels.targets)
    ask(chat, f"Read on in {url}#more", message_id="m2")  # the person names it
    chat.drain()
    rest, error = results(provider.requests[-1])
    assert f"characters {offset}" in rest or f"characters {offset + 2}" in rest
    assert error.startswith("offset: the page has only ")
    assert len(tunnels.targets) == before  # from the cache


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://evil.example/?q=secret", "can't be opened"),
        (f"{PUMP}?q=secret", "can't be opened"),
        (f"{PUMP}/../p8", "can't be opened"),
        ("http://p7.example@evil.example/p7", "can't be opened"),
        ("file:///etc/passwd", "can't be opened"),
        ("http://[", "can't be opened"),
        ("", "can't be opened"),
        ("x" * 3_000, "length <= 2000"),
    ],
    ids=["other host", "query", "path", "user", "file", "invalid", "empty", "long"],
)
def test_address_of_the_models_choice_is_not_opened(
    chat: ChatApp, provider: ScriptedProvider, site: WebSite, url: str, says: str
) -> None:
    provider.script = follow([SEARCH_WEB], [ToolCall("fetch_page", {"url": url})], "Done.")
    ask(chat)
    chat.drain()
    [failed] = [part for part in tool_parts(chat) if part["state"] == "output-error"]
    assert says in failed["errorText"]
    assert sorted(path for path, _ in site.requests) == ["/p7", "/robots.txt"]  # of the search
    assert provider.requests[-1]["messages"][-1]["content"] == failed["errorText"]


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", f"http://{PRIVATE_HOST}/secret", "http://127.0.0.1:80/"]
)
def test_private_address_that_the_person_names_is_refused(
    chat: ChatApp, provider: ScriptedProvider, tunnels: Tunnels, site: WebSite, url: str
) -> None:
    provider.script = follow([ToolCall("fetch_page", {"url": url})], "Done.")
    ask(chat, f"What does {url} say?")
    chat.drain()
    [failed] = tool_parts(chat)
    assert failed["state"] == "output-error"
    assert failed["errorText"].startswith("The page can't be read: ")
    assert tunnels.targets == []
    assert site.requests == []


def test_robots_txt_holds_for_pages(chat: ChatApp, provider: ScriptedProvider, site: WebSite) -> None:
    site.pages["/robots.txt"] = Page("User-agent: *\nDisallow: /p7\n", "text/plain")
    provider.script = follow([ToolCall("fetch_page", {"url": PUMP})], "Done.")
    ask(chat, f"What does {PUMP} say?")
    chat.drain()
    assert "robots.txt doesn't allow" in results(provider.requests[-1])[0]
    assert [path for path, _ in site.requests] == ["/robots.txt"]


def test_page_of_a_host_that_was_blocked_later_is_not_read_from_the_cache(
    chat: ChatApp, database: FreshDatabase, provider: ScriptedProvider, web_settings: dict[str, Any]
) -> None:
    provider.script = follow([ToolCall("fetch_page", {"url": PUMP})], "Done.")
    ask(chat, f"What does {PUMP} say?")
    chat.drain()
    assert fact(7) in results(provider.requests[-1])[0]
    with second_instance(database, **web_settings, web_blocked_hosts=("p7.example",)) as blocking:
        ask(chat, f"And now {PUMP}?", message_id="m2")
        blocking.drain()
    assert results(provider.requests[-1]) == ["The page can't be read: its host is blocked (WEB_BLOCKED_HOSTS)."]


def test_searches_of_an_answer_are_limited(chat: ChatApp, provider: ScriptedProvider, engines: SearchEngines) -> None:
    calls = [ToolCall("web_search", {"query": f"pump {n}"}) for n in range(33)]
    provider.script = follow(calls[:16], calls[16:], "Done.")
    ask(chat)
    chat.drain()
    refused = [text for text in results(provider.requests[-1]) if "at most 30 times" in text]
    assert 3 <= len(refused) <= 6  # calls that have begun together count each other
    assert len(engines.requests) == 33 - len(refused)


def test_search_without_a_match_says_what_was_not_read(
    chat: ChatApp, provider: ScriptedProvider, engines: SearchEngines
) -> None:
    engines.results[:] = [("http://p7.example/none", "Gone")]
    provider.script = follow([SEARCH_WEB], [ToolCall("fetch_page", {"url": "http://p7.example/none"})], "Done.")
    ask(chat)
    chat.drain()
    searched, opened = results(provider.requests[-1])
    assert searched == (
        "Nothing on the web matches. Results: 1, pages read: 0.\n"
        "Not read: http://p7.example/none (it answered with HTTP 404)"
    )
    assert "can't be opened" in opened


def test_failing_engine_is_an_error_that_the_model_reads(
    chat: ChatApp, provider: ScriptedProvider, engines: SearchEngines
) -> None:
    engines.status = 503
    provider.script = follow([SEARCH_WEB, ToolCall("web_search", {"query": " "})], "I can't.")
    ask(chat)
    chat.drain()
    assert results(provider.requests[-1]) == ["Tavily is unavailable (HTTP 503). Try again.", "query is empty."]


def test_tools_for_the_web_are_offered_where_there_is_an_engine(
    chat: ChatApp, database: FreshDatabase, cloud: Cloud, provider: ScriptedProvider
) -> None:
    ask(chat)
    chat.drain()
    assert offered(provider) >= WEB_TOOLS
    assert "web_search" in provider.requests[-1]["messages"][0]["content"]
    close_readers()
    without = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    provider.script = follow([SEARCH_WEB], "Done.")
    with second_instance(database, **without) as other:
        ask(other, message_id="m2")
        other.drain()
        assert not offered(provider) & WEB_TOOLS
        assert "web_search" not in provider.requests[-1]["messages"][0]["content"]
        assert results(provider.requests[-1])[0].startswith("There is no tool 'web_search'.")
        close_readers()
