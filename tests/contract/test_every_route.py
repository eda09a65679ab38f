"""Every route of every function, asked wrongly: the status fits, and the error has the one shape."""

import json
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from headwater.database.migrations import register_model
from headwater.web.app import Route
from scripts.openapi import PAGE, all_routes, page
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function

ROUTES = [(name, route) for name, routes in all_routes().items() for route in routes]
UNKNOWN = str(uuid.uuid4())
ANSWER = {"run_id": UNKNOWN}
BODIES = {
    "/api/sources/<uuid:id>/removals/accept": ANSWER,
    "/api/sources/<uuid:id>/removals/refuse": ANSWER,
    "/api/sources/<uuid:id>/documents": {"key": "a.md", "text": "Text."},
}
"""What is asked of routes that don't take an empty object."""


def named(value: object) -> str | None:
    return f"{value.method} {value.path}" if isinstance(value, Route) else None


@pytest.fixture(scope="module")
def clients(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[dict[str, httpx.Client]]:
    register_model(module_database.admin_url, "constant", 384)
    environment = {
        "DATABASE_URL": module_database.url,
        "EMBEDDING_MODEL": "constant",
        "TASKS_ENDPOINT": "http://127.0.0.1:9",
        "COLLECTION_URL": "http://127.0.0.1:9",
    }
    with (
        serve_function("chat", free_port(), environment) as chat,
        serve_function("collection", free_port(), environment) as collection,
        serve_function("embedding", free_port(), environment) as embedding,
    ):
        yield {"chat": chat, "collection": collection, "embedding": embedding}


def path_of(route: Route, value: str = UNKNOWN) -> str:
    return "/".join(value if part.startswith("<") else part for part in route.path.split("/"))


def assert_problem(response: httpx.Response, *statuses: int) -> None:
    assert response.status_code in statuses, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    described = response.json()
    assert {"type", "title", "status", "detail", "request_id"} <= described.keys()
    assert described["status"] == response.status_code
    assert described["request_id"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text


@pytest.mark.parametrize("name", ["chat", "collection", "embedding"])
def test_each_function_is_alive_and_ready(clients: dict[str, httpx.Client], name: str) -> None:
    assert clients[name].get("/heartbeat").json() == {"status": "alive", "service": name}
    assert clients[name].get("/ready").json() == {"status": "ready", "service": name}


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_a_method_that_the_path_does_not_take_is_405(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    response = clients[name].request("POST" if route.method == "PUT" else "PUT", path_of(route))
    assert_problem(response, 405)
    assert route.method in response.headers["Allow"]


@pytest.mark.parametrize(("name", "route"), [(n, r) for n, r in ROUTES if "<" in r.path and not r.streams], ids=named)
def test_an_unknown_id_is_404(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    body = None if route.body is None else BODIES.get(route.path, {})
    assert_problem(clients[name].request(route.method, path_of(route), json=body), 404)
    assert_problem(clients[name].request(route.method, path_of(route, "%00"), json=body), 404, 422)


@pytest.mark.parametrize(("name", "route"), [(n, r) for n, r in ROUTES if r.body is not None], ids=named)
@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"{", 400), (b"\xff", 400), (b"[]", 422), (b'{"id": 1, "kind": 2}', 422)]
)
def test_a_body_that_does_not_fit_is_refused(
    clients: dict[str, httpx.Client], name: str, route: Route, body: bytes, status: int
) -> None:
    assert_problem(clients[name].request(route.method, path_of(route), content=body), status)


WRONG = {"limit": ("x", "0", "999999"), "k": ("x", "0", "999999"), "source_id": ("x",), "dry_run": ("x", "2")}
QUERIES = [
    (name, route, f"{field}={value}")
    for name, route in ROUTES
    for field in (route.query.__struct_fields__ if route.query else ())
    for value in WRONG.get(field, ())
]


@pytest.mark.parametrize(("name", "route", "query"), QUERIES, ids=named)
def test_a_query_that_does_not_fit_is_refused(
    clients: dict[str, httpx.Client], name: str, route: Route, query: str
) -> None:
    assert_problem(clients[name].request(route.method, f"{path_of(route)}?{query}"), 422)


def test_nul_characters_are_refused_wherever_they_stand(clients: dict[str, httpx.Client]) -> None:
    collection = clients["collection"]
    assert_problem(collection.get("/api/documents?after=%00"), 422)
    source = {"kind": "git", "name": "docs", "config": {"url": "https://git.example/a/b"}}
    for change in (
        {"name": "a\0"},
        {"kind": "\0"},
        {"config": {"url": "https://git.example/\0"}},
        {"config": {"url": "https://git.example/a/b", "exclude": ["\0"]}},
    ):
        assert_problem(collection.post("/api/sources", json={**source, **change}), 422)


@pytest.mark.parametrize("name", ["chat", "collection", "embedding"])
def test_an_unknown_path_is_404(clients: dict[str, httpx.Client], name: str) -> None:
    for path in ("/", "/api", "/api/nothing", "/api/sources/", "/%2e%2e/etc", "/api/documents/" + "x" * 5000):
        assert_problem(clients[name].get(path), 404)


def test_a_queue_that_cannot_be_reached_starts_nothing(clients: dict[str, httpx.Client]) -> None:
    assert_problem(clients["collection"].post(f"/api/sources/{UNKNOWN}/collect"), 404)


def test_the_openapi_page_is_that_of_the_routes() -> None:
    assert PAGE.read_text() == page(), "run: python -m scripts.openapi"
    assert len(json.loads(PAGE.read_text())["paths"]) >= 12
