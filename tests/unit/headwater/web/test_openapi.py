"""The OpenAPI document: operation ids, descriptions, parameters and schemas."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest

from headwater.web.app import Call, Route
from headwater.web.openapi import Tag, describe
from scripts.openapi import page


class FruitQuery(msgspec.Struct):
    """Which fruit."""

    color: Literal["green", "red"] | None = None
    limit: int = 5


class Fruit(msgspec.Struct):
    """A fruit, described in a line that
    goes on.

    And a second paragraph.
    """

    color: Literal["green", "red"] | None


def list_fruit(call: Call) -> None:
    """List fruit.

    A longer
    text.
    """


def put_photo(call: Call) -> None:
    """Store a photo."""


ROUTES = [
    Route("GET", "/api/fruit/<uuid:id>", list_fruit, "List fruit", query=FruitQuery, returns=Fruit, access="editor"),
    Route(
        "PUT",
        "/api/fruit/<uuid:id>/photos/<int:number>",
        put_photo,
        "Store a photo",
        raw_body=("image/png",),
        status=204,
        others=((200, "*/*"), (202, ""), (400, "application/json")),
    ),
]
DOCUMENT = describe(ROUTES, title="Fruit", version="1", tags=[Tag("Fruit", "All fruit.", "/api/fruit")])
OPERATION = DOCUMENT["paths"]["/api/fruit/{id}"]["get"]
PUT_PHOTO = DOCUMENT["paths"]["/api/fruit/{id}/photos/{number}"]["put"]

BODIES = [("POST", FruitQuery, False), ("POST", Fruit, True), ("PATCH", FruitQuery, True)]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in json.loads(page())["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_operation_id_is_the_handlers_name_in_camel_case() -> None:
    assert OPERATION["operationId"] == "listFruit"


def test_description_is_the_handlers_docstring_and_the_role() -> None:
    assert OPERATION["description"] == "List fruit.\n\nA longer text.\n\nRequires the role `editor`."


def test_query_parameters_are_never_null() -> None:
    parameters = {parameter.get("name"): parameter.get("schema") for parameter in OPERATION["parameters"]}
    assert parameters["color"] == {"type": "string", "enum": ["green", "red"]}
    assert parameters["limit"] == {"type": "integer", "default": 5}
    assert parameters["id"] == {"type": "string", "format": "uuid"}


def test_numbers_in_paths_are_integers() -> None:
    schemas = {parameter.get("name"): parameter.get("schema") for parameter in PUT_PHOTO["parameters"]}
    assert schemas["number"] == {"type": "integer", "minimum": 0}


def test_raw_body_has_its_media_type() -> None:
    assert PUT_PHOTO["requestBody"] == {"required": True, "content": {"image/png": {}}}


def test_other_responses_have_their_media_types() -> None:
    content = {status: response.get("content") for status, response in PUT_PHOTO["responses"].items()}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert content == {
        "200": {"*/*": {"schema": {}}},
        "202": None,
        "204": None,
        "400": {"application/json": {"schema": {"type": "object"}}, **problem},
        "default": problem,
    }


def test_json_of_get_may_be_unchanged() -> None:
    assert OPERATION["responses"].keys() == {"200", "304", "default"}


def test_every_operation_needs_a_token() -> None:
    assert {} not in DOCUMENT["security"]


def test_schemas_have_typed_enums_and_unwrapped_descriptions() -> None:
    schema = DOCUMENT["components"]["schemas"]["Fruit"]
    assert schema["description"] == "A fruit, described in a line that goes on.\n\nAnd a second paragraph."
    assert schema["properties"]["color"]["anyOf"][0] == {"type": "string", "enum": ["green", "red"]}


@pytest.mark.parametrize(("method", "body", "is_required"), BODIES)
def test_body_without_required_fields_may_be_omitted(method: str, body: Any, is_required: bool) -> None:
    route = Route(method, "/api/fruit", list_fruit, "List fruit", body=body)
    document = describe([route], title="Fruit", version="1", tags=[])
    assert document["paths"]["/api/fruit"][method.lower()]["requestBody"]["required"] is is_required


def test_query_structs_are_not_schemas() -> None:
    assert set(DOCUMENT["components"]["schemas"]) == {"Fruit", "Problem"}


@pytest.mark.parametrize(("name", "operation"), list(operations()))
def test_every_operation_is_described(name: str, operation: dict[str, Any]) -> None:
    assert re.fullmatch("[a-z]+([A-Z][a-z]+)+", operation["operationId"]), name
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert len(operation["tags"]) == 1


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves() -> None:
    document = json.loads(page())
    for reference in re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', page()):
        assert reference[1] in document["components"][reference[0]], reference
