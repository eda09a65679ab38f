"""The collection function: the API of sources, runs, documents and accounts, the steps of its queue, and the tick.

Run it with `functions-framework --source functions/collection/main.py --target collection`.
"""

import uuid

import flask
import functions_framework

from functions.collection.models.builds import Builds
from functions.collection.pipeline.steps import handlers
from functions.collection.routes import routes
from functions.collection.runs.bulk import JobStarter
from functions.collection.sources.connect import SourceOpener
from functions.collection.tick import tick_route
from headwater.config import get_settings
from headwater.database.transactions import Database
from headwater.queue.drain_route import drain_route
from headwater.queue.tickets import Tickets
from headwater.queue.turns import HostTurns
from headwater.queue.worker import Worker
from headwater.web import gunicorn_worker
from headwater.web.app import App, once
from headwater.web.shutdown import get_lifetime

gunicorn_worker.set_as_default()


@once
def app() -> App:
    """Build the function. Opens no connection."""
    settings = get_settings()
    database = Database.from_settings(settings)
    tickets = Tickets(database, settings)
    holder = f"{settings.k_service}/{uuid.uuid4().hex[:8]}"
    job = JobStarter(database, settings, tickets)
    opener = SourceOpener(settings, HostTurns(database))
    steps = handlers(settings, job.start, opener)
    worker = Worker(
        database,
        settings,
        steps,
        waker=tickets,
        holder=holder,
        lifetime=get_lifetime(),
        max_per_workspace=tickets.max_per_workspace("collection"),
    )
    drain = drain_route(worker, tickets, "collection", job.watch)
    tick = tick_route(database, tickets, job.watch, Builds(database, settings, tickets, job.start))
    public = routes(database, settings, tickets, opener=opener, start_job=job.start)
    return App("collection", settings, [*public, drain, tick], database)


@functions_framework.http
def collection(request: flask.Request) -> flask.Response:
    """Handle a request."""
    return app()(request)
