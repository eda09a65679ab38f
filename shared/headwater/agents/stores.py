"""A store of LangGraph whose items the parent stores. Imports LangGraph."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from headwater.agents.connection import Connection
from headwater.agents.items import (
    Condition,
    FindItems,
    Found,
    GetItem,
    ListNamespaces,
    NamespacePattern,
    Operation,
    PutItem,
    StoredItem,
)
from headwater.agents.messages import UseStore, storable
from headwater.errors import UnprocessableContent

_OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")


class RemoteStore(BaseStore):
    """What an agent remembers beyond a conversation. Items expire if they are put with a `ttl`."""

    supports_ttl = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations in one transaction: what reads first, then what writes; of puts of one item the last.

        Raises UnprocessableContent for what can't be stored or asked, beyond a limit, and for a search by meaning.
        """
        given = list(ops)
        if not given:
            return []
        found: list[Found] = self._connection.request(UseStore([_operation(op) for op in given]), list[Found])
        return [_result(op, each) for op, each in zip(given, found, strict=True)]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations as `batch` does."""
        return await asyncio.to_thread(self.batch, list(ops))


def conditions_of(given: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Condition]:
    """Yield the conditions of a filter of LangGraph's: `{"score": {"$gt": 4}}`. Raises UnprocessableContent."""
    for key, value in given.items():
        here = (*path, storable(str(key)))
        if isinstance(value, Mapping) and any(str(name).startswith("$") for name in value):
            for operator, operand in value.items():
                if operator not in _OPERATORS:
                    raise UnprocessableContent(
                        f"filter: {operator} is not supported. Use one of {', '.join(_OPERATORS)}."
                    )
                yield Condition(here, operator, _json(operand, "filter"))
        elif isinstance(value, Mapping) and value:
            yield from conditions_of(value, here)
        else:
            yield Condition(here, "$eq", _json(value, "filter"))


def _operation(op: Op) -> Operation:
    match op:
        case GetOp():
            return GetItem(_labels(op.namespace), storable(op.key), op.refresh_ttl)
        case PutOp():
            value = None if op.value is None else _json(dict(op.value), "value")
            return PutItem(_labels(op.namespace), storable(op.key), value, op.ttl)
        case SearchOp():
            if op.query:
                raise UnprocessableContent(
                    "query: this store doesn't search by meaning. Search by `filter`, or documents by search_knowledge."
                )
            conditions = list(conditions_of(op.filter or {}))
            return FindItems(_labels(op.namespace_prefix), conditions, op.limit, op.offset, op.refresh_ttl)
        case ListNamespacesOp():
            patterns = [NamespacePattern(each.match_type, _labels(each.path)) for each in op.match_conditions or ()]
            return ListNamespaces(patterns, op.max_depth, op.limit, op.offset)
    raise UnprocessableContent(f"{type(op).__name__} is not an operation of a store.")


def _result(op: Op, found: Found) -> Result:
    match op:
        case GetOp():
            return Item(**_fields(found.items[0])) if found.items else None
        case SearchOp():
            return [SearchItem(**_fields(item)) for item in found.items]
        case ListNamespacesOp():
            return [tuple(namespace) for namespace in found.namespaces]
    return None


def _fields(item: StoredItem) -> dict[str, Any]:
    return {
        "namespace": tuple(item.namespace),
        "key": item.key,
        "value": json.loads(item.value),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _labels(namespace: Iterable[str]) -> list[str]:
    return [storable(label) for label in namespace]


def _json(value: Any, field: str) -> str:
    try:
        return storable(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnprocessableContent(f"{field}: only JSON can be stored ({error}).") from error
