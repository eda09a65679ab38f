"""Write docs/openapi.json from every route, and from it the web app's types: `python -m scripts.openapi`

The web build copies docs/openapi.json to where the Worker serves it, `/api/openapi.json`.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

from functions.chat.routes import routes as chat_routes
from functions.collection.routes import routes as collection_routes
from functions.collection.runs.bulk import JobStarter
from functions.collection.sources.connect import SourceOpener
from functions.embedding.routes import routes as embedding_routes
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import Embedders
from headwater.queue.tickets import Tickets
from headwater.web.app import Route
from headwater.web.openapi import Tag, describe
from headwater.web.shutdown import Lifetime
from scripts.setup import npm

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "openapi.json"

DESCRIPTION = """\
Collect a team's documents, search them, and answer questions with citations.

Errors are problem details (RFC 9457) with a request id. JSON responses to GET and HEAD requests, except downloads,
carry an `ETag`: send it as `If-None-Match` to get 304 when nothing changed.
"""

TAGS = (
    Tag("Search", "Find passages.", r"/api/search"),
    Tag("Chat", "Ask questions, with streamed answers and citations.", r"/api/chat"),
    Tag("Sharing", "Links that show a conversation without sign-in.", r"/api/share|/api/conversations/\{id\}/links"),
    Tag(
        "Files of conversations",
        "Files that are attached to a conversation, and those that its agents write.",
        r"/api/conversation-files|/api/conversations/\{id\}/files|/api/previews",
    ),
    Tag("Conversations", "The caller's conversations, and feedback on answers.", r"/api/conversations|/api/feedback"),
    Tag("Documents", "Collected and uploaded documents.", r"/api/documents|/api/sources/\{id\}/documents"),
    Tag("Files", "Files uploaded to a source.", r"/api/files|/api/uploads|/api/sources/\{id\}/(files|uploads)"),
    Tag("Webhooks", "Servers report that a source has changed.", r"/api/hooks|/api/sources/\{id\}/webhook"),
    Tag("Removals", "Removals that were withheld because a listing lacked many documents.", r".*/removals"),
    Tag("Sources", "Where documents come from.", r"/api/source"),
    Tag("Runs", "Runs of a source: collect, retry, removal, restore, upload.", r"/api/runs"),
    Tag(
        "OpenAI",
        "Answers in the shape of OpenAI's API, reranking in that of Cohere's.",
        r"/v1/(chat|responses|models|rerank)",
    ),
    Tag("Chat models", "Models of the workspace, their usage, cost and budgets.", r"/api/(models|usage|budgets)"),
    Tag("Standing questions", "Questions that are asked on a schedule or after changes.", r"/api/standing-questions"),
    Tag("Extraction", "Values from documents as JSON by a schema.", r"/api/extract(ions)?"),
    Tag("Prompts", "Functions that are a prompt with an input and an output schema.", r"/api/prompts"),
    Tag("Agents", "Agents that packages and files add.", r"/api/agents"),
    Tag("MCP servers", "Servers whose tools the workspace's agents use.", r"/api/mcp-servers"),
    Tag("Model Context Protocol", "Tools for other programs' agents.", r"/mcp"),
    Tag("Embeddings", "Embeddings in the shape of OpenAI's API.", r"/v1/embeddings"),
    Tag("Embedding models", "The installation's embedding models: build, switch, roll back.", r"/api/embedding-models"),
    Tag(
        "Access",
        "The caller, the workspace's members, its API keys and its audit log.",
        r"/api/(me|members|keys|audit-log)",
    ),
)


def all_routes() -> dict[str, list[Route]]:
    """Return the routes of each function, on a database that is never opened."""
    settings = Settings(database_url="postgresql+pg8000://app@localhost/none")
    database = Database(settings.database_url)
    tickets = Tickets(database, settings)
    embedders = Embedders(settings)
    start_job = JobStarter(database, settings, tickets).start
    return {
        "chat": list(chat_routes(database, settings, embedders, Lifetime())),
        "collection": collection_routes(
            database, settings, tickets, opener=SourceOpener(settings), start_job=start_job
        ),
        "embedding": embedding_routes(database, embedders, Recorder(database, settings)),
    }


def page() -> str:
    """Return the content of docs/openapi.json."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    routes = [route for routes in all_routes().values() for route in routes]
    described: dict[str, Any] = describe(
        routes, title="Headwater API", version=version, description=DESCRIPTION, tags=TAGS
    )
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    npm("run", "api-types")
