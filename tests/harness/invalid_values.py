"""Generate invalid values for the fields of a msgspec struct, from the fields' types and bounds."""

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as types

_EXAMPLES: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 1,
    "number": 1.5,
    "string": "nonsense",
    "array": ["nonsense"],
    "object": {"nonsense": 1},
}
_ALL_KINDS = frozenset(_EXAMPLES)
_KINDS: dict[type[types.Type], frozenset[str]] = {
    types.AnyType: _ALL_KINDS,
    types.NoneType: frozenset({"null"}),
    types.BoolType: frozenset({"boolean"}),
    types.IntType: frozenset({"integer"}),
    types.FloatType: frozenset({"integer", "number"}),
    types.StrType: frozenset({"string"}),
    types.UUIDType: frozenset({"string"}),
    types.DateTimeType: frozenset({"string"}),
    types.DateType: frozenset({"string"}),
    types.LiteralType: frozenset({"string"}),
    types.ListType: frozenset({"array"}),
    types.DictType: frozenset({"object"}),
    types.StructType: frozenset({"object"}),
}


def fields_of(struct: Any) -> tuple[types.Field, ...]:
    """Return the fields of a struct."""
    struct_type = types.type_info(struct)
    assert isinstance(struct_type, types.StructType)
    return struct_type.fields


def is_free_text(kind: types.Type) -> bool:
    """Return whether every string is a valid value."""
    return any(type(member) in (types.StrType, types.AnyType) for member in _members(kind))


def invalid_json(kind: types.Type) -> list[Any]:
    """Return JSON values that a field of a body must reject."""
    members = _members(kind)
    kinds = frozenset().union(*(_json_kinds(member) for member in members))
    values = [example for name, example in _EXAMPLES.items() if name not in kinds]
    for member in members:
        others = frozenset().union(*(_json_kinds(other) for other in members if other is not member))
        if _json_kinds(member).isdisjoint(others):
            values += _out_of_range(member)
    return values


def invalid_query(kind: types.Type) -> list[str]:
    """Return strings that a query parameter must reject: none if any text is valid."""
    values: list[str] = []
    for member in _members(kind):
        match member:
            case types.BoolType():
                values += ["nonsense", "2"]
            case types.IntType():
                values += ["nonsense", "1.5", *(str(value) for value in _out_of_range(member))]
            case types.FloatType():
                values += ["nonsense", "nan", "inf", *(str(value) for value in _out_of_range(member))]
            case types.UUIDType() | types.LiteralType() | types.DateTimeType() | types.DateType():
                values += _out_of_range(member)
            case types.NoneType():
                values += ["null"]
            case types.StrType():
                pass
            case _:
                raise AssertionError(f"Add invalid values for query parameters of type {member}.")
    return [] if is_free_text(kind) else values


def _members(kind: types.Type) -> tuple[types.Type, ...]:
    members = kind.types if isinstance(kind, types.UnionType) else (kind,)
    return tuple(member.type if isinstance(member, types.Metadata) else member for member in members)


def _json_kinds(kind: types.Type) -> frozenset[str]:
    if type(kind) not in _KINDS:
        raise AssertionError(f"Add the JSON kind of fields of type {kind} to _KINDS.")
    return _KINDS[type(kind)]


def _out_of_range(kind: types.Type) -> list[Any]:
    """Return invalid values of the right JSON kind."""
    match kind:
        case types.IntType() | types.FloatType():
            return [*([kind.ge - 1] if kind.ge is not None else []), *([kind.le + 1] if kind.le is not None else [])]
        case types.UUIDType() | types.LiteralType():
            return ["nonsense", ""]
        case types.DateTimeType():
            return ["nonsense", "", "20260131", *(["2026-01-31T12:00:00"] if kind.tz else [])]
        case types.DateType():
            return ["nonsense", "", "2026-02-30", "2026-01-31T12:00:00Z"]
        case types.ListType():
            return [[value] for value in invalid_json(kind.item_type)]
        case types.DictType():
            return [{"nonsense": value} for value in invalid_json(kind.value_type)]
        case types.StructType():
            return list(_invalid_structs(kind))
        case _:
            return []


def _invalid_structs(kind: types.StructType) -> Iterator[dict[str, Any]]:
    for field in kind.fields:
        for value in invalid_json(field.type):
            yield {field.encode_name: value}
