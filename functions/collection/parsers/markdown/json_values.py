"""Values that JSON can store, of limited depth. Pure."""

import base64
import datetime
import math
import re
from typing import Any

from headwater.schemas import replace_nul

MAX_DEPTH = 20
TOO_BIG = "it nests too deep or expands to too many values"

_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(Exception):
    """Front matter can't be read; the message is the reason."""


def to_json(value: Any) -> str | int | float | bool | None:
    """Convert a scalar. Numbers that JSON can't store, or that Postgres would write in hundreds of digits, are text."""
    if isinstance(value, str):
        return _SURROGATE.sub("", replace_nul(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) and "e" not in repr(value) else str(value)
    if isinstance(value, datetime.date | datetime.datetime | datetime.time):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def tree_to_json(value: Any, depth: int = 0) -> Any:
    """Convert lists and mappings with all their values. Raises Unreadable if they nest too deep."""
    if depth > MAX_DEPTH:
        raise Unreadable(TOO_BIG)
    if isinstance(value, dict):
        return {str(to_json(key)): tree_to_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [tree_to_json(item, depth + 1) for item in value]
    return to_json(value)
