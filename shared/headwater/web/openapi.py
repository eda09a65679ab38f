"""The OpenAPI page: routes flow in, an OpenAPI 3.1 document flows out. Pure; `scripts/openapi` writes it.

Source: OpenAPI Specification 3.1.1. Shapes come from the structs that the routes decode and answer with.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.web.app import Route

_CONVERTER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


class Problem(msgspec.Struct):
    """Problem details (RFC 9457), the one shape of every error."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


def describe(routes: Sequence[Route], *, title: str, version: str) -> dict[str, Any]:
    """Describe every route that people and programs may call."""
    shown = [route for route in routes if route.access not in ("public", "google")]
    kinds = [kind for route in shown for kind in (route.query, route.body, route.returns) if kind is not None]
    unique = list(dict.fromkeys([Problem, *kinds]))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        path = _CONVERTER.sub(r"{\g<name>}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.1",
        "info": {"title": title, "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _operation(route: Route, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.returns is not None:
        success["content"] = {"application/json": {"schema": schema_of[route.returns]}}
    elif route.streams:
        success["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    problem = {"application/problem+json": {"schema": schema_of[Problem]}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": _parameters(route, components),
        "responses": {str(route.status): success, "default": {"description": "A problem", "content": problem}},
    }
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for match in _CONVERTER.finditer(route.path):
        schema = {"type": "string", **({"format": "uuid"} if match["kind"] == "uuid" else {})}
        found.append({"name": match["name"], "in": "path", "required": True, "schema": schema})
    if route.query is not None:
        described = components[route.query.__name__]
        for name, schema in described["properties"].items():
            required = name in described.get("required", [])
            found.append({"name": name, "in": "query", "required": required, "schema": schema})
    return found
