"""Filters evaluated in plain Python, to compare with the database."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from headwater.filters.globs import compile_patterns
from headwater.filters.tree import And, Condition, Filter, Not, Or, Value

_TAG_FIELDS = ("tags", "tag", "keywords", "categories", "category")
_DATE_FIELDS = (
    *("updated", "updated_at", "last_updated", "lastupdated", "last_update", "lastmod", "last_modified", "modified"),
    *("modified_at", "date", "published", "published_at", "publishdate", "pubdate", "created", "created_at"),
)


class FilteredDocument(NamedTuple):
    """What filters know of a document."""

    key: str
    source: str
    kind: str
    language: str | None
    fetched: dt.date | None
    front_matter: dict[str, Any]


def matches(filter_: Filter, document: FilteredDocument) -> bool:
    """Return True if a document matches."""
    match filter_:
        case And(filters):
            return all(matches(inner, document) for inner in filters)
        case Or(filters):
            return any(matches(inner, document) for inner in filters)
        case Not(inner):
            return not matches(inner, document)
        case Condition():
            return _meets(filter_, document)


def _meets(condition: Condition, document: FilteredDocument) -> bool:
    held = [*_values(condition, document)]
    if not condition.values:
        return held != []
    return any(_compares(condition, item, value) for item in held for value in condition.values)


def _values(condition: Condition, document: FilteredDocument) -> Iterator[Any]:
    """Yield the values that a document has of a field."""
    match condition.field:
        case "tag":
            yield from tags(document.front_matter)
        case "date":
            yield from filter(None, [date(document.front_matter, document.key)])
        case "fetched":
            yield from filter(None, [document.fetched])
        case "path":
            yield document.key
        case "source" | "kind":
            yield getattr(document, condition.field)
        case "language":
            yield from filter(None, [document.language])
        case "meta":
            items: list[Any] = [document.front_matter]
            for name in condition.path:
                items = [item[name] for item in _flat(items) if isinstance(item, Mapping) and name in item]
            yield from (item for item in _flat(items) if item is not None)


def _flat(items: list[Any]) -> Iterator[Any]:
    for item in items:
        yield from item if isinstance(item, list) else [item]


def _compares(condition: Condition, held: Any, value: Value) -> bool:
    text = " ".join(value.text.split()).lstrip("#") if condition.field == "tag" else value.text
    if condition.field == "path":
        return compile_patterns([text])(held)
    if isinstance(held, dt.date):
        return _in_days(condition.operator, held, value)
    is_same = isinstance(held, str) and held.lower() == text.lower()
    if condition.field != "meta":
        return is_same
    number = value.number()
    if number is not None:
        if isinstance(held, bool) or not isinstance(held, int | float):
            return is_same and condition.operator == ":"
        return _is_ordered(condition.operator, held, float(number))
    if value.days() and isinstance(held, str) and (day := iso_day(held)) and _in_days(condition.operator, day, value):
        return True
    is_flag = not value.is_quoted and held is {"true": True, "false": False}.get(value.text, ...)
    return condition.operator == ":" and (is_same or is_flag)


def _is_ordered(operator: str, a: float, b: float) -> bool:
    return {":": a == b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _in_days(operator: str, day: dt.date, value: Value) -> bool:
    days = value.days()
    assert days
    first, after = days
    is_in = first <= day < after
    return {":": is_in, "<": day < first, "<=": day < after, ">": day >= after, ">=": day >= first}[operator]


def iso_day(text: str) -> dt.date | None:
    """Return the day at the beginning of a text."""
    match = re.match(r"\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])", text)
    try:
        return dt.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def date(front_matter: Mapping[str, Any], key: str) -> dt.date | None:
    """Return the date of a document."""
    for table in _tables(front_matter, "extra", "params"):
        fields = {name.lower().replace("-", "_"): value for name, value in table.items()}
        for value in map(fields.get, _DATE_FIELDS):
            given = value.get("date") if isinstance(value, Mapping) else value
            if isinstance(given, str) and (day := iso_day(given)):
                return day
    name = re.search(r"(?:^|/)([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])[^/]*$", key)
    return iso_day(name[1]) if name else None


def tags(front_matter: Mapping[str, Any]) -> set[str]:
    """Return the tags of a document, with those that they are below."""
    parts = [
        part
        for table in _tables(front_matter, "taxonomies", "extra", "params")
        for name, value in table.items()
        if name.lower() in _TAG_FIELDS
        for part in _tag_parts(name.lower(), value)
    ]
    whole = [" ".join(part.split()).lower().lstrip("#") for part in parts]
    return {"/".join(tag.split("/")[:n]) for tag in whole if tag for n in range(1, min(tag.count("/") + 1, 5) + 1)}


def _tables(front_matter: Mapping[str, Any], *names: str) -> Iterator[Mapping[str, Any]]:
    """Yield front matter, and those of its values with these names that are tables."""
    yield front_matter
    yield from (table for name in names if isinstance(table := front_matter.get(name), Mapping))


def _tag_parts(name: str, value: Any) -> list[str]:
    if not isinstance(value, str):
        items = value if isinstance(value, list) else [value]
        return [str(item) for item in items if isinstance(item, str | int | float) and not isinstance(item, bool)]
    if "," in value:
        return value.split(",")
    return value.split() if name in ("tags", "categories") else [value]
