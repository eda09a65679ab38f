"""Read a caller's JSON Schema: bounded, without references, compiled to a validator. Pure.

References are replaced by what they refer to, as not every provider follows them, and validators would fetch those to
other hosts. Regular expressions run in linear time (Rust's `regex`): look-around and back-references are refused.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import UnprocessableContent
from headwater.redaction import quote

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

MAX_SCHEMA_BYTES = 100_000
"""Length of a schema as JSON: as it is sent, and once its references are replaced."""

MAX_DEPTH = 30
MAX_SUBSCHEMAS = 2_000
MAX_PATTERNS = 100
MAX_PATTERN_BYTES = 500_000
"""Memory of one compiled pattern."""

MAX_SLOW_VALUES = 100
"""Values of `enum` and `const` that are neither texts nor whole numbers: comparing them with many parts takes long."""

MAX_CHECKS = 200_000
"""Parts of a value, times subschemas and permitted values, up to which errors are looked for."""

MAX_COPIED_BYTES = 10_000_000
"""Bytes of a value, times how often its errors may copy it, up to which errors are looked for: each has a copy of what
it is about, which for a missing property or an invalid name is the whole object."""

MAX_ERRORS = 10
MAX_MESSAGE_CHARS = 300

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_SINGLE = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_REFUSED = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "$vocabulary")
_ANNOTATIONS = frozenset({"default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"})
_DROPPED = ("$schema", "$comment", "$defs", "definitions", "$ref")


class OutputSchema:
    """A schema of values. `json` has no references. Raises UnprocessableContent if it can't be used."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        if len(msgspec.json.encode(given)) > MAX_SCHEMA_BYTES:
            raise UnprocessableContent(f"schema is too long: {MAX_SCHEMA_BYTES:,} bytes of JSON are allowed.")
        resolver = _Resolver(given)
        self.json: dict[str, Any] = resolver.resolve(given, (), ())
        self._subschemas = resolver.subschemas
        self._required = resolver.required
        self._names = resolver.names
        _ = self._validator

    @cached_property
    def _validator(self) -> "Draft202012Validator":
        from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

        try:
            return Draft202012Validator(
                self.json, pattern_options=RegexOptions(size_limit=MAX_PATTERN_BYTES), validate_formats=True
            )
        except ValidationError as error:
            raise UnprocessableContent(f"schema is not a valid JSON Schema: {_describe(error)}") from None
        except (ReferencingError, ValueError) as error:
            raise UnprocessableContent(
                f"schema is not a valid JSON Schema: {quote(str(error), MAX_MESSAGE_CHARS)}"
            ) from None

    def errors(self, value: Any) -> list[str]:
        """Return what is wrong with a value, at most ten errors, each with a JSON pointer; none for a valid one.

        Errors of a large value and a large schema are not looked for, only whether there are some: each alternative of
        each part may have one.
        """
        if self._validator.is_valid(value):
            return []
        parts = _count_parts(value, MAX_CHECKS // self._subschemas + 1)
        copies = self._subschemas + self._required + self._names * parts
        size = len(msgspec.json.encode(value))
        if self._subschemas * parts > MAX_CHECKS or size * copies > MAX_COPIED_BYTES:
            return ["/: the value does not match the schema. It is too long to say where."]
        found = []
        for error in self._validator.iter_errors(value):
            found.append(_describe(error))
            if len(found) == MAX_ERRORS:
                break
        return found


def _count_parts(value: Any, at_most: int) -> int:
    """Count the values in a value, and stop after `at_most`."""
    count, pending = 0, [value]
    while pending and count < at_most:
        part = pending.pop()
        count += 1
        pending += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return count


def _describe(error: "ValidationError") -> str:
    return f"{pointer(error.instance_path) or '/'}: {quote(error.message, MAX_MESSAGE_CHARS)}"


def pointer(path: "list[str | int]") -> str:
    """Return a JSON pointer (RFC 6901): `pointer(["a/b", 0]) == "/a~1b/0"`."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


class _Resolver:
    """Replaces references to `#/$defs/…`, within limits for the whole schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions = {
            f"#/{table}/{name}": schema
            for table in ("$defs", "definitions")
            if isinstance(definitions := root.get(table), dict)
            for name, schema in definitions.items()
        }
        self.subschemas = 0
        """Subschemas of what was resolved, and permitted values."""
        self.required = 0
        """Names of properties that are required, also by another one."""
        self.names = 0
        """Subschemas of names."""
        self._level = 0
        self._schemas = 0
        self._patterns = 0
        self._slow_values = 0
        self._bytes = 0

    def resolve(self, schema: Any, path: tuple[str, ...], open_: tuple[str, ...]) -> Any:
        """Return a schema without references. `open_` are the references that it is part of."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise UnprocessableContent(f"schema: {_at(path)} is not a schema.")
        self._count(schema)
        if refused := next((keyword for keyword in _REFUSED if keyword in schema), None):
            raise UnprocessableContent(f"schema: {_at(path)} has {refused}, which is not supported.")
        resolved = {name: value for name, value in schema.items() if name not in _DROPPED}
        for name, place, inner in _subschemas(schema, path):
            self._level += 1
            value = self.resolve(inner, (*path, name, *place), open_)
            self._level -= 1
            if place:
                resolved[name] = resolved[name].copy()
                resolved[name][int(place[0]) if isinstance(resolved[name], list) else place[0]] = value
            else:
                resolved[name] = value
        if "$ref" in schema:
            target = self._follow(schema["$ref"], path, open_)
            if isinstance(target, dict) and resolved.keys() <= _ANNOTATIONS:
                return {**target, **resolved}
            resolved["allOf"] = [*resolved.get("allOf", ()), target]
        return resolved

    def _follow(self, reference: Any, path: tuple[str, ...], open_: tuple[str, ...]) -> Any:
        if not isinstance(reference, str) or reference not in self._definitions:
            raise UnprocessableContent(
                f"schema: {_at(path)} refers to {quote(str(reference), 100)}. Only #/$defs/NAME is supported, with a "
                "NAME that is defined."
            )
        if reference in open_:
            raise UnprocessableContent(
                f"schema: {quote(reference, 100)} contains itself. Write out the levels that you need."
            )
        return self.resolve(self._definitions[reference], path, (*open_, reference))

    def _count(self, schema: Mapping[str, Any]) -> None:
        nested = {*_LISTS, *_MAPS, *_SINGLE, *_DROPPED}
        self._schemas += 1
        permitted = schema.get("enum")
        permitted = permitted if isinstance(permitted, list) else []
        self.subschemas += 1 + len(permitted)
        dependent = schema.get("dependentRequired")
        lists = [schema.get("required"), *(dependent.values() if isinstance(dependent, dict) else ())]
        self.required += sum(len(names) for names in lists if isinstance(names, list))
        self.names += "propertyNames" in schema
        self._slow_values += sum(isinstance(value, float | list | dict) for value in (*permitted, schema.get("const")))
        tables = {name: table for name in _MAPS if isinstance(table := schema.get(name), dict)}
        self._patterns += ("pattern" in schema) + len(tables.get("patternProperties", ()))
        self._bytes += len(msgspec.json.encode({name: value for name, value in schema.items() if name not in nested}))
        self._bytes += sum(len(name) for table in tables.values() for name in table)
        if self._slow_values > MAX_SLOW_VALUES:
            raise UnprocessableContent(
                f"schema: at most {MAX_SLOW_VALUES} values of `enum` and `const` may be other than texts and whole "
                "numbers."
            )
        if self._patterns > MAX_PATTERNS:
            raise UnprocessableContent(f"schema: at most {MAX_PATTERNS} patterns are allowed.")
        if self._schemas > MAX_SUBSCHEMAS or self._bytes > MAX_SCHEMA_BYTES or self._level > MAX_DEPTH:
            raise UnprocessableContent(
                f"schema is too large. With its references replaced, it may have at most {MAX_SUBSCHEMAS:,} "
                f"subschemas in {MAX_DEPTH} levels and {MAX_SCHEMA_BYTES:,} bytes."
            )


def _subschemas(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield the keyword, the place in its list or object, and the schema of each subschema."""
    for name in _SINGLE:
        if name in schema:
            yield name, (), schema[name]
    for name in _LISTS:
        if not isinstance(schema.get(name, []), list):
            raise UnprocessableContent(f"schema: {_at((*path, name))} must be a list.")
        yield from ((name, (str(n),), inner) for n, inner in enumerate(schema.get(name, ())))
    for name in _MAPS:
        if not isinstance(schema.get(name, {}), dict):
            raise UnprocessableContent(f"schema: {_at((*path, name))} must be an object.")
        yield from ((name, (key,), inner) for key, inner in schema.get(name, {}).items())


def _at(path: tuple[str, ...]) -> str:
    return quote(pointer(list(path)), 200) if path else "the root"
