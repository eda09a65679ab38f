"""Write docs/openapi.json from every route, and from it the web app's types: `python -m scripts.openapi`

The web build copies docs/openapi.json to where the Worker serves it, `/api/openapi.json`.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

from functions.chat.conversations.routes import routes as chat_routes
from functions.collection.runs.bulk import JobStarter
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.routes import Collection
from functions.embedding.routes import routes as embedding_routes
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.registry import Embedders
from headwater.queue.tickets import Tickets
from headwater.web.app import Route
from headwater.web.openapi import describe
from headwater.web.shutdown import Lifetime
from scripts.setup import npm

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "openapi.json"


def all_routes() -> dict[str, list[Route]]:
    """Return the routes of each function, on a database that is never opened."""
    settings = Settings(database_url="postgresql+pg8000://app@localhost/none")
    database = Database(settings.database_url)
    tickets = Tickets(database, settings)
    embedders = Embedders(settings)
    start_job = JobStarter(database, settings, tickets).start
    return {
        "chat": chat_routes(database, settings, embedders, Lifetime()),
        "collection": Collection(database, settings, tickets, SourceOpener(settings), start_job).routes(),
        "embedding": embedding_routes(settings, embedders),
    }


def page() -> str:
    """Return the content of docs/openapi.json."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    routes = [route for routes in all_routes().values() for route in routes]
    described: dict[str, Any] = describe(routes, title="Headwater", version=version)
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    npm("run", "api-types")
