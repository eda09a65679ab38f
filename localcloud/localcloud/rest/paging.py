"""Pages of a listing, as every API here cuts them: `pageSize` and `pageToken` in, `nextPageToken` out."""

from collections.abc import Callable
from typing import TypeVar

from localcloud.rest.router import Call, invalid

T = TypeVar("T")


def page_size(call: Call, most: int, name: str = "pageSize") -> int:
    """Return how many resources a client wants at once, `most` at the most and without a wish."""
    size = call.query.get(name, "0") or "0"
    if not size.isdecimal():
        raise invalid(f"Invalid value at '{name}': {size!r}")
    return min(int(size) or most, most)


def page_of(found: list[T], size: int, token_of: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Split what was found into one page and the token of the next, if there is one."""
    page = found[:size]
    return page, {"nextPageToken": token_of(page[-1])} if len(found) > size else {}
