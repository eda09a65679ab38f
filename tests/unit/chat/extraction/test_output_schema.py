"""A caller's schema: what is supported, and what bounds it."""

from typing import Any

import pytest

from functions.chat.extraction.output_schema import MAX_DEPTH, OutputSchema, pointer
from headwater.errors import UnprocessableContent


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Return a small schema that has 2 to the power of `levels` subschemas without its references."""
    definitions: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "string"}}}


def test_references_are_replaced() -> None:
    price = {"type": "number", "minimum": 0}
    schema = OutputSchema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "$ref": {"type": "string"},
                "net": {"$ref": "#/$defs/price"},
                "gross": {"$ref": "#/$defs/price", "description": "With tax"},
                "old": {"$ref": "#/definitions/price", "maximum": 9},
            },
            "$defs": {"price": price},
            "definitions": {"price": price},
        }
    )
    assert schema.json == {
        "type": "object",
        "properties": {
            "$ref": {"type": "string"},
            "net": price,
            "gross": {**price, "description": "With tax"},
            "old": {"maximum": 9, "allOf": [price]},
        },
    }
    assert schema.errors({"net": 1, "gross": -1, "old": 10}) == [
        "/gross: -1 is less than the minimum of 0",
        "/old: 10 is greater than the maximum of 9",
    ]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "text"}, "/type"),
        ({"properties": []}, "/properties must be an object"),
        ({"anyOf": {}}, "/anyOf must be a list"),
        ({"items": 3}, "/items is not a schema"),
        ({"items": {"$ref": "http://169.254.169.254/schema"}}, "Only #/\\$defs/NAME"),
        ({"$ref": "#"}, "Only #/\\$defs/NAME"),
        ({"$ref": ["#"]}, "Only #/\\$defs/NAME"),
        ({"$id": "http://127.0.0.1/", "$ref": "other"}, "\\$id, which is not supported"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "contains itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, "contains itself"),
        ({"pattern": "(?=x)y"}, 'is not a "regex"'),
        ({"pattern": "(a{900}){900}"}, 'is not a "regex"'),
        ({"properties": {str(n): {"pattern": "x"} for n in range(101)}}, "100 patterns"),
        ({"enum": ["x" * 100_000]}, "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_schema_is_refused_with_the_reason(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(UnprocessableContent, match=message):
        OutputSchema(schema)


@pytest.mark.parametrize("schema", [nested(MAX_DEPTH + 1), doubling(40)], ids=["deep", "doubling"])
def test_large_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableContent, match="too large"):
        OutputSchema(schema)


def test_deep_schema_within_the_limit_validates() -> None:
    assert OutputSchema(nested(MAX_DEPTH)).errors("x") == ['/: "x" is not of type "array"']


def test_catastrophic_pattern_takes_linear_time() -> None:
    # A backtracking engine needs 2 to the power of 100,000 steps.
    errors = OutputSchema({"type": "string", "pattern": "^(a+)+$"}).errors("a" * 100_000 + "b")
    assert len(errors) == 1
    assert len(errors[0]) < 400


def test_errors_are_limited() -> None:
    assert len(OutputSchema({"items": {"type": "integer"}}).errors(["x"] * 1_000)) == 10


def test_pointer_escapes_names() -> None:
    assert pointer(["a/b", "~", 0]) == "/a~1b/~0/0"


def test_errors_of_a_large_value_and_schema_are_counted_as_one() -> None:
    """The validator would make an error for each alternative of each part, which takes minutes."""
    inner = {"type": "array", "items": {"anyOf": [{"type": "integer"}] * 30}}
    schema = OutputSchema({"type": "array", "items": {"anyOf": [inner] * 30}})
    assert schema.errors([[1] * 30] * 1_000) == []
    [error] = schema.errors([["x"] * 30] * 1_000)
    assert error == "/: the value does not match the schema. It is too long to say where."
    [error] = schema.errors([["x"]])
    assert error.startswith('/0: ["x"] is not valid under any of the schemas')


@pytest.mark.parametrize(
    "schema",
    [
        {"propertyNames": {"maxLength": 1}},
        {"anyOf": [{"propertyNames": {"maxLength": 1}}] * 30},
        {"required": [f"absent-{number}" for number in range(5_000)]},
        {"dependentRequired": {f"{number:035}": ["absent"] for number in range(2_000)}},
        {"allOf": [{"required": ["absent"]}] * 900},
    ],
    ids=["names", "alternatives", "required", "dependent", "together"],
)
def test_errors_that_would_copy_a_large_object_are_counted_as_one(schema: dict[str, Any]) -> None:
    """Each of these errors has a copy of the object. 150,000 of them would have 30 GB."""
    value = {f"{number:035}": 1 for number in range(5_000)}
    assert OutputSchema(schema).errors(value) == [
        "/: the value does not match the schema. It is too long to say where."
    ]
    assert OutputSchema(schema).errors({"a" * 35: 1, f"{0:035}": 1})[0].startswith("/: ")


def test_many_permitted_values_count_as_subschemas() -> None:
    schema = OutputSchema({"items": {"enum": list(range(8_000))}})
    assert schema.errors(list(range(8_000))) == []
    assert len(schema.errors([-1] * 1_000)) == 1


@pytest.mark.parametrize("value", [0.5, [1], {"a": 1}])
def test_many_permitted_values_that_are_slow_to_compare_are_refused(value: object) -> None:
    assert OutputSchema({"enum": [value] * 50 + ["a", 1, None] * 100}).errors(value) == []
    with pytest.raises(UnprocessableContent, match="at most 100 values of `enum` and `const` may be other than texts"):
        OutputSchema({"anyOf": [{"const": value}] * 51 + [{"enum": [value] * 50}]})
