"""All routes of the chat function, by room."""

import socket
import uuid
from collections.abc import Callable

from functions.chat.agents.custom.routes import AgentRoutes
from functions.chat.agents.step import RunAgent
from functions.chat.answers.compose import Sources
from functions.chat.conversations.answer_step import WriteAnswer
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.chat_routes import ChatRoutes
from functions.chat.conversations.model_routes import ModelRoutes
from functions.chat.conversations.routes import ConversationRoutes
from functions.chat.doors.mcp import McpRoutes
from functions.chat.doors.mcp_tools import ToolBox
from functions.chat.doors.openai_routes import OpenAIRoutes
from functions.chat.extraction.batch_routes import BatchRoutes
from functions.chat.extraction.extract_step import ExtractFromDocument
from functions.chat.extraction.extractor import Extractor
from functions.chat.extraction.routes import ExtractRoutes
from functions.chat.files.preview_routes import PreviewRoutes
from functions.chat.files.routes import FileRoutes
from functions.chat.mcp_servers.oauth_routes import McpOAuthRoutes
from functions.chat.mcp_servers.routes import McpServerRoutes
from functions.chat.prompts.files import PromptFolder
from functions.chat.prompts.routes import PromptRoutes
from functions.chat.retrieval.attached import FileSearch
from functions.chat.retrieval.reranking import Reranking
from functions.chat.retrieval.routes import SearchRoutes
from functions.chat.retrieval.search import Search
from functions.chat.retrieval.support import Support
from functions.chat.sharing.routes import ShareRoutes
from functions.chat.standing.ask_step import AskStandingQuestion
from functions.chat.standing.deliver_step import DeliverAnswer
from functions.chat.standing.delivery.callback_step import CallBack
from functions.chat.standing.delivery.mail_step import SendMail
from functions.chat.standing.routes import StandingRoutes
from functions.chat.streams.answer_queue import AnswerQueue
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.tools.routes import ToolRoutes
from functions.chat.usage.routes import UsageRoutes
from functions.chat.web.research import Research
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.outbound.sockets import Lookup
from headwater.queue.drain_route import drain_route
from headwater.queue.tickets import Tickets
from headwater.queue.worker import Worker
from headwater.web.app import Route
from headwater.web.shutdown import Lifetime


def routes(
    database: Database,
    settings: Settings,
    embedder: Callable[[str], Embedder],
    lifetime: Lifetime,
    *,
    reranking: Reranking | None = None,
    tickets: Tickets | None = None,
    lookup: Lookup = socket.getaddrinfo,
) -> list[Route]:
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
    extractor = Extractor(answerer)
    tools = ToolBox(database, search, answerer, settings.max_question_chars)
    return [
        *SearchRoutes(database, search, settings.max_question_chars).routes(),
        *ChatRoutes(commits, answerer, lifetime, settings.max_question_chars, queue=queue).routes(),
        *ConversationRoutes(database, queue).routes(),
        *FileRoutes(database, settings).routes(),
        *PreviewRoutes(database, settings).routes(),
        *ShareRoutes(database).routes(),
        *OpenAIRoutes(answerer, reranking, settings.max_question_chars).routes(),
        *ExtractRoutes(extractor, settings.max_question_chars).routes(),
        *PromptRoutes(PromptFolder(settings.prompts_dir), extractor, settings.max_question_chars).routes(),
        *BatchRoutes(database, extractor, tickets, settings.max_question_chars).routes(),
        *StandingRoutes(database, answerer, tickets).routes(),
        *McpServerRoutes(database, settings).routes(),
        *McpOAuthRoutes(database, settings).routes(),
        *McpRoutes(tools, settings.k_revision or "local").routes(),
        *ModelRoutes(database, answerer.models, settings.prices, has_queue=tickets is not None).routes(),
        *ToolRoutes(database).routes(),
        *AgentRoutes(database, settings.agents_dir).routes(),
        *UsageRoutes(database, settings.prices).routes(),
        *_drain_routes(settings, answerer, commits, tickets, lifetime, lookup=lookup),
    ]


def _drain_routes(
    settings: Settings,
    answerer: Answerer,
    commits: GroupCommit,
    tickets: Tickets | None,
    lifetime: Lifetime,
    *,
    lookup: Lookup,
) -> list[Route]:
    """Return the route that runs the steps of the queue `chat`."""
    if tickets is None:
        return []
    database = commits.database
    worker = Worker(
        database,
        settings,
        {
            "answer": WriteAnswer(answerer, commits, lifetime),
            "extract": ExtractFromDocument(Extractor(answerer)),
            "agent": RunAgent(
                database,
                settings,
                search=answerer.sources.search,
                research=answerer.sources.research,
                models=answerer.models,
                lifetime=lifetime,
            ),
            "ask": AskStandingQuestion(answerer, AnswerQueue(tickets)),
            "deliver": DeliverAnswer(),
            "call_back": CallBack(settings, lookup),
            "send_mail": SendMail(database, settings),
        },
        waker=tickets,
        holder=f"{settings.k_service}/{uuid.uuid4().hex[:8]}",
        lifetime=lifetime,
        max_per_workspace=tickets.max_per_workspace("chat"),
    )
    return [drain_route(worker, tickets, "chat")]
