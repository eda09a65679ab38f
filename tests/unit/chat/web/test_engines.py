"""Search engines: each one's protocol, what it takes to choose one, and answers that are refused or broken."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.web.engines import ENGINES, SearchMisconfigured, SearchResult, choose_engine, search
from headwater.config import Settings, read_settings
from headwater.errors import ConfigError, UpstreamError
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.search_engines import KEY, SearchEngines, search_engines

RESULTS = [(f"https://site-{n}.example/a?b=1", f"Title {n}") for n in range(12)]


@pytest.fixture(scope="module")
def served() -> Iterator[SearchEngines]:
    with search_engines() as engines:
        yield engines


@pytest.fixture
def engines(served: SearchEngines) -> SearchEngines:
    served.results, served.status, served.body = RESULTS, 200, None
    served.requests.clear()
    return served


def settings_of(**values: Any) -> Settings:
    return Settings(database_url="postgresql+pg8000://app@127.0.0.1:9/none", **values)


def find(engines: SearchEngines, name: str, query: str = "blue pumps", count: int = 10) -> list[SearchResult]:
    with guarded_http(allow_private=True, timeout_s=5) as http:
        return search(http, settings_of(**engines.settings(name)), name, query, count)


@pytest.mark.parametrize("name", ENGINES)
def test_engine_returns_results_in_their_order(engines: SearchEngines, name: str) -> None:
    assert find(engines, name) == [SearchResult(url, title) for url, title in RESULTS[:10]]
    assert engines.requests == ["blue pumps"]


@pytest.mark.parametrize("name", ENGINES)
def test_engine_without_results_finds_nothing(engines: SearchEngines, name: str) -> None:
    engines.results = []
    assert find(engines, name) == []


def test_results_are_distinct_web_addresses(engines: SearchEngines) -> None:
    engines.results = [
        ("ftp://a.example/", "a"),
        ("javascript:alert(1)", "b"),
        ("https://c.example/#one", "c"),
        ("https://c.example/#two", "d"),
        ("https://e.example/" + "x" * 3_000, "e"),
    ]
    assert find(engines, "searxng") == [SearchResult("https://c.example/", "c")]


@pytest.mark.parametrize("name", ENGINES)
def test_long_query_is_cut(engines: SearchEngines, name: str) -> None:
    find(engines, name, "pump " * 1_000)
    assert [len(query) < 400 for query in engines.requests] == [True]


@pytest.mark.parametrize(
    ("name", "status", "kind", "message"),
    [
        ("tavily", 401, SearchMisconfigured, "Tavily rejects TAVILY_API_KEY. Set a valid one."),
        ("brave", 422, SearchMisconfigured, "Brave refuses the search (HTTP 422). Check BRAVE_API_KEY."),
        ("google", 403, SearchMisconfigured, "Google rejects GOOGLE_SEARCH_API_KEY or GOOGLE_CSE_ID. Set a valid one."),
        ("searxng", 403, SearchMisconfigured, "SearXNG doesn't answer in JSON. Add `json` to `search.formats`"),
        ("tavily", 432, UpstreamError, "Tavily's rate limit or quota is reached. Try again later."),
        ("brave", 429, UpstreamError, "Brave's rate limit or quota is reached. Try again later."),
        ("google", 503, UpstreamError, "Google is unavailable (HTTP 503). Try again."),
    ],
)
def test_refusals_say_what_to_do_without_the_key(
    engines: SearchEngines, name: str, status: int, kind: type[Exception], message: str
) -> None:
    engines.status = status
    with pytest.raises(kind) as raised:
        find(engines, name)
    assert str(raised.value).startswith(message)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"null", b'{"results": {"a": 1}}', b'{"results": 3}', b"[" * 100_000, b" " * 2_100_000],
    ids=["html", "list", "null", "object", "number", "deep", "huge"],
)
def test_broken_answers_are_reported(engines: SearchEngines, body: bytes) -> None:
    engines.body = body
    with pytest.raises(UpstreamError, match="Tavily answered with something other than search results"):
        find(engines, "tavily")


def test_broken_results_are_left_out(engines: SearchEngines) -> None:
    engines.body = json.dumps(
        {"results": [1, None, {"url": 3}, {"title": "x"}, {"url": "https://a.example/"}]}
    ).encode()
    assert find(engines, "tavily") == [SearchResult("https://a.example/", "")]


def test_engine_that_cannot_be_reached_is_reported() -> None:
    with (
        guarded_http(allow_private=True, timeout_s=5) as http,
        pytest.raises(UpstreamError, match="SearXNG can't be reached"),
    ):
        search(http, settings_of(searxng_url="http://127.0.0.1:9"), "searxng", "q", 5)


def test_first_engine_that_is_set_up_is_chosen() -> None:
    assert choose_engine(settings_of(brave_api_key="k", searxng_url="http://s")) == "brave"
    assert choose_engine(settings_of(google_search_api_key="k", searxng_url="http://s")) == "searxng"
    assert choose_engine(settings_of(brave_api_key="k", searxng_url="http://s", web_search="searxng")) == "searxng"


def test_missing_key_is_named() -> None:
    with pytest.raises(SearchMisconfigured, match=r"Set TAVILY_API_KEY, BRAVE_API_KEY, .* SEARXNG_URL"):
        choose_engine(settings_of())
    with pytest.raises(SearchMisconfigured, match="GOOGLE_CSE_ID is missing for WEB_SEARCH=google"):
        choose_engine(settings_of(web_search="google", google_search_api_key="k"))


def test_settings_of_the_web_are_checked() -> None:
    environ = {"DATABASE_URL": "x", "WEB_SEARCH": "bing", "SEARXNG_URL": "search", "WEB_PAGES": "21"}
    with pytest.raises(ConfigError) as raised:
        read_settings(environ)
    assert [line.partition(":")[0].strip() for line in str(raised.value).splitlines()[1:]] == [
        "WEB_SEARCH",
        "SEARXNG_URL",
        "WEB_PAGES",
    ]
