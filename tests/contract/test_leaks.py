"""Nothing of a workspace reaches another, and no conversation another member: all routes, tools and exports, all ids.

Each operation of docs/openapi.json is called with each id of Ada's resources, wherever it takes an id: in the path, the
query and the body.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from scripts.openapi import PAGE
from tests.contract.test_fuzzed_routes import SERVED_BY
from tests.harness.databases import FreshDatabase
from tests.harness.world import SECRET, World, running_world

PRIVATE = "amulet"
"""Text in Ada's conversation and in its file, which no other member may read."""
DESCRIPTION = json.loads(PAGE.read_text())
OPERATIONS = [(method.upper(), path) for path, operations in DESCRIPTION["paths"].items() for method in operations]
ROUTES = [(method, re.compile(re.sub(r"{\w+}", "[^/]+", path)), name) for (method, path), name in SERVED_BY.items()]
QUESTION = "What is the secret?"
TEXTS = {"q": QUESTION, "query": QUESTION, "input": QUESTION, "question": QUESTION, "filter": "path:**"}
TEXTS |= {"path": "a.md", "key": "a.md", "text": QUESTION, "format": "markdown", "name": "x"}
MESSAGES = [{"role": "user", "content": QUESTION, "parts": [{"type": "text", "text": QUESTION}]}]


class Target(NamedTuple):
    """The functions with Ada's workspace, and all ids in it."""

    world: World
    ids: list[str]
    message_ids: list[str]


@pytest.fixture(scope="module")
def target(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[Target]:
    with running_world(module_database, free_port) as world:
        headers = {"Authorization": world.token("ada")}
        body = {
            "id": "c1",
            "messages": [{"id": "m2", "role": "user", "parts": [{"type": "text", "text": f"{QUESTION} {PRIVATE}"}]}],
        }
        assert world.clients["chat"].post("/api/chat", json=body, headers=headers).status_code == 200
        conversation = world.clients["chat"].get("/api/conversations/c1", headers=headers)
        assert PRIVATE in conversation.text
        messages = [str(id_) for (id_,) in world.rows("select id from messages order by id")]
        yield Target(world, [*dict.fromkeys([*world.ids.values(), str(world.workspace_id)]), *messages], messages)


def requests_of(target: Target, method: str, path: str) -> Iterator[dict[str, Any]]:
    """Yield the requests to an operation, with each of the ids wherever one is taken."""
    operation = DESCRIPTION["paths"][path][method.lower()]
    names = re.findall(r"{(\w+)}", path)
    query = [each["name"] for each in operation["parameters"] if each.get("in") == "query"]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    properties = DESCRIPTION["components"]["schemas"].get(str(schema.get("$ref")).rpartition("/")[2], {})
    fields = properties.get("properties", {})
    for id_, other in itertools.product(target.ids, target.message_ids if len(names) > 1 else [""]):
        values = dict(zip(names, [id_, other], strict=False))
        params = {name: TEXTS.get(name, id_) for name in query if name in TEXTS or "id" in name}
        body: dict[str, Any] = {
            name: TEXTS.get(name, id_) for name in fields if name in TEXTS or name == "id" or name.endswith("_id")
        }
        body |= {"messages": MESSAGES} if "messages" in fields else {}
        body |= {"documents": [QUESTION]} if "documents" in fields else {}
        yield {
            "method": method,
            "url": path.format(**values),
            "params": params,
            **({"json": body} if fields else {}),
        }
        if not names and not any(value == id_ for value in [*params.values(), *body.values()]):
            return


def ask_tools(target: Target) -> Iterator[dict[str, Any]]:
    """Yield calls of the tools of the Model Context Protocol: one of each, with each of the ids if it takes one."""
    calls: list[dict[str, Any]] = [
        {"name": "search", "arguments": {"query": QUESTION}},
        {"name": "list_sources", "arguments": {}},
        {"name": "ask", "arguments": {"question": QUESTION}},
        *({"name": "read_document", "arguments": {"document_id": id_}} for id_ in target.ids),
    ]
    for params in calls:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        yield {"method": "POST", "url": "/mcp", "json": body}


def told(target: Target, request: dict[str, Any], headers: dict[str, str]) -> str:
    """Return the response to a caller, whose own words are neither the secret nor the private one."""
    path = re.sub(r"\?.*", "", request["url"])
    served_by = (name for method, pattern, name in ROUTES if method == request["method"] and pattern.fullmatch(path))
    client = target.world.clients[next(served_by)]
    response: httpx.Response = client.request(**request, headers=headers)
    assert response.status_code < 500 or "Cloud Tasks" in response.text, response.text
    return response.text


def test_ada_gets_her_own_by_the_same_requests(target: Target) -> None:
    headers = {"Authorization": target.world.token("ada")}
    found = set()
    for method, path in OPERATIONS:
        if method == "GET" and any(SECRET in told(target, each, headers) for each in requests_of(target, method, path)):
            found.add(path)
    assert {"/api/sources", "/api/documents/{id}", "/api/runs/{id}", "/api/search", "/api/conversations/{id}"} <= found
    assert {"/api/conversation-files", "/api/conversation-files/{id}"} <= found


@pytest.mark.parametrize("in_workspace", [False, True])
def test_user_of_another_workspace_gets_nothing(target: Target, in_workspace: bool) -> None:
    headers = {"Authorization": target.world.token("eve")}
    if in_workspace:
        headers["X-Workspace"] = str(target.world.workspace_id)
    leaks = []
    count = 0
    for method, path in OPERATIONS:
        for request in [*requests_of(target, method, path), *(ask_tools(target) if path == "/mcp" else ())]:
            count += 1
            text = told(target, request, headers)
            if SECRET in text or PRIVATE in text:
                leaks.append((request, text))
    assert leaks == []
    assert count > 300


def test_member_gets_nothing_of_a_conversation_of_another(target: Target) -> None:
    """Readers ask all routes, owners those that read: they may change what the workspace has in common."""
    leaks = []
    for role in ("reader", "owner"):
        headers = {"Authorization": target.world.token(role)}
        for method, path in OPERATIONS:
            if role == "owner" and method != "GET":
                continue
            for request in [*requests_of(target, method, path), *(ask_tools(target) if path == "/mcp" else ())]:
                text = told(target, request, headers)
                if PRIVATE in text:
                    leaks.append((role, request, text))
    assert leaks == []
    headers = {"Authorization": target.world.token("ada")}
    assert PRIVATE in target.world.clients["chat"].get("/api/conversations/c1", headers=headers).text
