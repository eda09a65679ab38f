"""The ledger: a durable queue of steps in Postgres.

A step moves `ready → running → done`, back to `ready` for a retry, or ends as `failed` or `cancelled`; the database
enforces the transitions (docs/ledger.md). Each claim increments `fence`, so a worker that lost its lease cannot commit.
`attempt` counts failures, `lost` counts expired leases. Functions run in the caller's transaction. All times come from
the database clock.
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
    """A step to add to a run; `payload` holds ids and keys, never a page's text.

    `provider`: the remote service the step calls (`headwater.queue.providers`), None if it calls none. All steps of a
    provider wait when it asks for a pause. `is_urgent`: claim it before the run's other ready steps of the queue.
    """

    queue: str
    kind: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    provider: str | None = None
    is_urgent: bool = False


@dataclass(frozen=True)
class Step:
    """A claimed step.

    `waited_s`: seconds between due time and claim. `failing_s`: seconds since the first failure, 0 without one.
    `previous_run_is_open`: whether the run passed to `claim` still has open steps.
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
    failing_s: float = 0.0
    previous_run_is_open: bool = False


def add_steps(tx: Connection, run_id: uuid.UUID, workspace_id: uuid.UUID, steps: Sequence[NewStep]) -> None:
    """Insert steps into a run. Existing steps with the same kind and key are left unchanged."""
    if not steps:
        return
    rows = [{**vars(step), "payload": dict(step.payload)} for step in steps]
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
    max_running: int | None = None,
) -> Step | None:
    """Claim the next due step of a queue, or return None.

    Workspaces are served fairly: fewest running steps first, ties in round-robin order after `after_workspace` (None:
    a random start). Within a workspace, runs take turns, so that a small source doesn't wait for a large one: fewest
    running steps first, ties at random; within a run, the oldest due step. Workspaces with `max_running` running steps
    in the queue are passed over. `previous_run`: a run whose open steps are to be checked in the same statement.
    """
    values: dict[str, Any] = {"queue": queue, "kinds": list(kinds), "holder": holder, "lease_s": lease_s}
    values["max_running"] = max_running
    values |= {"after_workspace": after_workspace or uuid.uuid4(), "previous_run": previous_run}
    row = tx.execute(CLAIM, values).one_or_none()
    return None if row is None else Step(**row._mapping)


def renew(tx: Connection, step: Step, lease_s: float) -> bool:
    """Extend the lease. Returns False if another worker holds the step or its result is being committed."""
    return tx.execute(_RENEW, {"id": step.id, "fence": step.fence, "lease_s": lease_s}).rowcount == 1


def lock(tx: Connection, step: Step) -> None:
    """Lock the step's row for this transaction. Raises LeaseLost if another worker has claimed it."""
    if tx.execute(_LOCK, {"id": step.id, "fence": step.fence}).one_or_none() is None:
        raise LeaseLost(f"Step {step.id} ({step.kind} {step.key}) was claimed by another worker.")


def complete(
    tx: Connection, step: Step, counts: Mapping[str, int], next_steps: Sequence[NewStep] = (), trace: str = ""
) -> None:
    """Mark a locked step as done, store its counts and insert the steps that follow it."""
    tx.execute(_COMPLETE, {"id": step.id, "result": json.dumps(dict(counts)), "trace": trace})
    add_steps(tx, step.run_id, step.workspace_id, next_steps)


def retry(tx: Connection, step: Step, delay_s: float, error: str, max_attempts: int) -> None:
    """Return a locked step to `ready`, due in `delay_s`, and count the failure, one of `max_attempts`."""
    tx.execute(_RETRY, {"id": step.id, "delay_s": delay_s, "error": error, "max_attempts": max_attempts})


def fail(tx: Connection, step: Step, error: str, trace: str = "") -> None:
    """Mark a locked step as failed; it is not retried."""
    tx.execute(_FAIL, {"id": step.id, "error": error, "trace": trace})


def cancel_same_kind(tx: Connection, step: Step, error: str) -> int:
    """Cancel the ready steps of the same run and kind. Returns their number."""
    return tx.execute(_CANCEL_SAME_KIND, {"run_id": step.run_id, "kind": step.kind, "error": error}).rowcount


def cancel(tx: Connection, run_id: uuid.UUID) -> None:
    """Cancel every open step of a run.

    Waits for steps that are being committed and cancels the steps that follow them. The workers of running steps get
    LeaseLost when they try to commit.
    """
    while has_open_steps(tx, run_id):
        tx.execute(_CANCEL, {"run_id": run_id})


def has_open_steps(tx: Connection, run_id: uuid.UUID) -> bool:
    """Return True if any step of a run is ready or running."""
    return bool(tx.execute(_HAS_OPEN_STEPS, {"run_id": run_id}).scalar_one())


def block(tx: Connection, provider: str, for_s: float, reason: str) -> bool:
    """Delay all ready steps of a provider by `for_s`. Returns True if the provider was not blocked before.

    Needs a transaction with the scope ALL_WORKSPACES that holds no step lock (cancelling locks several steps, so this
    could deadlock). Running steps continue; if the provider still asks to wait, the block is extended. It is never
    shortened: a step that succeeds may have been sent before. `reason` may be shown to every workspace that uses the
    provider.
    """
    values = {"name": provider, "for_s": for_s, "reason": reason}
    was_blocked = tx.execute(_IS_BLOCKED, values).scalar_one()
    if tx.execute(_BLOCK, values).rowcount:
        tx.execute(_DELAY, values)
    return not was_blocked


def change_provider(tx: Connection, source_id: uuid.UUID, old: str | None, new: str | None) -> None:
    """Move the ready steps of a source's open run to another provider, as its credential has changed."""
    tx.execute(_CHANGE_PROVIDER, {"source_id": source_id, "old": old, "new": new})


def delete_expired_blocks(tx: Connection) -> None:
    """Delete the blocks that have ended. Needs a transaction with the scope ALL_WORKSPACES."""
    tx.execute(sa.text("delete from providers where blocked_until < now()"))


def give_back(tx: Connection, step: Step) -> bool:
    """Return an unfinished step to `ready`, due now; neither `attempt` nor `lost` changes.

    Returns False if another worker holds the step or its result is being committed.
    """
    return tx.execute(_GIVE_BACK, {"id": step.id, "fence": step.fence}).rowcount == 1


def release(tx: Connection, holder: str) -> int:
    """Return all running steps of an idle `holder` to `ready`. Returns their number."""
    return tx.execute(_RELEASE, {"holder": holder}).rowcount


def take_back(tx: Connection) -> int:
    """Return steps with expired leases to `ready`. Returns their number."""
    return tx.execute(TAKE_BACK).rowcount


def fan_in(tx: Connection, run_id: uuid.UUID | None = None) -> bool:
    """Add a `finish` step to each run without open steps (or to one run). Returns True if any was added.

    Call it after the commit that completes a step: inside the transaction, two last steps completing concurrently would
    each see the other as open.
    """
    return tx.execute(FAN_IN, {"run_id": run_id}).rowcount > 0


def has_open_runs(tx: Connection) -> bool:
    """Return True if any run is running, even without open steps: between its last step and `finish` it has none.

    Runs of the queue `chat` don't count.
    """
    return bool(tx.execute(_HAS_OPEN_RUNS).scalar())


def has_open_chat_steps(tx: Connection) -> bool:
    """Return True if any step of the queue `chat` is ready or running."""
    return bool(tx.execute(_HAS_OPEN_CHAT_STEPS).scalar())


def rewrite_lost_answers(tx: Connection, overdue_s: float) -> bool:
    """Open a run for each answer whose writer has not renewed its lease since `overdue_s`, which writes it again.

    Returns True if any answer is being written. Needs a transaction with the scope ALL_WORKSPACES.
    """
    return bool(tx.execute(_REWRITE_LOST_ANSWERS, {"overdue_s": overdue_s}).scalar())


# Steps of a provider become due one after another when its block ends: within a tenth of the pause, at most a minute.
_SPREAD = "random() * least(blocked_until - now(), interval '10 min') / 10"

# `provider_block` sees the blocks of all workspaces, which row-level security hides. The oldest due step comes first:
# an urgent one is due just before it.
_ADD = sa.text(f"""
    with new as (
      select * from json_to_recordset(cast(:rows as json))
        as r (queue text, kind text, key text, payload jsonb, provider text, is_urgent boolean)
    ), blocks as (
      select provider, blocked_until from (select distinct provider from new) used cross join provider_block(provider)
    )
    insert into steps (run_id, workspace_id, queue, kind, key, payload, provider, not_before)
    select cast(:run_id as uuid), cast(:workspace_id as uuid), queue, kind, key, payload, provider,
      coalesce((select blocked_until + {_SPREAD} from blocks where blocks.provider = new.provider),
        (select min(s.not_before) - interval '1 ms' from steps s
          where new.is_urgent and s.queue = new.queue and s.state = 'ready' and s.workspace_id = :workspace_id
            and s.run_id = :run_id and s.not_before <= now()),
        now())
    from new
    on conflict (run_id, kind, key) do nothing
""")

# `waiting` and `runs_of` are loose index scans: one index probe per workspace with ready steps, and one per run of the
# workspace that is served, independent of how many steps wait.
CLAIM = sa.text("""
    with recursive waiting (workspace_id) as (
      (select workspace_id from steps where queue = :queue and state = 'ready' order by workspace_id limit 1)
      union all
      select (select s.workspace_id from steps s
              where s.queue = :queue and s.state = 'ready' and s.workspace_id > w.workspace_id
              order by s.workspace_id limit 1)
      from waiting w where w.workspace_id is not null
    ), fair as materialized (
      select w.workspace_id, r.running
      from waiting w cross join lateral (
        select count(*) as running, count(*) filter (where s.queue = :queue and s.lease_until > now()) as in_queue
        from steps s where s.state = 'running' and s.workspace_id = w.workspace_id) r
      where w.workspace_id is not null and r.in_queue < coalesce(cast(:max_running as integer), r.in_queue + 1)
      order by running, w.workspace_id <= cast(:after_workspace as uuid), w.workspace_id
    ), next as (
      select due.id from fair cross join lateral (
        with recursive runs_of (run_id) as (
          (select run_id from steps where queue = :queue and state = 'ready' and workspace_id = fair.workspace_id
           order by run_id limit 1)
          union all
          select (select s.run_id from steps s
                  where s.queue = :queue and s.state = 'ready' and s.workspace_id = fair.workspace_id
                    and s.run_id > o.run_id
                  order by s.run_id limit 1)
          from runs_of o where o.run_id is not null
        ), running as (
          select run_id, count(*) as n from steps
          where state = 'running' and workspace_id = fair.workspace_id and queue = :queue group by run_id
        ), turns as materialized (
          select o.run_id from runs_of o left join running using (run_id)
          where o.run_id is not null order by coalesce(running.n, 0), random()
        )
        select s.id from turns cross join lateral (
          select s.id from steps s
          where s.queue = :queue and s.state = 'ready' and s.workspace_id = fair.workspace_id
            and s.run_id = turns.run_id and s.not_before <= now() and s.kind = any(cast(:kinds as text[]))
          order by s.not_before, s.id limit 1 for update skip locked) s
        limit 1) due
      limit 1
    )
    update steps set state = 'running', fence = fence + 1, holder = :holder, started_at = now(),
      lease_until = now() + make_interval(secs => cast(:lease_s as double precision))
    from next where steps.id = next.id
    returning steps.id, run_id, workspace_id, queue, kind, key, payload, provider, attempt, lost, fence,
      extract(epoch from now() - steps.not_before)::float8 as waited_s,
      coalesce(extract(epoch from now() - steps.first_failed_at), 0)::float8 as failing_s,
      exists (select 1 from steps o
              where o.run_id = cast(:previous_run as uuid) and o.is_open) as previous_run_is_open
""")

# SKIP LOCKED: renewing must not wait for a step that is being committed.
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
      max_attempts = :max_attempts, first_failed_at = coalesce(first_failed_at, now()),
      not_before = greatest(now() + make_interval(secs => cast(:delay_s as double precision)),
        (select blocked_until from provider_block(steps.provider)))
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

_HAS_OPEN_STEPS = sa.text("select exists (select 1 from steps where run_id = :run_id and is_open)")

# Every statement that locks several steps locks them in the order of their ids.
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

# SKIP LOCKED: a step that is claimed or cancelled concurrently isn't waited for.
_DELAY = sa.text(f"""
    update steps set not_before = waiting.due from (
      select s.id, blocked_until + {_SPREAD} as due from steps s join providers p on p.name = s.provider
      where p.name = :name and s.state = 'ready' and s.not_before < p.blocked_until
      for update of s skip locked) waiting
    where steps.id = waiting.id
""")

# SKIP LOCKED: the caller holds the source, which steps that are being committed may wait for.
_CHANGE_PROVIDER = sa.text("""
    update steps set provider = :new,
      not_before = coalesce((select blocked_until from provider_block(:new)), least(not_before, now()))
    where id in (
      select s.id from steps s join runs r on r.id = s.run_id
      where r.source_id = :source_id and r.state = 'running' and s.state = 'ready' and s.provider = :old
      for update of s skip locked)
""")

_GIVE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null
    where id = (select id from steps where id = :id and fence = :fence and state = 'running' for update skip locked)
""")

_RELEASE = sa.text("update steps set state = 'ready', lease_until = null where holder = :holder and state = 'running'")

# SKIP LOCKED: a locked row is being committed by a live worker.
TAKE_BACK = sa.text("""
    update steps set state = 'ready', lease_until = null, lost = lost + 1
    where id in (select id from steps where state = 'running' and lease_until < now() for update skip locked)
""")

# Runs of the queue `chat` end with their last step.
ENDING_THEMSELVES = "('answer', 'extraction', 'standing')"

_HAS_OPEN_CHAT_STEPS = sa.text("""
    select exists (select 1 from steps where queue = 'chat' and state = 'ready')
      or exists (select 1 from steps where queue = 'chat' and state = 'running')
""")

_HAS_OPEN_RUNS = sa.text(
    f"select exists (select 1 from runs where state = 'running' and kind not in {ENDING_THEMSELVES})"
)

_REWRITE_LOST_ANSWERS = sa.text("select rewrite_lost_answers(null, null, :overdue_s)")

FAN_IN = sa.text(f"""
    insert into steps (run_id, workspace_id, queue, kind, key)
    select r.id, r.workspace_id, 'collection', 'finish',
      (select count(*) from steps f where f.run_id = r.id and f.kind = 'finish')
    from (select id, workspace_id from runs
          where (cast(:run_id as uuid) is null or id = cast(:run_id as uuid)) and state = 'running'
            and kind not in {ENDING_THEMSELVES}
            and not exists (select 1 from steps o where o.run_id = runs.id and o.is_open)
          for share) r
    on conflict (run_id, kind, key) do nothing
""")
