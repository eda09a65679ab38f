"""The embedding function: an embeddings API compatible with OpenAI's, and the steps of the embedding queue.

Run it with `functions-framework --source functions/embedding/main.py --target embedding`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import flask
import functions_framework

from functions.embedding.embed import check_embedding
from functions.embedding.routes import routes
from headwater.config import get_settings
from headwater.database.transactions import Database
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import Embedders
from headwater.processes.garbage import collect_garbage_less_often
from headwater.queue.drain_route import drain_route
from headwater.queue.tickets import Tickets
from headwater.web import gunicorn_worker
from headwater.web.app import App
from headwater.web.once import once
from headwater.web.shutdown import get_lifetime

if TYPE_CHECKING:
    from headwater.queue.worker import Handler

gunicorn_worker.set_as_default()
collect_garbage_less_often()


@once
def app() -> App:
    """Build the function. Opens no connection and loads no model."""
    settings = get_settings()
    database = Database.from_settings(settings)
    tickets = Tickets(database, settings)
    embedders = Embedders(settings)
    recorder = Recorder(database, settings)

    def make_handlers() -> "Mapping[str, Handler]":
        from functions.embedding.steps import handlers

        return handlers(embedders, recorder)

    drain = drain_route(tickets, "embedding", get_lifetime(), make_handlers)
    public = routes(database, embedders, recorder)
    return App("embedding", settings, [*public, drain], database, lambda: check_embedding(database, embedders))


@functions_framework.http
def embedding(request: flask.Request) -> flask.Response:
    """Handle a request."""
    return app()(request)
