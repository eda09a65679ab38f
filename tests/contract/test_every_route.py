"""Every route of every function with invalid requests: the right status, and a problem that names the field."""

import json
import re
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from cryptography.fernet import Fernet
from msgspec.inspect import Field, IntType

from headwater.database.migrations import register_model
from headwater.web.app import Route
from scripts.openapi import PAGE, all_routes, page
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.invalid_values import fields_of, invalid_json, invalid_query, is_free_text
from tests.harness.world import REQUIRED_FIELDS

ROUTES = [(name, route) for name, routes in all_routes().items() for route in routes]
UNKNOWN = str(uuid.uuid4())
NUMBER = "99999999999999999999"
QUERIES = {
    "/api/search": {"q": "x"},
    "/api/sources/<uuid:id>/files": {"path": "a.md"},
    "/api/conversations/<id>/files": {"path": "a.md"},
    "/api/conversations/<id>/files/content": {"path": "a.md"},
    "/api/conversations/<id>/files/changes": {"path": "a.md"},
}
"""Query parameters of routes that require some."""


def named(value: object) -> str | None:
    if isinstance(value, Field):
        return value.encode_name
    return f"{value.method} {value.path}" if isinstance(value, Route) else None


@pytest.fixture(scope="module")
def clients(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[dict[str, httpx.Client]]:
    register_model(module_database.admin_url, "constant", 384)
    environment = {
        "DATABASE_URL": module_database.url,
        "EMBEDDING_MODEL": "constant",
        "SECRET_KEY": Fernet.generate_key().decode(),
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
    parts = [NUMBER if part.startswith("<int:") and value == UNKNOWN else part for part in route.path.split("/")]
    return "/".join(value if part.startswith("<") else part for part in parts)


def assert_problem(response: httpx.Response, *statuses: int) -> None:
    assert response.status_code in statuses, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    described = response.json()
    assert {"type", "title", "status", "detail", "request_id"} <= described.keys()
    assert described["status"] == response.status_code
    assert described["request_id"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text


@pytest.mark.parametrize("name", ["chat", "collection", "embedding"])
def test_function_is_alive_and_ready(clients: dict[str, httpx.Client], name: str) -> None:
    assert clients[name].get("/heartbeat").json() == {"status": "alive", "service": name}
    assert clients[name].get("/ready").json() == {"status": "ready", "service": name}
    assert clients[name].get("/self-test").json() == {"status": "passed", "service": name}


@pytest.mark.parametrize(("name", "route"), ROUTES, ids=named)
def test_route_rejects_other_methods_with_405(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    methods = {other.method for _, other in ROUTES if other.path == route.path}
    [method, *_] = [method for method in ("PUT", "POST", "DELETE") if method not in methods]
    response = clients[name].request(method, path_of(route))
    assert_problem(response, 405)
    assert route.method in response.headers["Allow"]


@pytest.mark.parametrize(("name", "route"), [(n, r) for n, r in ROUTES if "<" in r.path and not r.streams], ids=named)
def test_route_answers_404_for_unknown_ids(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    body = None if route.body is None else REQUIRED_FIELDS.get(route.path, {})
    query = QUERIES.get(route.path)
    assert_problem(clients[name].request(route.method, path_of(route), json=body, params=query), 404)
    assert_problem(clients[name].request(route.method, path_of(route, "%00"), json=body, params=query), 404, 422)


BODIES_TO_DECODE = [(name, route) for name, route in ROUTES if route.body is not None]
QUERY_FIELDS = [(name, route, field) for name, route in ROUTES if route.query for field in fields_of(route.query)]
OPTIONAL_BODIES = {
    "/api/conversations/<id>/links",
    "/api/embedding-models/<int:id>/build",
    "/api/embedding-models/<int:id>/activate",
}
BODY_FIELDS = [(name, route, field) for name, route in BODIES_TO_DECODE for field in fields_of(route.body)]
COMPATIBLE = {"/api/chat", "/v1/embeddings", "/v1/chat/completions", "/v1/responses", "/v1/rerank"}
"""Routes that ignore unknown fields, as clients of the AI SDK, OpenAI and Cohere expect."""


def assert_names(response: httpx.Response, field: str) -> None:
    """Assert that a problem names the invalid field."""
    assert_problem(response, 422)
    assert re.search(rf"(?<!\w){field}(?!\w)", response.json()["detail"]), response.json()["detail"]


@pytest.mark.parametrize(("name", "route"), BODIES_TO_DECODE, ids=named)
@pytest.mark.parametrize("body", [b"", b" "])
def test_route_rejects_an_empty_body_unless_all_fields_are_optional(
    clients: dict[str, httpx.Client], name: str, route: Route, body: bytes
) -> None:
    response = clients[name].request(route.method, path_of(route), content=body)
    if route.path in OPTIONAL_BODIES:
        empty_object = clients[name].request(route.method, path_of(route), content=b"{}")
        assert response.status_code == empty_object.status_code != 400
    else:
        assert_problem(response, 400)


@pytest.mark.parametrize(("name", "route"), BODIES_TO_DECODE, ids=named)
@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"\xff", 400), (b"[]", 422)])
def test_route_rejects_bodies_that_are_not_json_objects(
    clients: dict[str, httpx.Client], name: str, route: Route, body: bytes, status: int
) -> None:
    assert_problem(clients[name].request(route.method, path_of(route), content=body), status)


@pytest.mark.parametrize(("name", "route", "field"), BODY_FIELDS, ids=named)
def test_route_rejects_invalid_body_fields(
    clients: dict[str, httpx.Client], name: str, route: Route, field: Field
) -> None:
    values = invalid_json(field.type)
    assert values
    for value in values:
        response = clients[name].request(route.method, path_of(route), json={field.encode_name: value})
        assert_names(response, field.encode_name)


@pytest.mark.parametrize(
    ("name", "route"), [(n, r) for n, r in BODIES_TO_DECODE if r.path not in COMPATIBLE], ids=named
)
def test_route_rejects_unknown_body_fields(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    assert_names(clients[name].request(route.method, path_of(route), json={"surprise": 1}), "surprise")


@pytest.mark.parametrize(("name", "route"), [(n, r) for n, r in ROUTES if r.query is not None], ids=named)
def test_route_rejects_unknown_query_parameters(clients: dict[str, httpx.Client], name: str, route: Route) -> None:
    assert_names(clients[name].request(route.method, path_of(route), params={"surprise": 1}), "surprise")


@pytest.mark.parametrize(("name", "route", "field"), QUERY_FIELDS, ids=named)
def test_route_rejects_invalid_query_parameters(
    clients: dict[str, httpx.Client], name: str, route: Route, field: Field
) -> None:
    values = invalid_query(field.type)
    assert bool(values) != is_free_text(field.type)
    for value in values:
        params = QUERIES.get(route.path, {}) | {field.encode_name: value}
        assert_names(clients[name].request(route.method, path_of(route), params=params), field.encode_name)


@pytest.mark.parametrize(("name", "route", "field"), QUERY_FIELDS, ids=named)
def test_integer_query_parameters_are_bounded(name: str, route: Route, field: Field) -> None:
    if isinstance(field.type, IntType):
        assert field.type.ge is not None
        assert field.type.le is not None


def test_collection_rejects_nul_characters(clients: dict[str, httpx.Client]) -> None:
    collection = clients["collection"]
    assert_problem(collection.get("/api/documents?after=%00"), 422)
    source = {"kind": "git", "name": "docs", "config": {"url": "https://git.example/a/b"}}
    for field, value in (("name", "a\0"), ("kind", "\0"), ("config", {"url": "https://git.example/\0"})):
        assert_names(collection.post("/api/sources", json={**source, field: value}), field)


@pytest.mark.parametrize("name", ["chat", "collection", "embedding"])
def test_function_answers_404_for_unknown_paths(clients: dict[str, httpx.Client], name: str) -> None:
    for path in ("/", "/api", "/api/nothing", "/api/sources/", "/%2e%2e/etc", "/api/documents/" + "x" * 5000):
        assert_problem(clients[name].get(path), 404)


def test_openapi_page_matches_the_routes() -> None:
    assert PAGE.read_text() == page(), "run: python -m scripts.openapi"
    documented = {
        (method.upper(), path) for path, item in json.loads(PAGE.read_text())["paths"].items() for method in item
    }
    public = [route for _, route in ROUTES if route.access not in ("public", "google")]
    assert documented == {(route.method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)) for route in public}
