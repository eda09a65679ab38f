"""Call the collection function's routes in process, on a real database."""

from collections.abc import Sequence
from typing import Any

import flask
from werkzeug.test import TestResponse

from functions.collection.routes import routes
from functions.collection.runs.bulk import JobStarter
from functions.collection.sources.connect import SourceOpener
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.queue.tickets import Tickets
from headwater.web.app import App


class NoTickets(Tickets):
    """Sends no tickets. Tests drain the queues themselves."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Do nothing."""

    def arm_watchdog(self) -> None:
        """Do nothing."""


class CollectionClient:
    """An HTTP client of the collection function that asserts the status and returns the JSON."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets | None = None) -> None:
        tickets = tickets or NoTickets(database, settings)
        start_job = JobStarter(database, settings, tickets).start
        served = routes(database, settings, tickets, opener=SourceOpener(settings), start_job=start_job)
        app = App("collection", settings, served, database)
        server = flask.Flask("collection")
        methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        server.add_url_rule("/<path:path>", "all", lambda path: app(flask.request), methods=methods)
        self.server = server
        self.client = server.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {settings.local_token}"

    def get(self, path: str, status: int = 200) -> Any:
        return self._answer(self.client.get(path), status)

    def post(self, path: str, body: Any = None, status: int = 202) -> Any:
        return self._answer(self.client.post(path, json=body), status)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self._answer(self.client.patch(path, json=body), status)

    def put(self, path: str, body: Any, status: int = 202) -> Any:
        return self._answer(self.client.put(path, json=body), status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._answer(self.client.delete(path), status)

    def _answer(self, response: TestResponse, status: int) -> Any:
        assert response.status_code == status, response.text
        return response.json if response.data else None
