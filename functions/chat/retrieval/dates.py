"""Find the date of a document. Pure.

A document is as new as its front matter says, or the date that its file's name begins with, as those of posts do. The
time of a collect says nothing about it.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

DATE_FIELDS = (
    *("updated", "updated_at", "last_updated", "lastupdated", "last_update", "lastmod", "last_modified", "modified"),
    *("modified_at", "date", "published", "published_at", "publishdate", "pubdate", "created", "created_at"),
)
"""Fields of front matter with a document's date, whatever their case and with `-` for `_`: the first that has one."""

NESTED = ("extra", "params")
"""Tables of Zola and Hugo that have such fields too."""

_FILE_NAME = re.compile(r"(?:^|/)(\d{4}-\d{2}-\d{2})(?!\d)[^/]*$", re.ASCII)


def document_date(front_matter: Mapping[str, Any], key: str) -> dt.datetime | None:
    """Return the date of a document, or None. Without a time zone it is in UTC.

    >>> document_date({"date": "2024-03-01", "lastmod": "2024-06-30T12:00:00Z"}, "a.md")
    datetime.datetime(2024, 6, 30, 12, 0, tzinfo=datetime.timezone.utc)
    """
    tables = [front_matter, *(table for name in NESTED if isinstance(table := front_matter.get(name), Mapping))]
    dates = (date for table in tables for value in _values(table) if (date := _parse(value)))
    match = _FILE_NAME.search(key)
    return next(dates, _parse(match[1]) if match else None)


def _values(table: Mapping[str, Any]) -> Iterator[Any]:
    values = {str(name).lower().replace("-", "_"): value for name, value in table.items()}
    for name in DATE_FIELDS:
        value = values.get(name)
        yield value.get("date") if isinstance(value, Mapping) else value


def _parse(value: Any) -> dt.datetime | None:
    if not isinstance(value, str):
        return None
    try:
        date = dt.datetime.fromisoformat(value.strip())
        return (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
