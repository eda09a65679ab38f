"""The collection function: the API of sources, runs, documents and accounts, the steps of its queue, and the tick.

Run it with `functions-framework --source functions/collection/main.py --target collection`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import flask
import functions_framework

from functions.collection.models.builds import Builds
from functions.collection.routes import routes
from functions.collection.runs.bulk import JobStarter
from functions.collection.sources.connect import SourceOpener
from functions.collection.tick import tick_route
from headwater.config import get_settings
from headwater.database.transactions import Database
from headwater.processes.garbage import collect_garbage_less_often
from headwater.queue.drain_route import drain_route
from headwater.queue.tickets import Tickets
from headwater.queue.turns import HostTurns
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
    """Build the function. Opens no connection."""
    settings = get_settings()
    database = Database.from_settings(settings)
    tickets = Tickets(database, settings)
    job = JobStarter(database, settings, tickets)
    opener = SourceOpener(settings, HostTurns(database))

    def make_handlers() -> "Mapping[str, Handler]":
        from functions.collection.pipeline.steps import handlers

        return handlers(settings, job.start, opener)

    drain = drain_route(tickets, "collection", get_lifetime(), make_handlers, job.watch)
    tick = tick_route(database, tickets, job.watch, Builds(database, settings, tickets, job.start))
    public = routes(database, settings, tickets, opener=opener, start_job=job.start)
    return App("collection", settings, [*public, drain, tick], database)


@functions_framework.http
def collection(request: flask.Request) -> flask.Response:
    """Handle a request."""
    return app()(request)
