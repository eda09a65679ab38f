"""The routes of the chat function that are imported when a request first needs one of them, by folder."""

from functions.chat.agents.custom.routes import AgentRoutes
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_routes import ModelRoutes
from functions.chat.doors.mcp import McpRoutes
from functions.chat.doors.mcp_tools import ToolBox
from functions.chat.doors.openai_routes import OpenAIRoutes
from functions.chat.extraction.batch_routes import BatchRoutes
from functions.chat.extraction.extractor import Extractor
from functions.chat.extraction.routes import ExtractRoutes
from functions.chat.files.preview_routes import PreviewRoutes
from functions.chat.files.routes import FileRoutes
from functions.chat.mcp_servers.oauth_routes import McpOAuthRoutes
from functions.chat.mcp_servers.routes import McpServerRoutes
from functions.chat.prompts.files import PromptFolder
from functions.chat.prompts.routes import PromptRoutes
from functions.chat.retrieval.reranking import Reranking
from functions.chat.sharing.routes import ShareRoutes
from functions.chat.standing.routes import StandingRoutes
from functions.chat.tools.routes import ToolRoutes
from functions.chat.usage.routes import UsageRoutes
from headwater.database.transactions import Database
from headwater.queue.tickets import Tickets
from headwater.web.app import Route


def other_routes(
    database: Database, answerer: Answerer, reranking: Reranking | None, tickets: Tickets | None
) -> list[Route]:
    """Return the routes."""
    settings = answerer.settings
    extractor = Extractor(answerer)
    tools = ToolBox(database, answerer.sources.search, answerer, settings.max_question_chars)
    return [
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
        *ModelRoutes(database, answerer.models, settings, has_queue=tickets is not None).routes(),
        *ToolRoutes(database).routes(),
        *AgentRoutes(database, settings.agents_dir).routes(),
        *UsageRoutes(database, settings.prices).routes(),
    ]
