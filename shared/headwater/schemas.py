"""JSON Schemas of structs, for forms and for models; a check for NUL characters."""

from collections.abc import Mapping
from typing import Any

import msgspec


def object_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct with the struct itself at the top; others are in `$defs`."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs", {})
    schema = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**schema, "$defs": definitions} if definitions else schema


def has_nul(value: object) -> bool:
    """Return True if a value of strings, mappings and sequences has a NUL character, which Postgres cannot store."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(has_nul(key) or has_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(has_nul, value))
