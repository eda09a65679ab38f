"""A parsed filter: conditions on fields of documents, joined by and, or, not. Pure."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Operator = Literal[":", "<", "<=", ">", ">="]
Kind = Literal["text", "path", "day", "value"]
"""What a field's values are: `value` is anything that front matter can have."""

META = "meta"
"""The field of front matter: `meta.author`."""

FIELDS: Mapping[str, Kind] = {
    "source": "text",
    "kind": "text",
    "language": "text",
    "tag": "text",
    "path": "path",
    "date": "day",
    "fetched": "day",
    META: "value",
}

TYPOGRAPHIC_QUOTE = "[\u201c-\u201f\xab\xbb]"
"""A quotation mark with which a value or a name can't begin: `"` was meant. A regular expression."""

_DAYS = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)


class Value(msgspec.Struct, frozen=True):
    """A value as written. In quotation marks, it is a text, whatever it looks like."""

    text: str
    is_quoted: bool = False

    def number(self) -> str | None:
        """Return the number that the value looks like, as text, or None."""
        return self.text if not self.is_quoted and _NUMBER.fullmatch(self.text) else None

    def days(self) -> tuple[dt.date, dt.date] | None:
        """Return the first day of a year, month or day, and the first day after it; or None.

        >>> Value("2024-02").days()
        (datetime.date(2024, 2, 1), datetime.date(2024, 3, 1))
        """
        match = None if self.is_quoted else _DAYS.fullmatch(self.text)
        if not match:
            return None
        year, month, day = (int(part or 0) for part in match.groups())
        try:
            first = dt.date(year, month or 1, day or 1)
            if day:
                return first, first + dt.timedelta(days=1)
            return first, dt.date(year + (not month or month == 12), (month or 12) % 12 + 1, 1)
        except (ValueError, OverflowError):
            return None


class Condition(msgspec.Struct, frozen=True):
    """A field has one of some values; or compares to one. Without values, it exists.

    `path` has the names of a field of front matter: `("author", "name")` for `meta.author.name`.
    """

    field: str
    path: tuple[str, ...]
    operator: Operator
    values: tuple[Value, ...]


class Not(msgspec.Struct, frozen=True):
    """A document does not match."""

    filter: "Filter"


class And(msgspec.Struct, frozen=True):
    """A document matches all."""

    filters: tuple["Filter", ...]


class Or(msgspec.Struct, frozen=True):
    """A document matches one or more."""

    filters: tuple["Filter", ...]


Filter = Condition | Not | And | Or
