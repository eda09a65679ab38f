"""Find evidence on the web for a question: search, read the best pages, rank their passages.

A page that fails is reported in a stage, and doesn't fail the answer.
"""

import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from functions.chat.common_words import common_words
from functions.chat.retrieval.relevance import Scales
from functions.chat.retrieval.search import Passage
from functions.chat.streams.ui_message_stream import FailedPage, Stage
from functions.chat.web.cache import cache_key, read_entries, write_entries
from functions.chat.web.engines import ENGINES, SearchResult, choose_engine, search
from functions.chat.web.fetch import Fetched, PageFetcher, origin_of
from functions.chat.web.page_text import PageText
from functions.chat.web.ranking import Evidence, Question, ReadPage, best_by_words, rank_evidence
from functions.chat.web.reader_pool import reader_pool
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder, embedding_input
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import known_languages
from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.sockets import Lookup
from headwater.usage.prices import load_prices
from headwater.usage.record import Payer, Tokens, record_usage
from headwater.words.analysis import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from functions.chat.retrieval.bm25 import QueryWord
    from headwater.outbound.guarded_http import GuardedHttp

T = TypeVar("T")

RESULTS = 20
"""Results of a search that are looked at, at most."""

PER_HOST = 2
"""Pages of one host that an answer reads, at most."""

CHARS_PER_TOKEN = 4
"""For the numbers of tokens in stages, which are estimates."""


class Request(msgspec.Struct, frozen=True):
    """A query for the web. `documents` searches the workspace's documents, whose passages are ranked together with it;
    None: the web alone."""

    workspace_id: uuid.UUID
    query: str
    k: int
    documents: Callable[[], Sequence[Passage]] | None = None
    payer: Payer | None = None


class _Page(msgspec.Struct, frozen=True, array_like=True):
    """A page in the cache."""

    url: str
    page: PageText


class Research:
    """Finds evidence on the web. One per instance; safe to share between threads.

    `lookup` resolves the hosts of pages.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        embedder: Callable[[str], Embedder],
        recorder: Recorder,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._database = database
        self._settings = settings
        self._embedder = embedder
        self._recorder = recorder
        self._scales = Scales()
        self._fetcher = PageFetcher(settings, reader_pool(), lookup)

    def gather(self, request: Request) -> Generator[Stage | None, None, list[Evidence]]:
        """Yield the stages of the search, None while nothing happens, and return the best passages, best first.

        Raises SearchMisconfigured, or UpstreamError if the search fails and there are no documents to answer from.
        """
        started = time.monotonic()
        reader_pool().warm()
        documents = self._threads.submit(copy_context().run, request.documents) if request.documents else None
        results = yield from self._search(request)
        urls = [*_choose(results, self._settings.web_pages, self._fetcher.is_blocked)]
        with self._database.transaction(request.workspace_id) as tx:
            model = read_active_model(tx)
        with self._recorder.recording(Payer(request.workspace_id), model.name):
            vector = self._embedder(model.name).embed_query(request.query)
        pages = yield from self._read(request, urls, model.name)
        found = (yield from _result(documents)) if documents else []
        question = self._question(request, model, vector, {one.page.language for one in pages})
        evidence = rank_evidence(question, pages, found, request.k)
        tokens = sum(len(one.excerpt) for one in evidence) // CHARS_PER_TOKEN
        yield Stage("answering", total=len(evidence), tokens=tokens)
        logs.event(
            "web.researched",
            results=len(results),
            pages=len(pages),
            failed=len(urls) - len(pages),
            passages=len(evidence),
            duration_ms=round((time.monotonic() - started) * 1000),
        )
        return evidence

    def read_page(self, workspace_id: uuid.UUID, url: str) -> tuple[str, PageText]:
        """Return the address where redirects led to, and the page. Raises PermanentError if it can't be read."""
        if self._fetcher.is_blocked(url):  # since it was stored in the cache
            raise PermanentError("The page can't be read: its host is blocked (WEB_BLOCKED_HOSTS).")
        [fetched] = filter(None, self._fetch(workspace_id, [url]))
        if fetched.page is None:
            raise PermanentError(f"The page can't be read: {fetched.problem.removesuffix('.')}.")
        return fetched.final_url, fetched.page

    def _search(self, request: Request) -> Generator[Stage | None, None, list[SearchResult]]:
        """Search, or take what was found before for the same query."""
        engine = choose_engine(self._settings)
        yield Stage("searching", query=request.query)
        key = cache_key("search", engine, request.query)
        with self._database.transaction(request.workspace_id) as tx:
            cached = read_entries(tx, request.workspace_id, [key]).get(key)
        problem = ""
        if cached is not None:
            results = msgspec.msgpack.decode(cached, type=list[SearchResult])
        else:
            call = self._threads.submit(
                copy_context().run, search, self._http, self._settings, engine, request.query, RESULTS
            )
            try:
                results = yield from _result(call)
                self._record(request, engine)
                self._store(request.workspace_id, {key: msgspec.msgpack.encode(results)})
            except UpstreamError as error:
                if request.documents is None:
                    raise
                results, problem = [], error.message
        logs.event("web.searched", engine=engine, results=len(results), cached=cached is not None)
        yield Stage("searching", query=request.query, total=len(results), problem=problem)
        return results

    def _read(self, request: Request, urls: Sequence[str], model: str) -> Generator[Stage | None, None, list[ReadPage]]:
        """Read pages, and embed the best passages of each while the others are being fetched."""
        if not urls:
            return []
        stage = Stage("reading", total=len(urls))
        yield stage
        pages: dict[str, ReadPage] = {}
        for fetched in self._fetch(request.workspace_id, urls):
            if fetched is None:
                yield None
                continue
            if fetched.page is None:
                stage = msgspec.structs.replace(stage, failed=[*stage.failed, FailedPage(fetched.url, fetched.problem)])
            else:
                pages[fetched.url] = self._embed(request, fetched.final_url, fetched.page, model)
                tokens = stage.tokens + len(fetched.page.text) // CHARS_PER_TOKEN
                stage = msgspec.structs.replace(stage, done=len(pages), tokens=tokens)
            yield stage
        return [pages[url] for url in urls if url in pages]

    def _fetch(self, workspace_id: uuid.UUID, urls: Sequence[str]) -> Generator[Fetched | None, None, None]:
        """Yield pages, from the cache if it has them, as `PageFetcher.fetch` does. Stores what was fetched."""
        page_keys = {url: cache_key("page", url) for url in urls}
        robots_keys = {origin: cache_key("robots", origin) for origin in map(origin_of, urls)}
        with self._database.transaction(workspace_id) as tx:
            cached = read_entries(tx, workspace_id, [*page_keys.values(), *robots_keys.values()])
        robots = {origin: cached[key].decode() for origin, key in robots_keys.items() if key in cached}
        known = set(robots)
        entries: dict[bytes, bytes] = {}
        missing = [url for url in urls if page_keys[url] not in cached]
        for fetched in chain(_decode(cached, page_keys), self._fetcher.fetch(missing, robots)):
            if fetched and fetched.page and fetched.url in missing:
                entries[page_keys[fetched.url]] = msgspec.msgpack.encode(_Page(fetched.final_url, fetched.page))
            yield fetched
        read = robots.copy()  # pages that are too late may still add theirs
        entries |= {cache_key("robots", origin): text.encode() for origin, text in read.items() if origin not in known}
        self._store(workspace_id, entries)

    def _embed(self, request: Request, url: str, page: PageText, model: str) -> ReadPage:
        chosen = best_by_words(page.passages, _weigh(request.query, [page.language]))
        known = known_languages(model)
        if known is not None and page.language not in known:
            return ReadPage(url, page, chosen)
        texts = [
            embedding_input(page.title, one.heading_path, page.text[one.start : one.end])
            for one in (page.passages[n] for n in chosen)
        ]
        with self._recorder.recording(Payer(request.workspace_id), model):
            return ReadPage(url, page, chosen, self._embedder(model).embed_documents(texts))

    def _question(
        self, request: Request, model: Any, vector: "NDArray[np.float32]", languages: Iterable[str]
    ) -> Question:
        known = sorted({DEFAULT_LANGUAGE, *languages})
        with self._database.transaction(request.workspace_id) as tx:
            scales = self._scales.read(tx, model.id, model.name, known)
        return Question(_weigh(request.query, known), vector, scales.judges(vector))

    def _record(self, request: Request, engine: str) -> None:
        """Add the search to the usage of the question's payer."""
        if request.payer is not None:
            prices = load_prices(self._settings.prices)
            with self._database.transaction(request.workspace_id) as tx:
                record_usage(tx, prices, request.payer, kind="web", model=ENGINES[engine].priced_as, tokens=Tokens())

    def _store(self, workspace_id: uuid.UUID, entries: dict[bytes, bytes]) -> None:
        if entries and self._settings.web_cache_hours:
            with self._database.transaction(workspace_id) as tx:
                write_entries(tx, workspace_id, entries, self._settings.web_cache_hours)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(16, thread_name_prefix="web-search")

    @cached_property
    def _http(self) -> "GuardedHttp":
        from headwater.outbound.guarded_http import guarded_http

        # The address of the engine is a setting, so it may be private.
        return guarded_http(allow_private=True, timeout_s=10.0, user_agent=self._settings.user_agent)


def _choose(results: Iterable[SearchResult], most: int, is_blocked: Callable[[str], bool]) -> Iterator[str]:
    """Yield the URLs of the best results that may be read, at most two of each host."""
    hosts: Counter[str] = Counter()
    for result in results:
        host = _host(result.url)
        if host and hosts[host] < PER_HOST and hosts.total() < most and not is_blocked(result.url):
            hosts[host] += 1
            yield result.url


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _decode(cached: dict[bytes, bytes], page_keys: dict[str, bytes]) -> Iterator[Fetched]:
    for url, key in page_keys.items():
        if key in cached:
            entry = msgspec.msgpack.decode(cached[key], type=_Page)
            yield Fetched(url, entry.url, entry.page)


def _weigh(query: str, languages: Sequence[str]) -> "list[QueryWord]":
    from functions.chat.retrieval.words import weigh_words

    return weigh_words(query, languages, common_words(tuple(languages)))


def _result(future: "Future[T]") -> Generator[None, None, T]:
    """Wait for a result, and yield None every second."""
    while not wait([future], 1.0).done:
        yield None
    return future.result()
