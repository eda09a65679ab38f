"""The ledger of steps: what is to be done flows in, who does it now and what came of it flows out.

A step goes `ready → running → done`, back to `ready` to be tried again, or to `failed` or `cancelled`. `fence` rises on
every claim, so a worker that lost its lease finds out when it wants to write; `attempt` rises on failures only, `lost`
with every lease that ran out. Every function here works in the transaction it is given, and only the database's clock
counts. What may follow what is drawn in `docs/ledger.md` and held by the database itself.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import json_rows
from headwater.errors import LeaseLost


@dataclass(frozen=True)
class NewStep:
    """A step to be added to a run; `payload` holds ids and keys, never a page's text.

    `provider` is what it will talk to, such as `git github.com`, None when that can't be blocked.
    """

    queue: str
    kind: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    provider: str | None = None


@dataclass(frozen=True)
class Step:
    """A claimed step; `waited_s` is how long it had been due.

    `previous_run_is_open` tells of the run that was asked about when it was claimed.
    """

    id: int
    run_id: uuid.UUID
    workspace_id: uuid.UUID
    queue: str
    kind: str
    key: str
    payload: dict[str, Any]
    provider: str | None
    attempt: int
    lost: int
    fence: int
    waited_s: float = 0.0
    previous_run_is_open: bool = False


def add_steps(tx: Connection, run_id: uuid.UUID, workspace_id: uuid.UUID, steps: Sequence[NewStep]) -> None:
    """Add steps to a run; one that is there already, by kind and key, is left as it is."""
    if not steps:
        return
    rows = [
        {"queue": s.queue, "kind": s.kind, "key": s.key, "payload": dict(s.payload), "provider": s.provider}
        for s in steps
    ]
    tx.execute(_ADD, {"run_id": run_id, "workspace_id": workspace_id, "rows": json_rows(rows)})


def claim(
    tx: Connection,
    queue: str,
    kinds: Sequence[str],
    holder: str,
    lease_s: float,
    *,
    after_workspace: uuid.UUID | None = None,
    previous_run: uuid.UUID | None = None,
) -> Step | None:
    """Take the next due step of a queue, or None when nothing is due.

    Fair: the workspace with the fewest running steps comes first, among equals the one after `after_workspace` in the order of
    ids (None: anyone), within it the step that has been due longest. `previous_run` is a run of which the caller wants to
    know whether it has an open step.
    """
    values = {"queue": queue, "kinds": list(kinds), "holder": holder, "lease_s": lease_s}
    row = tx.execute(
        CLAIM, {**values, "after_workspace": after_workspace or uuid.uuid4(), "previous_run": previous_run}
    ).one_or_none()
    return None if row is None else Step(**row._mapping)


def renew(tx: Connection, step: Step, lease_s: float) -> bool:
    """Extend a lease that is still ours; False when it isn't any more, or the step is being written just now."""
    return tx.execute(_RENEW, {"id": step.id, "fence": step.fence, "lease_s": lease_s}).rowcount == 1


def lock(tx: Connection, step: Step) -> None:
    """Hold the step until the transaction ends; raises LeaseLost when somebody else has it now."""
    if tx.execute(_LOCK, {"id": step.id, "fence": step.fence}).one_or_none() is None:
        raise LeaseLost(f"Step {step.id} ({step.kind} {step.key}) belongs to another worker now.")


def complete(
    tx: Connection, step: Step, result: Mapping[str, int], then: Sequence[NewStep] = (), trace: str = ""
) -> None:
    """Finish a locked step with its counts, and add the steps that follow from it."""
    tx.execute(_COMPLETE, {"id": step.id, "result": json.dumps(dict(result)), "trace": trace})
    add_steps(tx, step.run_id, step.workspace_id, then)


def retry(tx: Connection, step: Step, delay_s: float, error: str) -> None:
    """Put a locked step back, due in `delay_s`, and count the failure."""
    tx.execute(_RETRY, {"id": step.id, "delay_s": delay_s, "error": error})


def fail(tx: Connection, step: Step, error: str, trace: str = "") -> None:
    """Give a locked step up for good."""
    tx.execute(_FAIL, {"id": step.id, "error": error, "trace": trace})


def cancel_same_kind(tx: Connection, step: Step, error: str) -> int:
    """Cancel the steps of the same run and kind that nobody has begun; returns how many."""
    return tx.execute(_CANCEL_SAME_KIND, {"run_id": step.run_id, "kind": step.kind, "error": error}).rowcount


def cancel(tx: Connection, run_id: uuid.UUID) -> None:
    """Cancel every open step of a run. A step that is being written is waited for, and what follows from it cancelled.

    Whoever holds a running step finds out when it wants to write.
    """
    while tx.execute(_IS_OPEN, {"run_id": run_id}).scalar_one():
        tx.execute(_CANCEL, {"run_id": run_id})


def block(tx: Connection, provider: str, for_s: float, reason: str) -> bool:
    """Have nobody talk to a provider for a while: none of its steps is due before; returns whether that is news.

    In every workspace, so `tx` must be the engine's; and it must hold no step, as whoever cancels a run holds several.
    Steps that are running go on; one that finds the provider still unwilling blocks it for longer.
    """
    values = {"name": provider, "for_s": for_s, "reason": reason}
    was_blocked = tx.execute(_IS_BLOCKED, values).scalar_one()
    if tx.execute(_BLOCK, values).rowcount:
        tx.execute(_DELAY, values)
    return not was_blocked


def give_back(tx: Connection, step: Step) -> bool:
    """Return an unfinished step to `ready`, due at once, as if it had never been claimed.

    False when it isn't ours any more, or is being written just now: whoever writes it is about to finish it.
    """
    return tx.execute(_GIVE_BACK, {"id": step.id, "fence": step.fence}).rowcount == 1


def release(tx: Connection, holder: str) -> int:
    """Give back every step that `holder`, who works on none now, still has; returns how many."""
    return tx.execute(_RELEASE, {"holder": holder}).rowcount


def take_back(tx: Connection) -> int:
    """Return every step whose lease has run out to `ready`; returns how many."""
    return tx.execute(TAKE_BACK).rowcount


def fan_in(tx: Connection, run_id: uuid.UUID | None = None) -> bool:
    """Add a `finish` step to a run (None: to each) that has no open step; returns whether one was added.

    Call it after the commit that completed a step. Inside of it, two last steps completing at once would each see the
    other open, and neither would add it.
    """
    return tx.execute(FAN_IN, {"run_id": run_id}).rowcount > 0


def has_open_runs(tx: Connection) -> bool:
    """Tell whether any run is still to be ended: one may have no open step between its last one and its `finish`."""
    return bool(tx.execute(sa.text("select exists (select 1 from runs where state = 'running')")).scalar())


_ADD = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key, payload, provider, not_before)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), queue, kind, key, payload, provider,
      greatest(now(), (select blocked_until from providers p where p.name = r.provider))
    from json_to_recordset(cast(:rows as json)) as r (queue text, kind text, key text, payload jsonb, provider text)
    on conflict (run_id, kind, key) do nothing
""")

# `waiting` hops from workspace to workspace along the index, so the cost doesn't grow with the steps that wait.
CLAIM = sa.text("""
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
      from waiting w where w.workspace_id is not null
      order by running, w.workspace_id <= cast(:after_workspace as uuid), w.workspace_id
    ), next as (
      select due.id from fair cross join lateral (
        select s.id from steps s
        where s.queue = :queue and s.state = 'ready' and s.workspace_id = fair.workspace_id
          and s.not_before <= now() and s.kind = any(cast(:kinds as text[]))
        order by s.not_before, s.id limit 1 for update skip locked) due
      limit 1
    )
    update steps set state = 'running', fence = fence + 1, holder = :holder, started_at = now(),
      lease_until = now() + make_interval(secs => cast(:lease_s as double precision))
    from next where steps.id = next.id
    returning steps.id, run_id, workspace_id, queue, kind, key, payload, provider, attempt, lost, fence,
      extract(epoch from now() - steps.not_before)::float8 as waited_s,
      exists (select 1 from steps o
              where o.run_id = cast(:previous_run as uuid) and o.is_open) as previous_run_is_open
""")

# Waiting for one step's writer must not let the leases of others run out.
_RENEW = sa.text("""
    update steps set lease_until = now() + make_interval(secs => cast(:lease_s as double precision))
    where id = (select id from steps where id = :id and fence = :fence and state = 'running' for update skip locked)
""")

_LOCK = sa.text("select id from steps where id = :id and fence = :fence and state = 'running' for update")

_COMPLETE = sa.text("""
    update steps set state = 'done', lease_until = null, error = null, finished_at = clock_timestamp(),
      result = cast(:result as jsonb), trace = :trace
    where id = :id
""")

_RETRY = sa.text("""
    update steps set state = 'ready', lease_until = null, attempt = attempt + 1, error = :error,
      not_before = greatest(now() + make_interval(secs => cast(:delay_s as double precision)),
        (select blocked_until from providers p where p.name = steps.provider))
    where id = :id
""")

_FAIL = sa.text("""
    update steps set state = 'failed', lease_until = null, attempt = attempt + 1, error = :error,
      finished_at = clock_timestamp(), trace = :trace
    where id = :id
""")

_CANCEL_SAME_KIND = sa.text("""
    update steps set state = 'cancelled', error = :error, finished_at = now()
    where id in (select id from steps
                 where run_id = :run_id and kind = :kind and state = 'ready' for update skip locked)
""")

_IS_OPEN = sa.text("""
    select exists (select 1 from steps where run_id = :run_id and is_open)
""")

# In the order of their ids, as everybody who locks several steps does.
_CANCEL = sa.text("""
    update steps set state = 'cancelled', lease_until = null, finished_at = now()
    where id in (select id from steps where run_id = :run_id and is_open order by id for update)
""")

_IS_BLOCKED = sa.text("select exists (select 1 from providers where name = :name and blocked_until > now())")

_BLOCK = sa.text("""
    insert into providers (name, blocked_until, reason)
    values (:name, now() + make_interval(secs => cast(:for_s as double precision)), :reason)
    on conflict (name) do update set blocked_until = excluded.blocked_until, reason = excluded.reason
      where providers.blocked_until < excluded.blocked_until - interval '1 s'
""")

_DELAY = sa.text("""
    update steps set not_before = waiting.blocked_until from (
      select s.id, p.blocked_until from steps s join providers p on p.name = s.provider
      where p.name = :name and s.state = 'ready' and s.not_before < p.blocked_until
      for update of s skip locked) waiting
    where steps.id = waiting.id
""")

_GIVE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null
    where id = (select id from steps where id = :id and fence = :fence and state = 'running' for update skip locked)
""")

_RELEASE = sa.text("update steps set state = 'ready', lease_until = null where holder = :holder and state = 'running'")

# A step whose row is locked is being written by its holder, who is alive however late.
TAKE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null, lost = lost + 1
    where id in (select id from steps where state = 'running' and lease_until < now() for update skip locked)
""")

FAN_IN = sa.text("""
    insert into steps (run_id, workspace_id, queue, kind, key)
    select r.id, r.workspace_id, 'collection', 'finish',
      (select count(*) from steps f where f.run_id = r.id and f.kind = 'finish')
    from (select id, workspace_id from runs
          where (cast(:run_id as uuid) is null or id = cast(:run_id as uuid)) and state = 'running'
            and not exists (select 1 from steps o where o.run_id = runs.id and o.is_open)
          for share) r
    on conflict (run_id, kind, key) do nothing
""")
