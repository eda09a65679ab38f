"""All routes of the chat function. Those of searches, questions and conversations are imported at start."""

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from functions.chat.answers.compose import Sources
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.chat_routes import ChatRoutes
from functions.chat.conversations.routes import ConversationRoutes
from functions.chat.retrieval.attached import FileSearch
from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.routes import SearchRoutes
from functions.chat.retrieval.search import Search
from functions.chat.retrieval.support import Support
from functions.chat.streams.answer_queue import AnswerQueue
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.web.research import Research
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.outbound.sockets import Lookup
from headwater.queue.drain_route import drain_route
from headwater.queue.tickets import Tickets
from headwater.web.app import LazyRoutes, Route
from headwater.web.shutdown import Lifetime

if TYPE_CHECKING:
    from headwater.queue.worker import Handler


def routes(
    database: Database,
    settings: Settings,
    embedder: Callable[[str], Embedder],
    lifetime: Lifetime,
    *,
    reranking: Reranking | None = None,
    tickets: Tickets | None = None,
    lookup: Lookup = socket.getaddrinfo,
) -> LazyRoutes:
    """Return the routes. Opens and loads nothing.

    `tickets`: of the queue that writes answers without a client; None for no queue. `lookup` resolves the hosts of web
    pages.
    """
    recorder = Recorder(database, settings)
    search = Search(database, embedder, reranking=reranking, recorder=recorder)
    research = Research(database, settings, embedder, recorder, lookup)
    sources = Sources(search, FileSearch(database, embedder, recorder), research, Support(database, embedder, recorder))
    answerer = Answerer(database, settings, sources)
    queue = AnswerQueue(tickets)
    commits = GroupCommit(database)
    at_start = [
        *SearchRoutes(database, search, settings.max_question_chars).routes(),
        *ChatRoutes(commits, answerer, lifetime, settings.max_question_chars, queue=queue).routes(),
        *ConversationRoutes(database, queue).routes(),
        *_drain_routes(answerer, commits, tickets, lifetime, lookup),
    ]

    def load_more() -> Sequence[Route]:
        from functions.chat.other_routes import other_routes

        return other_routes(database, answerer, reranking, tickets)

    return LazyRoutes(at_start, load_more)


def _drain_routes(
    answerer: Answerer, commits: GroupCommit, tickets: Tickets | None, lifetime: Lifetime, lookup: Lookup
) -> list[Route]:
    """Return the route that runs the steps of the queue `chat`."""
    if tickets is None:
        return []

    def make_handlers() -> "Mapping[str, Handler]":
        from functions.chat.steps import handlers

        return handlers(answerer, commits, tickets, lifetime, lookup)

    return [drain_route(tickets, "chat", lifetime, make_handlers)]
