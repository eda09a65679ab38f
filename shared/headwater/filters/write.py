"""Write conditions of filters. Pure."""

import re
from typing import Literal

from headwater.filters.tree import META, TYPOGRAPHIC_QUOTE, Value

JsonKind = Literal["string", "number", "boolean", "text"]
"""Types of JSON in front matter; `text` for the values of other fields."""

_BARE = re.compile(rf'(?!{TYPOGRAPHIC_QUOTE})[^\s()",*][^\s()",]*')
_BARE_NAME = re.compile(rf'(?!{TYPOGRAPHIC_QUOTE})[^\s()",:<>=.]+')


def write_condition(field: str, value: str, kind: JsonKind = "text", *, is_meta: bool = False) -> str:
    """Write the condition that a field, or a field of front matter, has a value.

    >>> write_condition("tag", "to do"), write_condition("Reviewed by", "3", "string", is_meta=True)
    ('tag:"to do"', 'meta."Reviewed by":"3"')
    """
    name = f"{META}.{_quote_unless(_BARE_NAME, field)}" if is_meta else field
    looks_typed = kind == "string" and (Value(value).number() or Value(value).days() or value in ("true", "false"))
    return f"{name}:{_quote(value) if looks_typed else _quote_unless(_BARE, value)}"


def _quote_unless(bare: re.Pattern[str], text: str) -> str:
    return text if bare.fullmatch(text) else _quote(text)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
