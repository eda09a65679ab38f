"""A check of a source at a server that keeps the function waiting, until the caller leaves."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from headwater.database.migrations import register_model
from tests.fakes.hostile_server import hostile_server
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.stacks import wait_until


@pytest.fixture(scope="module")
def client(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    register_model(module_database.admin_url, "constant", 384)
    environment = {"DATABASE_URL": module_database.url, "EMBEDDING_MODEL": "constant", "FETCH_PRIVATE": "true"}
    with serve_function("collection", free_port(), environment) as client:
        yield client


def test_check_ends_when_its_caller_leaves(client: httpx.Client) -> None:
    """The check's own limit of 10 s is longer than the test waits."""
    with hostile_server("header") as server:
        source = {"kind": "git", "name": "slow", "config": {"url": f"{server.url}/r.git"}}
        with pytest.raises(httpx.ReadTimeout):
            client.post("/api/sources", json=source, timeout=1.0)
        wait_until(lambda: server.closed == 1, timeout_s=6)
        assert client.get("/api/sources").json() == {"sources": []}
