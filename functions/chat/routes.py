"""All routes of the chat function, by room."""

import socket
from collections.abc import Callable

from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.chat_routes import ChatRoutes
from functions.chat.conversations.model_routes import ModelRoutes
from functions.chat.conversations.routes import ConversationRoutes
from functions.chat.doors.mcp import McpRoutes
from functions.chat.doors.mcp_tools import ToolBox
from functions.chat.doors.openai_routes import OpenAIRoutes
from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.routes import SearchRoutes
from functions.chat.retrieval.search import Search
from functions.chat.usage.routes import UsageRoutes
from functions.chat.web.research import Research
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.outbound.sockets import Lookup
from headwater.web.app import Route
from headwater.web.shutdown import Lifetime


def routes(
    database: Database,
    settings: Settings,
    embedder: Callable[[str], Embedder],
    lifetime: Lifetime,
    *,
    reranking: Reranking | None = None,
    lookup: Lookup = socket.getaddrinfo,
) -> list[Route]:
    """Return the routes. Opens and loads nothing. `lookup` resolves the hosts of web pages."""
    recorder = Recorder(database, settings)
    search = Search(database, embedder, reranking=reranking, recorder=recorder)
    answerer = Answerer(database, settings, search, Research(database, settings, embedder, recorder, lookup))
    tools = ToolBox(database, search, answerer, settings.max_question_chars)
    return [
        *SearchRoutes(database, search, settings.max_question_chars).routes(),
        *ChatRoutes(database, answerer, lifetime, settings.max_question_chars).routes(),
        *ConversationRoutes(database).routes(),
        *OpenAIRoutes(answerer, reranking, settings.max_question_chars).routes(),
        *McpRoutes(tools, settings.k_revision or "local").routes(),
        *ModelRoutes(database, answerer.models, settings.prices).routes(),
        *UsageRoutes(database, settings.prices).routes(),
    ]
