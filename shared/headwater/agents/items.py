"""Messages about the items that an agent remembers: the operations of LangGraph's store, and their results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec


class GetItem(msgspec.Struct, frozen=True, tag=True):
    """Read an item. `refresh`: it expires later."""

    namespace: Sequence[str]
    key: str
    refresh: bool


class PutItem(msgspec.Struct, frozen=True, tag=True):
    """Store a JSON object, or delete the item if `value` is None. `ttl`: minutes after its last use."""

    namespace: Sequence[str]
    key: str
    value: str | None
    ttl: float | None


class Condition(msgspec.Struct, frozen=True):
    """Compare the part of an item's value at `path` with a JSON value."""

    path: Sequence[str]
    operator: Literal["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]
    value: str


class FindItems(msgspec.Struct, frozen=True, tag=True):
    """Find items below a namespace that meet all conditions, the last changed first."""

    prefix: Sequence[str]
    conditions: Sequence[Condition]
    limit: int
    offset: int
    refresh: bool


class NamespacePattern(msgspec.Struct, frozen=True):
    """The beginning or the end of a namespace, in which `*` is any label."""

    end: Literal["prefix", "suffix"]
    path: Sequence[str]


class ListNamespaces(msgspec.Struct, frozen=True, tag=True):
    """List namespaces that match all patterns, cut to `max_depth` labels."""

    patterns: Sequence[NamespacePattern]
    max_depth: int | None
    limit: int
    offset: int


Operation = GetItem | PutItem | FindItems | ListNamespaces


class StoredItem(msgspec.Struct, frozen=True):
    """An item. `value` is a JSON object."""

    namespace: Sequence[str]
    key: str
    value: str
    created_at: datetime
    updated_at: datetime


class Found(msgspec.Struct, frozen=True):
    """The result of an operation: the items that it has read, or the namespaces."""

    items: Sequence[StoredItem] = ()
    namespaces: Sequence[Sequence[str]] = ()
