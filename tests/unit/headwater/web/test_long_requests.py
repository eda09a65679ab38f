"""Slots of long requests, and short requests beside them."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from functions.collection.tick import tick_route
from headwater.config import Settings
from headwater.errors import NotFound, ServerBusy
from headwater.queue.drain_route import drain_route
from headwater.web.app import App, Call, Route
from headwater.web.long_requests import LongRequests
from scripts.openapi import all_routes
from tests.harness.local_token import LOCAL_TOKEN
from tests.harness.support import unopened_database

ADA, BOB = uuid.uuid4(), uuid.uuid4()


def enter_all(requests: LongRequests, workspace_id: uuid.UUID | None) -> int:
    """Take slots until none is left for a workspace; return their number."""
    for count in range(1_000):
        try:
            requests.enter(workspace_id, "answers")
        except ServerBusy:
            return count
    raise AssertionError("there is no limit")


@pytest.mark.parametrize(("limit", "share"), [(1, 1), (7, 7), (8, 7), (64, 56)])
def test_last_eighth_is_for_workspaces_with_few_requests(limit: int, share: int) -> None:
    requests = LongRequests(limit)
    assert enter_all(requests, ADA) == share
    assert enter_all(requests, BOB) == limit - share


def test_requests_without_a_workspace_have_all_slots() -> None:
    assert enter_all(LongRequests(64), None) == 64


def test_released_slot_can_be_taken_again() -> None:
    requests = LongRequests(2)
    release = requests.enter(ADA, "answers")
    requests.enter(BOB, "answers")
    with pytest.raises(ServerBusy):
        requests.enter(BOB, "answers")
    release()
    assert enter_all(requests, BOB) == 1


class Server:
    """An application with one short and one long request at a time; `go` lets the waiting ones continue."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        settings = Settings(database_url="x", local_token=LOCAL_TOKEN, threads=1, long_requests=1)
        routes = [
            Route("GET", "/short", lambda _: {}, "Short"),
            Route("GET", "/waiting", self._wait, "Waits"),
            Route("GET", "/drain", self._wait, "Waits", is_long=True),
            Route("GET", "/stream", self._stream, "Streams", streams=True),
            Route("GET", "/failing", self._fail, "Fails", is_long=True),
        ]
        app = App("test", settings, routes, unopened_database())
        self._flask = flask.Flask("test")
        self._flask.add_url_rule("/<path:path>", "all", lambda path: app(flask.request))

    def client(self) -> FlaskClient:
        """Return a client, one for each thread."""
        client = self._flask.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {LOCAL_TOKEN}"
        return client

    def get(self, path: str) -> int:
        """Return the status of a request."""
        with self.client().get(path) as response:
            return response.status_code

    def _wait(self, _: Call) -> dict[str, Any]:
        self.begun.release()
        self.go.wait(120)
        return {}

    def _stream(self, _: Call) -> flask.Response:
        return flask.Response(iter([b"a", b"b"]))

    def _fail(self, _: Call) -> None:
        raise NotFound("Not found.")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.go.set()


def test_long_request_leaves_threads_to_short_ones(server: Server) -> None:
    with ThreadPoolExecutor() as threads:
        drain = threads.submit(server.get, "/drain")
        server.begun.acquire()
        assert [server.get("/short"), server.get("/drain"), server.get("/short")] == [200, 503, 200]
        server.go.set()
        assert drain.result() == 200
    assert server.get("/drain") == 200


def test_stream_has_its_slot_until_it_is_closed(server: Server) -> None:
    response = server.client().get("/stream")
    assert server.get("/stream") == 503
    response.close()
    assert server.get("/stream") == 200


def test_failed_request_releases_its_slot(server: Server) -> None:
    assert [server.get("/failing"), server.get("/failing")] == [404, 404]


def test_short_requests_wait_for_each_other_and_checks_do_not(server: Server) -> None:
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(server.get, "/waiting") for _ in range(2)]
        server.begun.acquire()
        assert not server.begun.acquire(timeout=0.1)
        assert server.get("/heartbeat") == 200
        server.go.set()
        assert [each.result() for each in waiting] == [200, 200]


def test_streams_drains_and_the_tick_are_long() -> None:
    unused: Any = None
    routes = [route for served in all_routes().values() for route in served]
    routes += [drain_route(unused, "collection", unused, unused, print), tick_route(unused, unused, unused, unused)]
    long = {route.path for route in routes if route.streams or route.is_long}
    answers = {"/api/chat", "/api/chat/<id>/stream", "/mcp", "/v1/chat/completions", "/v1/responses"}
    values = {"/api/extract", "/api/prompts/<name>"}
    files = {"/api/uploads/<uuid:id>/complete", "/api/conversation-files"}
    assert long == answers | values | files | {"/api/me/data", "/tasks/drain", "/cron/tick"}
