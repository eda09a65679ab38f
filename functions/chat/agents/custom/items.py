"""What an installed agent remembers beyond a conversation: the items of its LangGraph store, within limits.

Each person has items of their own; those below the label `shared` are the workspace's. Functions run in the caller's
transaction.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents.store import Agent
from headwater.agents import items as ask
from headwater.agents.items import Found, Operation, StoredItem
from headwater.errors import UnprocessableContent
from headwater.schemas import has_nul

SHARED = "shared"
"""First label of the namespaces that all members of the workspace share."""

MAX_OPERATIONS = 200
"""Operations in one transaction."""

MAX_ITEMS = 10_000
MAX_BYTES = 100_000_000
"""Items of a workspace, and the bytes of their values together."""

MAX_VALUE_BYTES = 100_000
MAX_LABELS = 20
MAX_NAME_BYTES = 1_000
"""Of a namespace with its key, which an index has."""

MAX_CONDITIONS = 50
MAX_FOUND = 1_000
MAX_FOUND_BYTES = 4_000_000
"""Items that a search returns, and bytes of the values and namespaces that all operations return together."""

_TOO_MUCH = f"The operations return more than {MAX_FOUND_BYTES:,} bytes. Use a smaller `limit`, or fewer operations."

MAX_OFFSET = 1_000_000
MAX_TTL_MINUTES = 10 * 366 * 24 * 60

_OPERATORS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def run(tx: Connection, agent: Agent, operations: Sequence[Operation]) -> list[Found]:
    """Run operations: what reads first, then what writes, and of puts of one item the last.

    Raises UnprocessableContent beyond a limit.
    """
    if len(operations) > MAX_OPERATIONS:
        raise UnprocessableContent(f"The store runs at most {MAX_OPERATIONS} operations at a time.")
    results, found_bytes = [], 0
    for each in operations:
        found = Found() if isinstance(each, ask.PutItem) else _read(tx, agent, each)
        names = itertools.chain.from_iterable(found.namespaces)
        found_bytes += sum(len(text.encode()) for text in itertools.chain((item.value for item in found.items), names))
        if found_bytes > MAX_FOUND_BYTES:
            raise UnprocessableContent(_TOO_MUCH)
        results.append(found)
    puts = {(tuple(each.namespace), each.key): each for each in operations if isinstance(each, ask.PutItem)}
    if puts:
        _write(tx, agent, list(puts.values()))
    return results


def _read(tx: Connection, agent: Agent, operation: ask.GetItem | ask.FindItems | ask.ListNamespaces) -> Found:
    match operation:
        case ask.GetItem():
            values = _place(agent, operation.namespace, operation.key)
            if operation.refresh:
                tx.execute(_REFRESH, values)
            return Found([_item(row) for row in tx.execute(_GET, values)])
        case ask.FindItems():
            return _find(tx, agent, operation)
        case ask.ListNamespaces():
            return _list_namespaces(tx, agent, operation)


def _find(tx: Connection, agent: Agent, operation: ask.FindItems) -> Found:
    if len(operation.conditions) > MAX_CONDITIONS:
        raise UnprocessableContent(f"filter: at most {MAX_CONDITIONS} conditions are allowed.")
    labels = [*_check_labels(operation.prefix)]
    values = {**_owner(agent, labels), "prefix": labels, "n": len(labels), **_page(operation.limit, operation.offset)}
    where = []
    for n, condition in enumerate(operation.conditions):
        where.append(_condition(condition, n))
        path = [*condition.path]
        if not path or len(path) > MAX_CONDITIONS or has_nul(path):
            raise UnprocessableContent("filter: a condition is about a property, without NUL in its name.")
        value = _check_json(condition.value, "filter")
        values |= {f"path{n}": path, f"above{n}": path[:-1], f"value{n}": value}
    statement = sa.text(_FIND.format(conditions="".join(f" and {each}" for each in where)))
    rows = tx.execute(statement, values | {"max_bytes": MAX_FOUND_BYTES}).all()
    if any(row.value is None for row in rows):
        raise UnprocessableContent(_TOO_MUCH)
    if operation.refresh and any(row.ttl_minutes is not None for row in rows):
        for row in rows:
            tx.execute(_REFRESH, _place(agent, row.namespace, row.key))
    return Found([_item(row) for row in rows])


def _condition(condition: ask.Condition, n: int) -> str:
    """Return SQL that compares a part of the value, which is null where there is none."""
    part, value = f"coalesce(value #> cast(:path{n} as text[]), 'null')", f"cast(:value{n} as jsonb)"
    compared = f"{part} {_OPERATORS[condition.operator]} {value}"
    if condition.operator not in ("$eq", "$ne"):
        kind = f"jsonb_typeof({part})"
        compared += f" and {kind} in ('number', 'string') and {kind} = jsonb_typeof({value})"
    return f"jsonb_typeof(value #> cast(:above{n} as text[])) = 'object' and {compared}"


def _list_namespaces(tx: Connection, agent: Agent, operation: ask.ListNamespaces) -> Found:
    if len(operation.patterns) > MAX_CONDITIONS:
        raise UnprocessableContent(f"At most {MAX_CONDITIONS} patterns of namespaces are allowed.")
    depth = MAX_LABELS if operation.max_depth is None else max(0, min(operation.max_depth, MAX_LABELS))
    values = {**_owner(agent, []), "depth": depth, **_page(operation.limit, operation.offset)}
    where = ""
    for n, pattern in enumerate(operation.patterns):
        path = [*_check_labels(pattern.path)]
        where += f" and cardinality(namespace) >= {len(path)}"
        for i, label in enumerate(path):
            if label != "*":
                at = f"{i + 1}" if pattern.end == "prefix" else f"cardinality(namespace) - {len(path) - 1 - i}"
                where += f" and namespace[{at}] = :label{n}_{i}"
                values[f"label{n}_{i}"] = label
    found = tx.execute(sa.text(_NAMESPACES.format(conditions=where)), values).scalars()
    return Found(namespaces=[list(namespace) for namespace in found])


def _write(tx: Connection, agent: Agent, puts: Sequence[ask.PutItem]) -> None:
    tx.execute(_LOCK, {"workspace_id": str(agent.answer.workspace_id)})
    tx.execute(_DELETE_EXPIRED, {"workspace_id": agent.answer.workspace_id})
    for put in puts:
        values = _place(agent, put.namespace, put.key)
        if put.value is None:
            tx.execute(_DELETE, values)
            continue
        if put.ttl is not None and not (math.isfinite(put.ttl) and 0 < put.ttl <= MAX_TTL_MINUTES):
            raise UnprocessableContent("ttl: give minutes, more than 0 and at most ten years.")
        value = _check_json(put.value, "value")
        tx.execute(_PUT, values | {"value": value, "bytes": len(value.encode()), "ttl": put.ttl})
    items, size = tx.execute(_COUNT, {"workspace_id": agent.answer.workspace_id}).one()
    if items > MAX_ITEMS or size > MAX_BYTES:
        raise UnprocessableContent(
            f"The agents of this workspace remember at most {MAX_ITEMS:,} items with {MAX_BYTES:,} bytes. Delete some."
        )


def _place(agent: Agent, namespace: Sequence[str], key: str) -> dict[str, Any]:
    labels = [*_check_labels(namespace)]
    if not labels:
        raise UnprocessableContent("namespace: an item needs at least one label.")
    if "\0" in key or len("".join((*labels, key)).encode()) > MAX_NAME_BYTES:
        raise UnprocessableContent(f"A namespace with its key has at most {MAX_NAME_BYTES:,} bytes, without NUL.")
    return {**_owner(agent, labels), "namespace": labels, "key": key}


def _owner(agent: Agent, labels: Sequence[str]) -> dict[str, Any]:
    """Return whose items are below these labels: the person's, or all members'. Without labels, both are listed."""
    subject = "" if labels and labels[0] == SHARED else agent.task.subject
    return {"workspace_id": agent.answer.workspace_id, "agent": agent.task.agent, "subject": subject}


def _page(limit: int, offset: int) -> dict[str, int]:
    if not 0 <= limit <= MAX_FOUND or not 0 <= offset <= MAX_OFFSET:
        raise UnprocessableContent(f"limit and offset: at most {MAX_FOUND:,} and {MAX_OFFSET:,}, none below 0.")
    return {"limit": limit, "offset": offset}


def _check_labels(namespace: Sequence[str]) -> Sequence[str]:
    if len(namespace) > MAX_LABELS or not all(namespace) or has_nul(list(namespace)):
        raise UnprocessableContent(f"namespace: at most {MAX_LABELS} labels, none of them empty or with NUL.")
    return namespace


def _check_json(text: str, field: str) -> str:
    """Return JSON that the database can store. Raises UnprocessableContent, RecursionError."""
    if len(text.encode()) > MAX_VALUE_BYTES:
        raise UnprocessableContent(f"{field}: at most {MAX_VALUE_BYTES:,} bytes of JSON can be stored in an item.")
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UnprocessableContent(f"{field}: it is not JSON ({error}).") from error
    if has_nul(value):
        raise UnprocessableContent(f"{field}: texts with NUL can't be stored.")
    return text


def _item(row: Any) -> StoredItem:
    return StoredItem([*row.namespace], row.key, row.value, row.created_at, row.updated_at)


# One at a time for a workspace, so that the limits hold.
_LOCK = sa.text("select pg_advisory_xact_lock(hashtext('headwater.agent_items'), hashtext(:workspace_id))")

_DELETE_EXPIRED = sa.text("delete from agent_items where workspace_id = :workspace_id and expires_at <= now()")

_HERE = "workspace_id = :workspace_id and agent = :agent and subject = :subject"
_NOT_EXPIRED = "(expires_at is null or expires_at > now())"
_ITEM = f"{_HERE} and namespace = cast(:namespace as text[]) and key = :key"

_GET = sa.text(f"""
    select namespace, key, cast(value as text) as value, created_at, updated_at from agent_items
    where {_ITEM} and {_NOT_EXPIRED}
""")

_REFRESH = sa.text(f"""
    update agent_items set expires_at = now() + make_interval(secs => ttl_minutes * 60)
    where {_ITEM} and ttl_minutes is not null and {_NOT_EXPIRED}
""")

_PUT = sa.text("""
    insert into agent_items (workspace_id, agent, subject, namespace, key, value, bytes, ttl_minutes, expires_at)
    values (:workspace_id, :agent, :subject, cast(:namespace as text[]), :key, cast(:value as jsonb), :bytes,
      cast(:ttl as double precision), now() + make_interval(secs => cast(:ttl as double precision) * 60))
    on conflict on constraint pk_agent_items do update set value = excluded.value, bytes = excluded.bytes,
      ttl_minutes = excluded.ttl_minutes, expires_at = excluded.expires_at, updated_at = clock_timestamp()
""")

_DELETE = sa.text(f"delete from agent_items where {_ITEM}")

_COUNT = sa.text("select count(*), coalesce(sum(bytes), 0) from agent_items where workspace_id = :workspace_id")

# A prefix without labels also finds what all share.
_BELOW = f"""
    workspace_id = :workspace_id and agent = :agent
      and (subject = :subject or (cast(:n as integer) = 0 and subject = '')) and {_NOT_EXPIRED}
"""

# The values of a page that is too long are left out.
_FIND = f"""
    with page as (
      select namespace, key, value, bytes, ttl_minutes, created_at, updated_at from agent_items
      where {_BELOW} and namespace[1:cast(:n as integer)] = cast(:prefix as text[]) {{conditions}}
      order by updated_at desc, namespace, key limit :limit offset :offset)
    select namespace, key, ttl_minutes, created_at, updated_at,
      case when sum(bytes) over () <= :max_bytes then cast(value as text) end as value
    from page order by updated_at desc, namespace, key
"""

_NAMESPACES = f"""
    select distinct namespace[1:cast(:depth as integer)] as cut from agent_items
    where workspace_id = :workspace_id and agent = :agent and subject in (:subject, '')
      and {_NOT_EXPIRED} {{conditions}}
    order by cut limit :limit offset :offset
"""
