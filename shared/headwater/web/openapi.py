"""Generate the OpenAPI 3.1 document from routes. Pure; `scripts/openapi.py` writes it to docs/openapi.json.

Operation ids come from the handlers' names (`list_sources` → `listSources`), descriptions from their docstrings,
schemas from the msgspec structs that routes decode and return, with the structs' docstrings. Source: OpenAPI
Specification 3.1.1.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from headwater.web.app import Route
from headwater.web.decode import may_be_omitted

_CONVERTER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_WORKSPACE = {"$ref": "#/components/parameters/Workspace"}
_NOT_MODIFIED = {"$ref": "#/components/responses/NotModified"}
_SECURITY = {
    "TokenOrApiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the identity provider or an API key `hw_…`; with `AUTH_MODE=local`, LOCAL_TOKEN.",
    },
    "ShareLink": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of a share link, `hws_…`: what follows `#` in its address.",
    },
}
_OTHER_SCHEMAS: dict[str, dict[str, Any]] = {"application/json": {"type": "object"}, "*/*": {}}
_PATH_SCHEMAS = {"uuid": {"type": "string", "format": "uuid"}, "int": {"type": "integer", "minimum": 0}}
_PARAMETERS = {
    "Workspace": {
        "name": "X-Workspace",
        "in": "header",
        "required": False,
        "description": "The workspace to use. Defaults to the one that the caller joined first.",
        "schema": {"type": "string", "format": "uuid"},
    }
}


class Problem(msgspec.Struct):
    """An error as problem details (RFC 9457): `title` names the kind of error, `detail` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None


@dataclass(frozen=True)
class Tag:
    """A group of operations: those whose path matches `paths`, a regular expression."""

    name: str
    description: str
    paths: str


def describe(
    routes: Sequence[Route], *, title: str, version: str, description: str = "", tags: Sequence[Tag] = ()
) -> dict[str, Any]:
    """Describe the public API: every route except `public` (probes) and `google` (Cloud Tasks, Cloud Scheduler)."""
    shown = [route for route in routes if route.access not in ("public", "google")]
    kinds = [kind for route in shown for kind in (route.query, route.body, route.returns) if kind is not None]
    unique = list(dict.fromkeys([Problem, *kinds]))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        path = _CONVERTER.sub(r"{\g<name>}", route.path)
        operation = {"tags": [tag.name for tag in tags if re.match(tag.paths, path)][:1]} if tags else {}
        operation |= _operation(route, schema_of, components)
        paths.setdefault(path, {})[route.method.lower()] = operation
    for query in {route.query.__name__ for route in shown if route.query is not None}:
        del components[query]  # its fields are the operation's parameters
    return {
        "openapi": "3.1.1",
        "info": {
            "title": title,
            "version": version,
            "description": _paragraphs(description),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"TokenOrApiKey": []}],
        "tags": [{"name": tag.name, "description": tag.description} for tag in tags],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in sorted(components.items())},
            "parameters": _PARAMETERS,
            "responses": {"NotModified": {"description": "The response still has the ETag in `If-None-Match`"}},
            "securitySchemes": _SECURITY,
        },
    }


def operation_id(route: Route) -> str:
    """Return the operation id: the handler's name in camel case."""
    first, *rest = route.handle.__name__.split("_")
    return first + "".join(map(str.capitalize, rest))


def _operation(route: Route, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.returns is not None:
        success["content"] = {"application/json": {"schema": schema_of[route.returns]}}
    elif route.streams:
        success["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    responses: dict[str, dict[str, Any]] = {str(route.status): success}
    problem = {"application/problem+json": {"schema": schema_of[Problem]}}
    for status, media_type in route.others:
        response = responses.setdefault(str(status), {"description": HTTPStatus(status).phrase})
        if media_type:
            schema = _OTHER_SCHEMAS.get(media_type, {"type": "string"})
            response.setdefault("content", {})[media_type] = {"schema": schema}
        if status >= 400:
            response.setdefault("content", {}).update(problem)
    if route.method == "GET" and route.returns is not None:
        responses["304"] = _NOT_MODIFIED
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": _description(route),
        "parameters": [*_parameters(route, components), _WORKSPACE],
        "responses": {**responses, "default": {"description": "An error", "content": problem}},
    }
    if route.access in ("signed", "link"):
        security: list[dict[str, list[str]]] = [{"ShareLink": []}] if route.access == "link" else []
        operation |= {"security": security, "parameters": _parameters(route, components)}
    content: dict[str, Any] = {media_type: {} for media_type in route.raw_body}
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[route.body]}}
    if content:
        required = route.body is None or not may_be_omitted(route.method, route.body)
        operation["requestBody"] = {"required": required, "content": content}
    return operation


def _description(route: Route) -> str:
    needed = "" if route.access in ("reader", "signed", "link") else f"\n\nRequires the role `{route.access}`."
    return _paragraphs(route.handle.__doc__ or "") + needed


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for match in _CONVERTER.finditer(route.path):
        schema = _PATH_SCHEMAS.get(match["kind"], {"type": "string"})
        parameters.append({"name": match["name"], "in": "path", "required": True, "schema": schema})
    if route.query is not None:
        struct = components[route.query.__name__]
        for name, schema in struct["properties"].items():
            required = name in struct.get("required", [])
            parameters.append({"name": name, "in": "query", "required": required, "schema": _parameter(schema)})
    return parameters


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a query parameter's schema: a query string leaves a parameter out where JSON has null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return dict(_tidy(schema))
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return dict(_tidy({**rest, **options[0]}))


def _tidy(schema: Any) -> Any:
    """Give enums their type, and descriptions one line a paragraph, at any depth."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {name: _tidy(value) for name, value in schema.items()}
    if isinstance(schema.get("description"), str):
        tidied["description"] = _paragraphs(schema["description"])
    values = schema.get("enum")
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        tidied = {"type": "string", **tidied}
    return tidied


def _paragraphs(docstring: str) -> str:
    """Unwrap a docstring's paragraphs: `"A b\\n    c.\\n\\n    D."` → `"A b c.\\n\\nD."`"""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(docstring).split("\n\n"))
