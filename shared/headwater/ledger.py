"""The ledger of steps: what is to be done flows in, who does it now and what came of it flows out.

A step goes `ready → running → done`, back to `ready` to be tried again, or to `failed` or `cancelled`. `fence` rises on
every claim, so a worker that lost its lease finds out when it wants to write; `attempt` rises on failures only, `lost`
with every lease that ran out. Every function here works in the transaction it is given, and only the database's clock
counts.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.db import as_rows
from headwater.errors import LeaseLost


@dataclass(frozen=True)
class NewStep:
    """A step to be added to a run; `payload` holds ids and keys, never a page's text."""

    queue: str
    kind: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A claimed step."""

    id: int
    run_id: uuid.UUID
    workspace_id: uuid.UUID
    queue: str
    kind: str
    key: str
    payload: dict[str, Any]
    attempt: int
    lost: int
    fence: int


def add_steps(tx: Connection, run_id: uuid.UUID, workspace_id: uuid.UUID, steps: Sequence[NewStep]) -> None:
    """Add steps to a run; one that is there already, by kind and key, is left as it is."""
    if not steps:
        return
    rows = [{"queue": s.queue, "kind": s.kind, "key": s.key, "payload": dict(s.payload)} for s in steps]
    tx.execute(_ADD, {"run_id": run_id, "workspace_id": workspace_id, "rows": as_rows(rows)})


def claim(tx: Connection, queue: str, kinds: Sequence[str], holder: str, lease_s: float) -> Step | None:
    """Take the next due step of a queue, or None when nothing is due.

    Fair: the workspace with the fewest running steps comes first, within it the step that has been due longest.
    """
    row = tx.execute(_CLAIM, {"queue": queue, "kinds": list(kinds), "holder": holder, "lease_s": lease_s}).one_or_none()
    return None if row is None else Step(**row._mapping)


def renew(tx: Connection, step: Step, lease_s: float) -> bool:
    """Extend a lease that is still ours; False when it isn't any more."""
    return tx.execute(_RENEW, {"id": step.id, "fence": step.fence, "lease_s": lease_s}).rowcount == 1


def lock(tx: Connection, step: Step) -> None:
    """Hold the step until the transaction ends; raises LeaseLost when somebody else has it now."""
    if tx.execute(_LOCK, {"id": step.id, "fence": step.fence}).one_or_none() is None:
        raise LeaseLost(f"Step {step.id} ({step.kind} {step.key}) belongs to another worker now.")


def complete(tx: Connection, step: Step, result: Mapping[str, int], then: Sequence[NewStep] = ()) -> None:
    """Finish a locked step with its counts, and add the steps that follow from it."""
    tx.execute(_COMPLETE, {"id": step.id, "result": json.dumps(dict(result))})
    add_steps(tx, step.run_id, step.workspace_id, then)


def try_again(tx: Connection, step: Step, delay_s: float, error: str) -> None:
    """Put a locked step back, due in `delay_s`, and count the failure."""
    tx.execute(_TRY_AGAIN, {"id": step.id, "delay_s": delay_s, "error": error})


def fail(tx: Connection, step: Step, error: str) -> None:
    """Give a locked step up for good."""
    tx.execute(_FAIL, {"id": step.id, "error": error})


def give_back(tx: Connection, step: Step) -> bool:
    """Return an unfinished step to `ready`, due at once, as if it had never been claimed; False when it isn't ours."""
    return tx.execute(_GIVE_BACK, {"id": step.id, "fence": step.fence}).rowcount == 1


def take_back(tx: Connection) -> int:
    """Return every step whose lease has run out to `ready`; returns how many."""
    return tx.execute(_TAKE_BACK).rowcount


def fan_in(tx: Connection, run_id: uuid.UUID | None = None) -> bool:
    """Add a `finish` step to a run (None: to each) that has no open step; returns whether one was added.

    Call it after the commit that completed a step. Inside of it, two last steps completing at once would each see the
    other open, and neither would add it.
    """
    return tx.execute(_FAN_IN, {"run_id": run_id}).rowcount > 0


def has_open_steps(tx: Connection) -> bool:
    """Tell whether any step of any run is still to be done."""
    return bool(tx.execute(sa.text("select exists (select 1 from steps where state in ('ready', 'running'))")).scalar())


_ADD = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key, payload)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), queue, kind, key, payload
    from json_to_recordset(cast(:rows as json)) as r (queue text, kind text, key text, payload jsonb)
    on conflict (run_id, kind, key) do nothing
""")

# `waiting` hops from workspace to workspace along the index, so the cost doesn't grow with the steps that wait.
_CLAIM = sa.text("""
    with recursive waiting (workspace_id) as (
      (select workspace_id from steps where queue = :queue and state = 'ready' order by workspace_id limit 1)
      union all
      select (select s.workspace_id from steps s
              where s.queue = :queue and s.state = 'ready' and s.workspace_id > w.workspace_id
              order by s.workspace_id limit 1)
      from waiting w where w.workspace_id is not null
    ), fair as materialized (
      select w.workspace_id, (select count(*) from steps r
                              where r.state = 'running' and r.workspace_id = w.workspace_id) as running
      from waiting w where w.workspace_id is not null order by running, random()
    ), next as (
      select due.id from fair cross join lateral (
        select s.id from steps s
        where s.queue = :queue and s.state = 'ready' and s.workspace_id = fair.workspace_id
          and s.not_before <= now() and s.kind = any(cast(:kinds as text[]))
        order by s.not_before, s.id limit 1 for update skip locked) due
      limit 1
    )
    update steps set state = 'running', fence = fence + 1, holder = :holder,
      lease_until = now() + make_interval(secs => cast(:lease_s as double precision))
    from next where steps.id = next.id
    returning steps.id, run_id, workspace_id, queue, kind, key, payload, attempt, lost, fence
""")

_RENEW = sa.text("""
    update steps set lease_until = now() + make_interval(secs => cast(:lease_s as double precision))
    where id = :id and fence = :fence and state = 'running'
""")

_LOCK = sa.text("select id from steps where id = :id and fence = :fence and state = 'running' for update")

_COMPLETE = sa.text("""
    update steps set state = 'done', lease_until = null, error = null, finished_at = now(),
      result = cast(:result as jsonb)
    where id = :id
""")

_TRY_AGAIN = sa.text("""
    update steps set state = 'ready', lease_until = null, attempt = attempt + 1, error = :error,
      not_before = now() + make_interval(secs => cast(:delay_s as double precision))
    where id = :id
""")

_FAIL = sa.text("""
    update steps set state = 'failed', lease_until = null, attempt = attempt + 1, error = :error, finished_at = now()
    where id = :id
""")

_GIVE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null where id = :id and fence = :fence and state = 'running'
""")

# A step whose row is locked is being written by its holder, who is alive however late.
_TAKE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null, lost = lost + 1
    where id in (select id from steps where state = 'running' and lease_until < now() for update skip locked)
""")

_FAN_IN = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key)
    select r.id, r.workspace_id, 'collection', 'finish',
      (select count(*) from steps f where f.run_id = r.id and f.kind = 'finish')
    from runs r
    where (cast(:run_id as uuid) is null or r.id = cast(:run_id as uuid)) and r.state = 'running'
      and not exists (select 1 from steps o where o.run_id = r.id and o.state in ('ready', 'running'))
    on conflict (run_id, kind, key) do nothing
""")
