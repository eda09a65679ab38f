"""Runs: started by a collect, read by whoever watches, ended by the `finish` step.

Counts are summed from the rows of items and steps while a run is open and frozen into the run when it ends; there is no
counter that two workers could both want to raise.
"""

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors import provider_of
from headwater import ledger, logs
from headwater.errors import Conflict, NotFound
from headwater.ledger import NewStep

Engine = Literal["tickets", "job"]
Trigger = Literal["api", "schedule", "job"]
State = Literal["running", "succeeded", "partial", "failed", "cancelled"]

MAX_REASONS = 1000
"""Failures and warnings a run tells at most, by key."""


class Counts(msgspec.Struct, frozen=True):
    """What a run has come to so far; no number ever falls.

    `listed` documents are in the listing, of which `added`, `changed`, `unchanged` and `failed` are done; `removed`
    were in the source before. `chunks` were made; `embedded` texts were sent to the model, for `reused` chunks a vector
    was found.
    """

    listed: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    reused: int = 0


class Reason(msgspec.Struct, frozen=True):
    """What is to be said about one key."""

    key: str
    reason: str


class Run(msgspec.Struct, frozen=True):
    """One collect of one source; `total` is None until the listing is known, `error` is a problem.

    `trigger` is what started it. `engine` is what works on it: `job` with the `execution` that does, once that is
    known, else `tickets`; `notice` tells when it had to be another than was meant.
    """

    id: uuid.UUID
    source_id: uuid.UUID
    kind: str
    trigger: Trigger
    engine: Engine
    execution: str | None
    notice: str | None
    state: State
    snapshot: str | None
    total: int | None
    counts: Counts
    failures: list[Reason]
    warnings: list[Reason]
    pending_removals: int
    error: dict[str, Any] | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


class RunQuery(msgspec.Struct, frozen=True):
    """Which runs are asked for."""

    source_id: uuid.UUID | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20


class RunList(msgspec.Struct, frozen=True):
    """Runs, the newest first."""

    runs: list[Run]


def start_run(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID, trigger: Trigger, execution: str | None = None
) -> tuple[uuid.UUID, bool]:
    """Open a run of a source with its first step, or find the one that is open.

    Returns the run's id and whether it is new. What a job starts, the job works on; `execution` is which, and is noted
    on an open run too. Raises NotFound for a source that isn't in the workspace.
    """
    new_id = uuid.uuid4()
    values: dict[str, Any] = {"id": new_id, "workspace_id": workspace_id, "source_id": source_id, "trigger": trigger}
    values |= {"engine": "job" if trigger == "job" else "tickets", "execution": execution}
    run_id: uuid.UUID | None = tx.execute(_START, values).scalar_one_or_none()
    if run_id is None:
        raise NotFound(f"No source {source_id} is here.")
    if run_id == new_id:
        source = tx.execute(sa.text("select kind, config from sources where id = :id"), {"id": source_id}).one()
        provider = provider_of(source.kind, source.config)
        ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "list", "", provider=provider)])
    return run_id, run_id == new_id


def cancel_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """End an open run where it stands: what is stored stays, what isn't begun never is.

    Waits for what is being written at this moment. Raises NotFound, or Conflict for a run that has ended.
    """
    run = read_run(tx, run_id)
    if run.state != "running":
        raise Conflict(f"The run has ended already: {run.state}.")
    ledger.cancel(tx, run_id)
    end_run(tx, run_id, "cancelled")
    ledger.cancel(tx, run_id)  # a `finish` that came in between
    return read_run(tx, run_id)


def end_run(tx: Connection, run_id: uuid.UUID, state: State, error: dict[str, Any] | None = None) -> None:
    """End an open run and freeze its counts; the log tells it, which is what an alarm looks for."""
    counts = msgspec.json.encode(count(tx, run_id)).decode()
    encoded = msgspec.json.encode(error).decode() if error else None
    source_id = tx.execute(
        _END, {"run_id": run_id, "state": state, "counts": counts, "error": encoded}
    ).scalar_one_or_none()
    if source_id is not None:
        severity = 40 if state == "failed" else 20
        logs.event("run.ended", severity=severity, run_id=run_id, source_id=source_id, state=state)


def count(tx: Connection, run_id: uuid.UUID) -> Counts:
    """Sum what a run has come to from its items and steps."""
    return msgspec.convert(dict(tx.execute(_COUNT, {"run_id": run_id}).one()._mapping), Counts)


def read_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """Read one run; raises NotFound for one that isn't in the workspace."""
    row = tx.execute(sa.text(f"{_SELECT} where id = :id"), {"id": run_id}).one_or_none()
    if row is None:
        raise NotFound(f"No run {run_id} is here.")
    return _as_run(tx, row)


def read_runs(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None, limit: int) -> list[Run]:
    """Read the newest runs of a workspace, or of one of its sources."""
    where = "where workspace_id = :workspace_id and (cast(:source_id as uuid) is null or source_id = :source_id)"
    statement = sa.text(f"{_SELECT} {where} order by created_at desc, id limit :limit")
    values = {"workspace_id": workspace_id, "source_id": source_id, "limit": limit}
    return [_as_run(tx, row) for row in tx.execute(statement, values)]


def _as_run(tx: Connection, row: Any) -> Run:
    counts = msgspec.convert(row.counts, Counts) if row.counts is not None else count(tx, row.id)
    told = tx.execute(_REASONS, {"run_id": row.id, "limit": MAX_REASONS}).all()
    failures = [Reason(item.key, item.reason) for item in told if item.state == "failed"]
    warnings = [Reason(item.key, item.warning) for item in told if item.warning]
    return Run(**{**row._mapping, "counts": counts, "failures": failures, "warnings": warnings})


# One statement: between an insert and a look for the open run, that run could end.
_START = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, trigger, engine, execution, job_asked_at)
    select cast(:id as uuid), workspace_id, id, 'collect', :trigger, :engine, cast(:execution as text),
      case when :engine = 'job' then now() end
    from sources where id = :source_id and workspace_id = :workspace_id
    on conflict (source_id) where state = 'running' do update
      set execution = coalesce(excluded.execution, runs.execution)
    returning id
""")

_END = sa.text("""
    update runs set state = :state, counts = cast(:counts as jsonb), error = cast(:error as jsonb), finished_at = now()
    where id = :run_id and state = 'running' returning source_id
""")

_COUNT = sa.text("""
    with items as (
      select count(*) filter (where action = 'added' and state = 'done') as added,
        count(*) filter (where action = 'changed' and state = 'done') as changed,
        count(*) filter (where action = 'removed' and state = 'done') as removed,
        count(*) filter (where state = 'failed') as failed
      from run_items where run_id = :run_id
    ), results as (
      select coalesce(sum((result ->> 'listed')::bigint), 0)::bigint as listed,
        coalesce(sum((result ->> 'unchanged')::bigint), 0)::bigint as unchanged,
        coalesce(sum((result ->> 'chunks')::bigint), 0)::bigint as chunks,
        coalesce(sum((result ->> 'embedded')::bigint), 0)::bigint as embedded
      from steps where run_id = :run_id and state = 'done'
    )
    select items.*, results.*, runs.reused from items, results, runs where runs.id = :run_id
""")

_SELECT = """
    select id, source_id, kind, trigger, engine, execution, notice, state, snapshot, total, counts, pending_removals,
      error, created_at, finished_at
    from runs
"""

_REASONS = sa.text("""
    select key, state, reason, warning from run_items
    where run_id = :run_id and (state = 'failed' or warning is not null) order by key limit :limit
""")
