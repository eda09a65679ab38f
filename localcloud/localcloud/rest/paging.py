"""Pages of List methods: `pageSize` and `nextPageToken`."""

from collections.abc import Callable
from typing import TypeVar

from localcloud.rest.router import Call, invalid

T = TypeVar("T")


MAX_DIGITS = 18
"""Of a number that a caller sends: it fits 64 bits."""


def is_number(text: str) -> bool:
    """Return whether a text is a whole number that fits 64 bits."""
    return text.isdecimal() and len(text) <= MAX_DIGITS


def page_size(call: Call, limit: int, name: str = "pageSize") -> int:
    """Return the requested page size, at most `limit`; `limit` if absent or 0."""
    size = call.query.get(name, "0") or "0"
    if not is_number(size):
        raise invalid(f"Invalid value at '{name}': {size!r}")
    return min(int(size) or limit, limit)


def page_of(items: list[T], size: int, token_of: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Return the first page of `items`, and `nextPageToken` (made from its last item) if there are more."""
    page = items[:size]
    return page, {"nextPageToken": token_of(page[-1])} if len(items) > size else {}
