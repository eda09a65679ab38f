"""Compile filters to SQL conditions on documents. Values are bound parameters; a statement's text has none of them."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from headwater.filters.globs import to_regex
from headwater.filters.tree import FIELDS, And, Condition, Filter, Not, Operator, Or, Value

SETTINGS = (("jit", "off"),)
"""Settings of transactions with filters. Postgres assumes a thousand values for each field of front matter, so that it
would compile statements that take less time than their compilation."""


class Where(NamedTuple):
    """A condition on a row `d` of `documents`, with its parameters.

    The statement has the parameter `workspace_id`.
    """

    sql: str = "true"
    values: dict[str, Any] = {}  # noqa: RUF012 - never changed


def where(filter_: Filter | None, source_id: uuid.UUID | None = None) -> Where:
    """Return the condition of a filter, and of a source, on documents."""
    compiler = _Compiler()
    conditions = [] if filter_ is None else [compiler.filter(filter_)]
    if source_id is not None:
        conditions.append(f"d.source_id = {compiler.bind(source_id)}")
    return Where(" and ".join(conditions) or "true", compiler.values)


class _Compiler:
    """Collects the parameters of a condition."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        name = f"filter_{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def filter(self, filter_: Filter) -> str:
        match filter_:
            case And(filters):
                return _join("and", map(self.filter, filters))
            case Or(filters):
                return _join("or", map(self.filter, filters))
            case Not(inner):
                # A condition on a missing field is null; its negation is true.
                return f"({self.filter(inner)}) is not true"
            case Condition():
                return self.condition(filter_)

    def condition(self, condition: Condition) -> str:
        kind = FIELDS[condition.field]
        if kind == "value":
            return self.front_matter(condition)
        if not condition.values:
            return _EXISTS[condition.field]
        match kind:
            case "path":
                return _join("or", (f"d.key ~ {self.bind(to_regex(value.text))}" for value in condition.values))
            case "day":
                days = _DAYS[condition.field]
                return _join("or", (self.days(days, condition.operator, value) for value in condition.values))
            case "text":
                texts = (self.bind(_to_text(condition.field, value)) for value in condition.values)
                return _join("or", (_EQUALS[condition.field].format(text) for text in texts))

    def days(self, expression: str, operator: Operator, value: Value) -> str:
        """Compare a day to the days of a value: before the first, or after the last."""
        first, after = value.days() or (None, None)
        match operator:
            case ":":
                return f"({expression} >= {self.day(first)} and {expression} < {self.day(after)})"
            case "<" | ">=":
                return f"{expression} {operator} {self.day(first)}"
            case "<=":
                return f"{expression} < {self.day(after)}"
            case ">":
                return f"{expression} >= {self.day(after)}"

    def day(self, value: Any) -> str:
        return f"cast({self.bind(value)} as date)"

    def front_matter(self, condition: Condition) -> str:
        """Look for a value of front matter, or of a list in it."""
        path = self.bind("$" + "".join(f".{msgspec.json.encode(name).decode()}" for name in condition.path) + "[*]")
        found = "v <> 'null'"
        if condition.values:
            found = _join("or", (test for value in condition.values for test in self.tests(condition.operator, value)))
        values = f"jsonb_path_query(d.front_matter, cast({path} as jsonpath), '{{}}', true)"
        return f"(d.front_matter ? {self.bind(condition.path[0])} and exists (select from {values} v where {found}))"

    def tests(self, operator: Operator, value: Value) -> Iterator[str]:
        """Yield the tests of a value `v`, one of which has to succeed."""
        if operator == ":":
            yield f"(jsonb_typeof(v) = 'string' and lower(v #>> '{{}}') = lower({self.bind(value.text)}))"
        if (number := value.number()) is not None:
            equals = "=" if operator == ":" else operator
            yield f"(jsonb_typeof(v) = 'number' and v {equals} cast({self.bind(number)} as jsonb))"
        elif value.days():
            yield f"(jsonb_typeof(v) = 'string' and {self.days(_ISO_DAY, operator, value)})"
        elif operator == ":" and not value.is_quoted and value.text in ("true", "false"):
            yield f"v = '{value.text}'"


def _join(word: str, conditions: Iterable[str]) -> str:
    return f"({f' {word} '.join(conditions)})"


def _to_text(field: str, value: Value) -> str:
    """Return the text to look up; tags are written with or without `#`."""
    return " ".join(value.text.split()).lstrip("#") if field == "tag" else value.text


_SOURCES = "select s.id from sources s where s.workspace_id = :workspace_id"

_EQUALS = {
    "source": f"d.source_id in ({_SOURCES} and (lower(s.name) = lower({{0}}) or cast(s.id as text) = lower({{0}})))",
    "kind": f"d.source_id in ({_SOURCES} and lower(s.kind) = lower({{0}}))",
    "language": "d.language = lower({0})",
    "tag": "lower({0}) = any(d.tags)",
}

_ISO_DAY = "iso_day(v #>> '{}')"

_DAYS = {"date": "d.date", "fetched": "cast(d.fetched_at at time zone 'utc' as date)"}

_EXISTS = {
    "source": "true",
    "kind": "true",
    "path": "true",
    "language": "d.language is not null",
    "tag": "d.tags <> '{}'",
    "date": "d.date is not null",
    "fetched": "d.fetched_at is not null",
}
