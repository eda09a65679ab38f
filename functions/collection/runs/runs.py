"""Runs: started by a collect, read by whoever watches, ended by the `finish` step.

Counts are summed from the rows of items and steps while a run is open and frozen into the run when it ends; there is no
counter that two workers could both want to raise.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.connectors.registry import provider_of
from functions.collection.runs.metrics import FailureGroup, StepMetrics, read_failure_groups, read_metrics
from functions.collection.runs.pause import check_not_paused
from headwater import logs
from headwater.database.transactions import after_commit
from headwater.errors import Conflict, NotFound
from headwater.queue import ledger
from headwater.queue.ledger import NewStep

Kind = Literal["collect", "retry", "removal", "restore", "dry_run", "upload"]
Engine = Literal["tickets", "job"]
Trigger = Literal["api", "schedule", "job"]
State = Literal["running", "succeeded", "partial", "failed", "cancelled"]

MAX_REASONS = 1000
"""Failures and warnings a run tells at most, by key."""

ALARM_MIN_FAILURES = 20
"""Fewer documents that fail alarm nobody while the run itself hasn't failed."""


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


class RunSummary(msgspec.Struct, frozen=True):
    """One run of one source; `total` is None until the listing is known, `error` is a problem.

    `trigger` is what started it. `engine` is what works on it: `job` with the `execution` that does, once that is
    known, else `tickets`; `notice` tells when it had to be another than was meant.
    """

    id: uuid.UUID
    source_id: uuid.UUID
    kind: Kind
    trigger: Trigger
    engine: Engine
    execution: str | None
    notice: str | None
    state: State
    snapshot: str | None
    total: int | None
    counts: Counts
    pending_removals: int
    error: dict[str, Any] | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


class Run(RunSummary, frozen=True):
    """A run with what there is to say about single keys, and how it goes.

    `throughput` is in documents settled per second: over the last minute, of a run that has ended over all its time;
    None before anything. `seconds_left` is None where it can't be told.
    """

    failures: list[Reason]
    warnings: list[Reason]
    failure_groups: list[FailureGroup]
    steps: list[StepMetrics]
    throughput: float | None
    seconds_left: float | None


class StartedRun(msgspec.Struct, frozen=True):
    """The run that was started, or found open."""

    run_id: uuid.UUID


class RunQuery(msgspec.Struct, frozen=True):
    """Which runs are asked for."""

    source_id: uuid.UUID | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20


class RunList(msgspec.Struct, frozen=True):
    """Runs, the newest first."""

    runs: list[RunSummary]


def start_run(
    tx: Connection,
    workspace_id: uuid.UUID,
    source_id: uuid.UUID,
    trigger: Trigger,
    execution: str | None = None,
    *,
    dry_run: bool = False,
) -> tuple[uuid.UUID, bool]:
    """Open a run of a source with its first step, or find the one that is open, of whatever kind.

    A dry run finds what a collect would do, and does nothing of it. What a job starts, the job works on; `execution`
    is which, and is noted on an open run too. Returns the run's id and whether it is new. Raises NotFound for a source
    that isn't in the workspace, Conflict for one that is paused.
    """
    check_not_paused(tx, source_id)
    new_id = uuid.uuid4()
    values: dict[str, Any] = {"id": new_id, "workspace_id": workspace_id, "source_id": source_id, "trigger": trigger}
    values |= {"kind": "dry_run" if dry_run else "collect"}
    values |= {"engine": "job" if trigger == "job" else "tickets", "execution": execution}
    run_id: uuid.UUID | None = tx.execute(_START, values).scalar_one_or_none()
    if run_id is None:
        raise NotFound(f"No source {source_id} is here.")
    if run_id == new_id:
        payload = {"dry_run": True} if dry_run else {}
        step = NewStep("collection", "list", "", payload, read_provider(tx, source_id))
        ledger.add_steps(tx, run_id, workspace_id, [step])
    return run_id, run_id == new_id


def read_provider(tx: Connection, source_id: uuid.UUID) -> str | None:
    """Name what the steps of a source's runs talk to; see `NewStep`."""
    source = tx.execute(sa.text("select kind, config from sources where id = :id"), {"id": source_id}).one()
    return provider_of(source.kind, source.config)


def check_kind(tx: Connection, run_id: uuid.UUID, kinds: Sequence[str]) -> None:
    """Raise Conflict when the open run that was found in the place of a new one is of another kind than is wanted."""
    kind = tx.execute(sa.text("select kind from runs where id = :id"), {"id": run_id}).scalar_one()
    if kind not in kinds:
        raise open_run_conflict(run_id, kind)


def open_run_conflict(run_id: uuid.UUID, kind: str) -> Conflict:
    """Say that nothing can be begun while this run is open, and what to do."""
    said = f"A run of this source is open ({kind.replace('_', ' ')})."
    return Conflict(f"{said} Wait until it has ended, or cancel it: POST /api/runs/{run_id}/cancel.")


def cancel_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """End an open run where it stands: what is stored stays, what isn't begun never is.

    Waits for what is being written at this moment. Raises NotFound, or Conflict for a run that has ended.
    """
    run = read_summary(tx, run_id)
    if run.state != "running":
        raise Conflict(f"The run has ended already: {run.state}.")
    ledger.cancel(tx, run_id)
    if end_run(tx, run_id, "cancelled") is None:
        raise Conflict("The run has ended in the meantime.")
    ledger.cancel(tx, run_id)  # a `finish` that came in between
    return read_run(tx, run_id)


def end_run(tx: Connection, run_id: uuid.UUID, state: State, error: dict[str, Any] | None = None) -> uuid.UUID | None:
    """End an open run and freeze its counts; once that is committed the log tells it, as an error if it is alarming.

    Returns the run's source, None when the run has ended before.
    """
    counts = count(tx, run_id)
    values: dict[str, Any] = {"run_id": run_id, "state": state, "counts": msgspec.json.encode(counts).decode()}
    values["error"] = msgspec.json.encode(error).decode() if error else None
    source_id: uuid.UUID | None = tx.execute(_END, values).scalar_one_or_none()
    if source_id is None:
        return None
    reason = error["detail"] if error else None
    if reason is None and counts.failed:
        reason = read_failure_groups(tx, run_id, most=1)[0].reason
    tell = partial(logs.event, "run.ended", severity=40 if is_alarming(state, counts) else 20)
    told = partial(tell, run_id=run_id, source_id=source_id, state=state, failed=counts.failed, reason=reason)
    after_commit(tx, told)
    return source_id


def is_alarming(state: State, counts: Counts) -> bool:
    """Tell whether somebody should hear of how a run ended: it failed, or most of what it was to do did.

    20 failures of 30 documents are alarming, 20 of 40 are not, and 19 of 19 neither: a person has just saved them.
    """
    succeeded = counts.added + counts.changed + counts.removed
    return state == "failed" or (
        state == "partial" and counts.failed >= ALARM_MIN_FAILURES and counts.failed > succeeded
    )


def count(tx: Connection, run_id: uuid.UUID) -> Counts:
    """Sum what a run has come to from its items and steps; raises NotFound for one that has gone with its source."""
    counted = _count(tx, [run_id])
    if run_id not in counted:
        raise NotFound(f"No run {run_id} is here.")
    return counted[run_id]


def read_version(tx: Connection, run_id: uuid.UUID) -> str:
    """Name the state that a run and its steps are in; whatever `read_run` tells changes with it, but for the clock.

    Raises NotFound.
    """
    version: str | None = tx.execute(_VERSION, {"run_id": run_id}).scalar_one_or_none()
    if version is None:
        raise NotFound(f"No run {run_id} is here.")
    return version


def read_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """Read one run with its reasons and figures; raises NotFound for one that isn't in the workspace."""
    summary = read_summary(tx, run_id)
    told = tx.execute(_REASONS, {"run_id": run_id, "limit": MAX_REASONS}).all()
    figures = read_metrics(tx, run_id)
    return Run(
        **msgspec.structs.asdict(summary),
        failures=[Reason(item.key, item.reason) for item in told if item.state == "failed"],
        warnings=[Reason(item.key, item.warning) for item in told if item.warning],
        failure_groups=read_failure_groups(tx, run_id) if summary.counts.failed else [],
        **msgspec.structs.asdict(figures),
    )


def read_summary(tx: Connection, run_id: uuid.UUID) -> RunSummary:
    """Read one run as lists tell it; raises NotFound for one that isn't in the workspace."""
    found = _summaries(tx, tx.execute(sa.text(f"{_SELECT} where id = :id"), {"id": run_id}).all())
    if not found:
        raise NotFound(f"No run {run_id} is here.")
    return found[0]


def read_runs(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None, limit: int) -> list[RunSummary]:
    """Read the newest runs of a workspace, or of one of its sources."""
    where = "where workspace_id = :workspace_id and (cast(:source_id as uuid) is null or source_id = :source_id)"
    statement = sa.text(f"{_SELECT} {where} order by created_at desc, id limit :limit")
    values = {"workspace_id": workspace_id, "source_id": source_id, "limit": limit}
    return _summaries(tx, tx.execute(statement, values).all())


def read_last_runs(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None) -> dict[uuid.UUID, RunSummary]:
    """Read the newest run of each source of a workspace, or of one of them, by the source's id."""
    rows = tx.execute(_LAST, {"workspace_id": workspace_id, "source_id": source_id}).all()
    return {run.source_id: run for run in _summaries(tx, rows)}


def _summaries(tx: Connection, rows: Sequence[Any]) -> list[RunSummary]:
    """Make summaries of rows; those of open runs are counted, all in one statement. What has gone since is left out."""
    open_ids = [row.id for row in rows if row.counts is None]
    counted = _count(tx, open_ids) if open_ids else {}
    frozen = {row.id: msgspec.convert(row.counts, Counts) for row in rows if row.counts is not None}
    counts = frozen | counted
    return [RunSummary(**{**row._mapping, "counts": counts[row.id]}) for row in rows if row.id in counts]


def _count(tx: Connection, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Counts]:
    rows = tx.execute(_COUNT, {"ids": [str(run_id) for run_id in run_ids]}).all()
    return {row.id: msgspec.convert(dict(row._mapping), Counts) for row in rows}


# One statement: between an insert and a look for the open run, that run could end.
_START = sa.text("""
    insert into runs (id, workspace_id, source_id, kind, trigger, engine, execution, job_asked_at)
    select cast(:id as uuid), workspace_id, id, :kind, :trigger, :engine, cast(:execution as text),
      case when :engine = 'job' then now() end
    from sources where id = :source_id and workspace_id = :workspace_id
    on conflict (source_id) where state = 'running' do update
      set execution = coalesce(excluded.execution, runs.execution)
    returning id
""")

_END = sa.text("""
    update runs set state = :state, counts = cast(:counts as jsonb), error = cast(:error as jsonb),
      finished_at = clock_timestamp()
    where id = :run_id and state = 'running' returning source_id
""")

_COUNT = sa.text("""
    select r.id, items.*, results.*, r.reused from runs r
    cross join lateral (
      select count(*) filter (where action = 'added' and state = 'done') as added,
        count(*) filter (where action = 'changed' and state = 'done') as changed,
        count(*) filter (where action = 'removed' and state = 'done') as removed,
        count(*) filter (where state = 'failed') as failed
      from run_items where run_id = r.id
    ) items
    cross join lateral (
      select coalesce(sum((result ->> 'listed')::bigint), 0)::bigint as listed,
        coalesce(sum((result ->> 'unchanged')::bigint), 0)::bigint as unchanged,
        coalesce(sum((result ->> 'chunks')::bigint), 0)::bigint as chunks,
        coalesce(sum((result ->> 'embedded')::bigint), 0)::bigint as embedded
      from steps where run_id = r.id and state = 'done'
    ) results
    where r.id = any(cast(:ids as uuid[]))
""")

# Nothing happens to an item without a step that ends, or a change of the run.
_VERSION = sa.text("""
    select md5(concat(r.xmin, s)) from runs r cross join lateral (
      select count(*), sum(fence), sum(attempt), sum(lost), count(*) filter (where state = 'ready'),
        count(*) filter (where state = 'running'), count(*) filter (where state = 'done'),
        count(*) filter (where state = 'failed')
      from steps where run_id = r.id) s
    where r.id = :run_id
""")

_SELECT = """
    select id, source_id, kind, trigger, engine, execution, notice, state, snapshot, total, counts, pending_removals,
      error, created_at, finished_at
    from runs
"""

_LAST = sa.text(f"""
    select last.* from sources s cross join lateral (
      {_SELECT} where source_id = s.id order by created_at desc, id limit 1) last
    where s.workspace_id = :workspace_id and (cast(:source_id as uuid) is null or s.id = :source_id)
""")

_REASONS = sa.text("""
    select key, state, reason, warning from run_items
    where run_id = :run_id and (state = 'failed' or warning is not null) order by key limit :limit
""")
