"""The chat function: search, streamed answers, conversations.

Served by functions-framework: `functions-framework --source functions/chat/main.py --target chat`.
"""

import flask
import functions_framework

from functions.chat.models.rerankers import load_reranking
from functions.chat.retrieval.search import Search
from functions.chat.routes import routes
from headwater.config import get_settings
from headwater.database.transactions import OVERFLOW, Database
from headwater.embedding.registry import DEFAULT, Embedders
from headwater.processes.garbage import collect_garbage_less_often
from headwater.queue.tickets import Tickets
from headwater.web import gunicorn_worker
from headwater.web.app import App
from headwater.web.once import once
from headwater.web.shutdown import get_lifetime

gunicorn_worker.set_as_default()
collect_garbage_less_often()


@once
def app() -> App:
    """Assemble the function. Opens no connection; starts loading the embedder and the reranker in the background."""
    settings = get_settings()
    database = Database.from_settings(settings, reserved=OVERFLOW)
    embedders = Embedders(settings)
    embedders.warm(settings.embedding_model or DEFAULT)
    reranking = load_reranking(settings)
    if reranking:
        reranking.warm()
    tickets = Tickets(database, settings, watchdog="chat") if settings.chat_url else None
    served = routes(database, settings, embedders, get_lifetime(), reranking=reranking, tickets=tickets)
    return App("chat", settings, served, database, Search(database, embedders, reranking=reranking).check)


@functions_framework.http
def chat(request: flask.Request) -> flask.Response:
    """Answer one request."""
    return app()(request)
