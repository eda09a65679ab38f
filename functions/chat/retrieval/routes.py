"""The routes of search and of its settings."""

import uuid
from typing import Annotated

import msgspec

from functions.chat.retrieval.reranking import Problem
from functions.chat.retrieval.search import Passage, Ranking, Search
from functions.chat.retrieval.settings import HalfLife, SearchSettings, read_settings, write_settings
from headwater.database.transactions import Database
from headwater.errors import UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from headwater.web.app import Call, Route


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A search: the text, the maximum number of passages, and optionally a filter and one source to search in.

    `filter` chooses documents, as in `tag:release date>=2026 -path:drafts/**`. `by` ranks by words or vectors alone, to
    compare them. `half_life_days` prefers recent documents: one of this age counts as usual, newer ones more, older
    ones less. Its default is the workspace's setting. `rerank: false` keeps the fused order.
    """

    q: Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1})]
    k: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
    source_id: uuid.UUID | None = None
    filter: str = ""
    by: Ranking = "hybrid"
    half_life_days: HalfLife | None = None
    rerank: bool = True


class SearchRequest(SearchQuery, frozen=True, forbid_unknown_fields=True):
    """A search, as `SearchQuery`."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A matching passage: the document's `text[start:end]`, in Unicode code points.

    `excerpt` is the passage as it is shown: without comments, identifiers and other markup, after the header of the
    table that it continues. `page` is the page on which it begins, null for formats without pages. `documents` is the
    number of documents with the same passage; it is found once.
    A question is answered from `relevant` hits only, and declined if there are none.
    """

    document_id: uuid.UUID
    title: str
    url: str | None
    key: str
    heading_path: list[str]
    text: str
    excerpt: str
    page: int | None
    start: int
    end: int
    documents: int
    score: float
    relevant: bool


class Hits(msgspec.Struct, frozen=True):
    """Matching passages, best first.

    `reranked`: whether the installation's reranker ordered them. `rerank_problem` says why it didn't, and is null if no
    reranker was asked.
    """

    hits: list[Hit]
    reranked: bool
    rerank_problem: Problem | None


class SearchRoutes:
    """Handlers that search a workspace's documents. A query has at most `max_question_chars` characters."""

    def __init__(self, database: Database, search: Search, max_question_chars: int) -> None:
        self.database = database
        self.search = search
        self.max_question_chars = max_question_chars

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/api/search", self.search_passages, "Search passages", query=SearchQuery, returns=Hits),
            Route(
                "POST",
                "/api/search",
                self.search_long_text,
                "Search with a long text",
                body=SearchRequest,
                returns=Hits,
            ),
            Route(
                "GET",
                "/api/search/settings",
                self.get_search_settings,
                "Get the settings of search",
                returns=SearchSettings,
            ),
            Route(
                "PUT",
                "/api/search/settings",
                self.set_search_settings,
                "Change the settings of search",
                body=SearchSettings,
                returns=SearchSettings,
                access="editor",
            ),
        ]

    def search_passages(self, call: Call) -> Hits:
        """Find the passages that match a question by meaning and by words, best first.

        `text[start:end]` of the document is the passage, in Unicode code points.
        """
        return self._search(call, call.args)

    def search_long_text(self, call: Call) -> Hits:
        """Search like `searchPassages`, with the parameters in the body: a URL is too short for some questions."""
        return self._search(call, call.body)

    def _search(self, call: Call, query: SearchQuery) -> Hits:
        question = check_question(query.q, self.max_question_chars, "q")
        results = self.search.find(
            call.workspace_id,
            question,
            query.k,
            where(parse_filter(query.filter), query.source_id),
            by=query.by,
            half_life_days=query.half_life_days,
            rerank=query.rerank,
        )
        return Hits([to_hit(passage) for passage in results.passages], results.reranked, results.problem)

    def get_search_settings(self, call: Call) -> SearchSettings:
        """Get how searches of the workspace rank."""
        with self.database.transaction(call.workspace_id) as tx:
            return read_settings(tx, call.caller)

    def set_search_settings(self, call: Call) -> SearchSettings:
        """Change how searches and questions of the workspace rank, unless they say otherwise themselves."""
        with self.database.transaction(call.workspace_id) as tx:
            write_settings(tx, call.caller, call.body)
            return read_settings(tx, call.caller)


def check_question(question: str, max_chars: int, name: str) -> str:
    """Return the question, with spaces for NUL characters. Raises UnprocessableContent if it is empty or too long."""
    if len(question) > max_chars:
        raise UnprocessableContent(f"{name} is too long: {len(question)} characters, {max_chars} are allowed.")
    question = question.replace("\0", " ").strip()
    if not question:
        raise UnprocessableContent(f"{name} is empty.")
    return question


def to_hit(passage: Passage) -> Hit:
    """Return a passage as the API shows it."""
    return msgspec.convert(passage, Hit, from_attributes=True)
