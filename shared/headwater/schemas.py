"""JSON Schemas of structs, for forms and for models; why a value is invalid; texts without NUL characters."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

_INVALID_VALUE = re.compile(r"Invalid enum value .* - at `\$\.(\w+)`", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `[^`]*`")
"""Of the struct itself. The path of a struct within it would follow."""

_INVALID_TIME = re.compile(r"^Invalid RFC3339 encoded (date|datetime)\b")

EXPECTED_TIME = "Expected a time such as 2026-01-31T08:00:00Z"
_EXPECTED = {"date": "Expected a date such as 2026-01-31", "datetime": EXPECTED_TIME}


def object_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct with the struct itself at the top; others are in `$defs`."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs", {})
    schema = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**schema, "$defs": definitions} if definitions else schema


def explain(error: msgspec.ValidationError, kind: Any) -> str:
    """Return why a value is no `kind`, with the fields of `kind` or a field's values if these help.

    `explain(error, Page) == "Object contains unknown field `size`. The fields are `limit`, `cursor`."`
    """
    fields = {each.encode_name: each.type for each in msgspec.structs.fields(kind)} if _is_struct(kind) else {}
    reason = _INVALID_TIME.sub(lambda invalid: _EXPECTED[invalid[1]], str(error))
    if fields and _UNKNOWN_FIELD.fullmatch(reason):
        return f"{reason}. The fields are {_quoted(fields)}."
    field = _INVALID_VALUE.fullmatch(reason)
    values = [*_values(fields.get(field[1]))] if field else []
    return f"{reason}. Use one of {_quoted(values)}." if values else f"{reason}."


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _quoted(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _values(kind: Any) -> Iterator[Any]:
    """Yield the values of a `Literal`, also of one within a union."""
    for each in get_args(kind):
        if get_origin(kind) is Literal:
            yield each
        else:
            yield from _values(each)


def has_nul(value: object) -> bool:
    """Return True if a value of strings, mappings and sequences has a NUL character, which Postgres cannot store."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(has_nul(key) or has_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(has_nul, value))


def replace_nul(text: str) -> str:
    """Return a text with spaces for its NUL characters, which separate words, and without those at its ends."""
    return text.strip("\0").replace("\0", " ")
