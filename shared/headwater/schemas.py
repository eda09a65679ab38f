"""JSON Schemas of structs, for forms and for models."""

from typing import Any

import msgspec


def object_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a struct with the struct itself at the top; others are in `$defs`."""
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs", {})
    schema = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**schema, "$defs": definitions} if definitions else schema
