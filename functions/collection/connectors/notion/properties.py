"""Read the properties of Notion's pages as front matter. Pure.

Shapes: Notion API, "Page properties". What has another form is left out.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from functions.collection.connectors.api_values import as_dict, as_list, as_text
from functions.collection.connectors.notion.blocks import page_address, plain_text


def front_matter(values: dict[str, Any]) -> str:
    """Return front matter in YAML, with each value as JSON, which is YAML too."""
    lines = [
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
    ]
    return "\n".join(["---", *lines, "---", "", ""])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def properties(page: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the properties of a page that have a value, except for its title."""
    for name, value in as_dict(page.get("properties")).items():
        found = _property(as_dict(value))
        if found not in (None, "", [], {}) and name.strip():
            yield name.strip(), found


def page_title(page: dict[str, Any]) -> str:
    """Return the title of a page, a database or a data source; "" for one without."""
    for value in as_dict(page.get("properties")).values():
        if as_dict(value).get("type") == "title" and isinstance(as_dict(value).get("title"), list):
            return " ".join(plain_text(as_dict(value)["title"]).split())
    return " ".join(plain_text(page.get("title")).split())


def _property(value: dict[str, Any]) -> Any:
    kind = as_text(value.get("type"))
    return _READERS[kind](value.get(kind)) if kind in _READERS else None


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else None


def _name(value: Any) -> str:
    return as_text(as_dict(value).get("name"))


def _names(value: Any) -> list[str]:
    return [name for name in map(_name, as_list(value)) if name]


def _date(value: Any) -> str:
    start, end = as_text(as_dict(value).get("start")), as_text(as_dict(value).get("end"))
    return f"{start}/{end}" if end else start


def _pages(value: Any) -> list[str]:
    return [page_address(found) for one in as_list(value) if (found := as_text(as_dict(one).get("id")))]


def _unique_id(value: Any) -> Any:
    number, prefix = as_dict(value).get("number"), as_text(as_dict(value).get("prefix"))
    return f"{prefix}-{number}" if prefix and isinstance(number, int) else _scalar(number)


def _computed(value: Any) -> Any:
    """Return the result of a formula or a rollup."""
    result = as_dict(value).get(as_text(as_dict(value).get("type")))
    if isinstance(result, list):
        return [found for one in result if (found := _property(as_dict(one))) not in (None, "", [])]
    return _date(result) if isinstance(result, dict) else _scalar(result)


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("number", "checkbox", "url", "email", "phone_number", "created_time", "last_edited_time"), _scalar
    ),
    **dict.fromkeys(("select", "status", "created_by", "last_edited_by"), _name),
    **dict.fromkeys(("multi_select", "people", "files"), _names),
    **dict.fromkeys(("formula", "rollup"), _computed),
    "rich_text": plain_text,
    "date": _date,
    "relation": _pages,
    "unique_id": _unique_id,
}
