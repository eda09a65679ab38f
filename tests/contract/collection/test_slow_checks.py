"""A check of a source at a server that keeps the function waiting, until the caller leaves."""

import json
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from headwater.database.migrations import register_model
from tests.fakes.hostile_server import hostile_server
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.gunicorn_server import Client
from tests.harness.local_token import AUTHORIZATION
from tests.harness.stacks import wait_until

BEATS = 50


@pytest.fixture(scope="module")
def client(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    register_model(module_database.admin_url, "constant", 384)
    environment = {"DATABASE_URL": module_database.url, "EMBEDDING_MODEL": "constant", "FETCH_PRIVATE": "true"}
    with serve_function("collection", free_port(), environment) as client:
        yield client


def test_check_holds_up_no_request_and_ends_when_its_caller_leaves(client: httpx.Client) -> None:
    """The check's own limit of 10 s is longer than the test waits."""
    with hostile_server("header") as server, Client(client.base_url.port or 0) as caller:
        source = {"kind": "git", "name": "slow", "config": {"url": f"{server.url}/r.git"}}
        caller.send(request("POST", "/api/sources", json.dumps(source)))
        wait_until(lambda: server.opened == 1)
        for _ in range(BEATS):
            assert client.get("/heartbeat").status_code == 200
            assert client.get("/api/sources").json() == {"sources": []}
        assert client.post("/api/sources", json=source).status_code == 429
        assert server.closed == 0
        caller.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: server.closed == 1, timeout_s=6)
        assert client.get("/api/sources").json() == {"sources": []}


def request(method: str, path: str, body: str) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {AUTHORIZATION['Authorization']}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
