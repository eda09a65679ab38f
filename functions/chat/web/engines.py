"""Find pages by a search engine: Tavily, Brave, Google's Custom Search or SearXNG."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.config import Settings
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.deadline import within

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from headwater.outbound.guarded_http import GuardedHttp

SEARCH_S = 6.0
"""Time for a search."""

MAX_QUERY_CHARS = 380
"""Tavily and Brave refuse queries of more than 400 characters."""

MAX_BRAVE_WORDS = 50
"""Brave refuses queries of more words (Brave Search API, "Query parameters")."""

MAX_ANSWER_BYTES = 2_000_000
MAX_TITLE_CHARS, MAX_URL_CHARS = 300, 2_000

NOT_CONFIGURED = (
    "Answers from the web need a search engine. Set TAVILY_API_KEY, BRAVE_API_KEY, GOOGLE_SEARCH_API_KEY with "
    "GOOGLE_CSE_ID, or SEARXNG_URL, which needs no key."
)


class SearchMisconfigured(PermanentError):
    """The search engine's settings have to be changed. Only owners can do that."""


class SearchResult(msgspec.Struct, frozen=True, array_like=True):
    """A page that a search engine names."""

    url: str
    title: str


class Request(msgspec.Struct, frozen=True):
    """A request to a search engine."""

    url: str
    fields: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Any = None


class Engine(msgspec.Struct, frozen=True):
    """A search engine: the settings it needs, its request for a query, and where its answer has the results.

    `priced_as` is its name in the table of prices.
    """

    title: str
    priced_as: str
    required: tuple[str, ...]
    request: Callable[[Settings, str, int], Request]
    results: tuple[str, ...]
    url_field: str = "url"


def _base(url: str, usual: str = "") -> str:
    return (url or usual).rstrip("/")


def _tavily(settings: Settings, query: str, count: int) -> Request:
    body = {"query": query, "max_results": count, "search_depth": "basic"}
    headers = {"Authorization": f"Bearer {settings.tavily_api_key}"}
    return Request(f"{_base(settings.tavily_base_url, 'https://api.tavily.com')}/search", headers=headers, body=body)


def _brave(settings: Settings, query: str, count: int) -> Request:
    base = _base(settings.brave_base_url, "https://api.search.brave.com")
    headers = {"X-Subscription-Token": settings.brave_api_key, "Accept": "application/json"}
    words = " ".join(query.split()[:MAX_BRAVE_WORDS])
    return Request(f"{base}/res/v1/web/search", {"q": words, "count": str(min(count, 20))}, headers)


def _google(settings: Settings, query: str, count: int) -> Request:
    base = _base(settings.google_search_base_url, "https://customsearch.googleapis.com")
    fields = {"q": query, "num": str(min(count, 10)), "cx": settings.google_cse_id}
    return Request(f"{base}/customsearch/v1", fields, {"X-Goog-Api-Key": settings.google_search_api_key})


def _searxng(settings: Settings, query: str, count: int) -> Request:  # noqa: ARG001 - SearXNG takes no number
    return Request(f"{_base(settings.searxng_url)}/search", {"q": query, "format": "json"})


ENGINES: Mapping[str, Engine] = {
    "tavily": Engine("Tavily", "tavily:basic", ("tavily_api_key",), _tavily, ("results",)),
    "brave": Engine("Brave", "brave:web", ("brave_api_key",), _brave, ("web", "results")),
    "google": Engine(
        "Google", "google_cse:web", ("google_search_api_key", "google_cse_id"), _google, ("items",), "link"
    ),
    "searxng": Engine("SearXNG", "searxng:web", ("searxng_url",), _searxng, ("results",)),
}


def choose_engine(settings: Settings) -> str:
    """Return the name of the engine of `WEB_SEARCH`, or of the first that is set up. Raises SearchMisconfigured."""
    if settings.web_search:
        missing = [name.upper() for name in ENGINES[settings.web_search].required if not getattr(settings, name)]
        if missing:
            raise SearchMisconfigured(f"{' and '.join(missing)} is missing for WEB_SEARCH={settings.web_search}.")
        return settings.web_search
    for name, engine in ENGINES.items():
        if all(getattr(settings, required) for required in engine.required):
            return name
    raise SearchMisconfigured(NOT_CONFIGURED)


def is_configured(settings: Settings) -> bool:
    """Return whether there is a search engine."""
    try:
        choose_engine(settings)
    except SearchMisconfigured:
        return False
    return True


def search(http: "GuardedHttp", settings: Settings, name: str, query: str, count: int) -> list[SearchResult]:
    """Return the pages that an engine finds, best first, each once, only those with http and https.

    Raises SearchMisconfigured if the engine rejects the key, else UpstreamError. Messages have no key and no text of
    the engine's.
    """
    import urllib3.exceptions

    engine = ENGINES[name]
    request = engine.request(settings, query[:MAX_QUERY_CHARS], count)
    try:
        with within(SEARCH_S):
            status, content = _exchange(http, request)
        if status != 200:
            raise _refusal(engine, status)
        found = _results(engine, msgspec.json.decode(content))
    except (urllib3.exceptions.HTTPError, TimeoutError) as error:
        raise UpstreamError(f"{engine.title} can't be reached ({type(error).__name__}). Try again.") from None
    except (msgspec.DecodeError, RecursionError, _UnknownShapeError):
        raise UpstreamError(f"{engine.title} answered with something other than search results. Try again.") from None
    return found[:count]


def _exchange(http: "GuardedHttp", request: Request) -> tuple[int, bytes]:
    options: dict[str, Any] = {"redirect": False, "preload_content": False}
    if request.body is not None:
        response = http.request("POST", request.url, headers=dict(request.headers), json=request.body, **options)
    else:
        response = http.request(
            "GET", request.url, fields=dict(request.fields), headers=dict(request.headers), **options
        )
    try:
        return response.status, _read(response)
    finally:
        if response.connection is not None:  # not read to its end
            response.close()


def _read(response: "BaseHTTPResponse") -> bytes:
    content = bytearray()
    while piece := response.read(65_536, decode_content=True):
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise _UnknownShapeError
    return bytes(content)


class _UnknownShapeError(Exception):
    """The engine's answer is not as documented."""


def _results(engine: Engine, answer: Any) -> list[SearchResult]:
    for field in engine.results:
        # Brave and Google leave the field out if they find nothing.
        answer = answer.get(field, {}) if isinstance(answer, dict) else None
    if answer == {}:
        return []
    if not isinstance(answer, list):
        raise _UnknownShapeError
    found: dict[str, SearchResult] = {}
    for item in answer:
        url, title = (item.get(engine.url_field), item.get("title")) if isinstance(item, dict) else (None, None)
        if isinstance(url, str) and url.startswith(("http://", "https://")) and len(url) <= MAX_URL_CHARS:
            address = url.partition("#")[0]
            found.setdefault(address, SearchResult(address, str(title or "")[:MAX_TITLE_CHARS]))
    return [*found.values()]


def _refusal(engine: Engine, status: int) -> HeadwaterError:
    names: Sequence[str] = [name.upper() for name in engine.required]
    if engine.title == "SearXNG" and status == 403:
        return SearchMisconfigured(
            "SearXNG doesn't answer in JSON. Add `json` to `search.formats` in its settings.yml, and check its limiter."
        )
    if status in (401, 403):
        return SearchMisconfigured(f"{engine.title} rejects {' or '.join(names)}. Set a valid one.")
    if status in (402, 429, 432, 433):  # 432 and 433: Tavily's limits of a plan and of pay-as-you-go
        return UpstreamError(f"{engine.title}'s rate limit or quota is reached. Try again later.")
    if status < 500:
        return SearchMisconfigured(f"{engine.title} refuses the search (HTTP {status}). Check {' and '.join(names)}.")
    return UpstreamError(f"{engine.title} is unavailable (HTTP {status}). Try again.")
