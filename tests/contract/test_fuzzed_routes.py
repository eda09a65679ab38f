"""Generated requests to every route of every function: none fails, and each response is as docs/openapi.json says.

A third of the requests is valid, a third has the ids of resources that exist, a third is invalid. They are the same in
each run; `--every-input` sends more of them.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scripts.openapi import PAGE, all_routes
from tests.harness.databases import FreshDatabase
from tests.harness.world import World, running_world

EXAMPLES, ALL_EXAMPLES = 3, 100
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA: Any = schemathesis.openapi.from_dict(json.loads(PAGE.read_text()))
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in SCHEMA.get_all_operations())}
SERVED_BY = {
    (route.method, re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", route.path)): name
    for name, routes in all_routes().items()
    for route in routes
}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NEEDS_QUEUE = "Cloud Tasks rejected the ticket or can't be reached"
"""The one server error: no Cloud Tasks runs here."""


@pytest.fixture(scope="module")
def world(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[World]:
    with running_world(module_database, free_port) as world:
        yield world


def known_ids(world: World, path: str) -> dict[str, Any] | None:
    """Return path parameters that exist in Ada's workspace, None for a path without any."""
    names = re.findall(r"{(\w+)}", path)
    known = next((id_ for prefix, id_ in world.ids.items() if path.startswith(prefix)), None)
    others = {"message_id": world.message_id, "number": 1}
    return {name: others.get(name, known) for name in names} if known and names else None


@pytest.mark.parametrize("label", OPERATIONS)
def test_route_answers_generated_requests_as_documented(
    world: World, request: pytest.FixtureRequest, label: str
) -> None:
    operation = OPERATIONS[label]
    client = world.clients[SERVED_BY[operation.method.upper(), operation.path]]
    ids = known_ids(world, operation.path)
    strategies = [operation.as_strategy(GenerationMode.POSITIVE)]
    if ids:
        strategies.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=ids))
    if operation.body or operation.query or operation.path_parameters:
        strategies.append(operation.as_strategy(GenerationMode.NEGATIVE))
    examples = ALL_EXAMPLES if request.config.getoption("--every-input") else EXAMPLES
    with requests.Session() as session:
        session.trust_env = False

        def send(case: Any) -> None:
            if CONTROL.search(unquote(case.formatted_path)):  # the Worker refuses it
                return
            # Ada's data stays for the other routes.
            headers = {"Authorization": world.token("eve" if operation.path == "/api/me/data" else "ada")}
            response = case.call(base_url=str(client.base_url), session=session, headers=headers, timeout=60)
            if response.status_code == 503 and NEEDS_QUEUE in response.text:
                return
            case.validate_response(response, checks=CHECKS)

        run: Any = settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        for strategy in strategies:
            test: Any = given(strategy)
            run(test(send))()
