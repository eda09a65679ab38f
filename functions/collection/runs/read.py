"""Read runs: summaries, counts, failures and metrics.

The counts of an open run are summed from its items and steps, those of an ended run are stored with it. There is no
counter row that concurrent workers would have to update.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.metrics import FailureGroup, StepMetrics, read_failure_groups, read_metrics
from functions.collection.runs.unmatched import UnmatchedFiles, read_left_out
from functions.collection.runs.waiting import WAITING, Waiting, read_waiting
from headwater.connectors import Period
from headwater.errors import NotFound

Kind = Literal["collect", "retry", "removal", "restore", "dry_run", "upload"]
Engine = Literal["tickets", "job"]
Trigger = Literal["api", "schedule", "job", "webhook"]
State = Literal["running", "succeeded", "partial", "failed", "cancelled"]

LISTING_KINDS = ("collect", "retry", "dry_run")
"""Kinds of run that connect to the source."""

COLLECT_KINDS: tuple[Kind, ...] = ("collect", "retry")
"""Kinds of run that store documents of the source."""

EXTENDABLE_KINDS = ("restore", "upload")
"""Kinds of run that accept further items while they are open."""

MAX_REASONS = 1000
"""Maximum number of failures and warnings in a `Run`."""


class Counts(msgspec.Struct, frozen=True):
    """Progress of a run. No count ever decreases.

    `listed` is the number of documents in the listing; `added`, `changed`, `moved`, `unchanged` and `failed` are those
    of them that are finished. `moved` documents have another key, and perhaps another text. `still_failing` of the
    failed ones are unchanged since an earlier run in which they failed. `removed` documents were missing from the
    listing. `chunks` were created; `embedded` texts were sent to the embedding model; `reused` chunks already had a
    vector.
    """

    listed: int = 0
    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: int = 0
    still_failing: int = 0
    chunks: int = 0
    embedded: int = 0
    reused: int = 0


class Reason(msgspec.Struct, frozen=True):
    """The failure or warning of one document."""

    key: str
    reason: str


ProblemDetails = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Problem"})]


class RunSummary(msgspec.Struct, frozen=True):
    """One run of one source.

    `trigger` is what started it. `engine` is what works on its steps: tickets or the job, with the job's `execution`
    once it is known. `notice` says that the engine had to be changed, that the listing has no documents, or that it
    leaves out as many as it has; `unmatched` counts all files that it leaves out. `waiting` is what an open run waits
    for, null if it waits for nothing. A backfill has `everything`, or the days `since` and `until` of the documents
    that it lists. `total` is the number of documents, null until the source is listed. `error` is a problem (RFC 9457).
    """

    id: uuid.UUID
    source_id: uuid.UUID
    kind: Kind
    trigger: Trigger
    engine: Engine
    execution: str | None
    notice: str | None
    unmatched: list[UnmatchedFiles]
    waiting: Waiting | None
    everything: bool
    since: dt.date | None
    until: dt.date | None
    state: State
    snapshot: str | None
    total: int | None
    counts: Counts
    pending_removals: int
    error: ProblemDetails | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


class Run(RunSummary, frozen=True):
    """One run with its failures, warnings and metrics.

    `throughput` is in documents per second: over the last minute while the run is open, over its whole duration
    afterwards, null before the first document. `seconds_left` is an estimate, null if there is none.
    """

    failures: list[Reason]
    warnings: list[Reason]
    failure_groups: list[FailureGroup]
    steps: list[StepMetrics]
    throughput: float | None
    seconds_left: float | None


class RunQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Filter of a list of runs."""

    source_id: uuid.UUID | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 20


class RunList(msgspec.Struct, frozen=True):
    """Runs, newest first."""

    runs: list[RunSummary]


def read_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """Read a run with its failures, warnings and metrics. Raises NotFound."""
    summary = read_summary(tx, run_id)
    items = tx.execute(_REASONS, {"run_id": run_id, "limit": MAX_REASONS}).all()
    metrics = read_metrics(tx, run_id)
    return Run(
        **msgspec.structs.asdict(summary),
        failures=[Reason(item.key, item.reason) for item in items if item.state == "failed"],
        warnings=[Reason(item.key, item.warning) for item in items if item.warning],
        failure_groups=read_failure_groups(tx, run_id) if summary.counts.failed else [],
        **msgspec.structs.asdict(metrics),
    )


def read_summary(tx: Connection, run_id: uuid.UUID) -> RunSummary:
    """Read a run's summary. Raises NotFound."""
    summaries = _summaries(tx, tx.execute(sa.text(f"{_SELECT} and id = :id"), {"id": run_id}).all())
    if not summaries:
        raise run_not_found(run_id)
    return summaries[0]


def read_runs(tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None, limit: int) -> list[RunSummary]:
    """Read the newest runs of a workspace, or of one of its sources."""
    where = "and workspace_id = :workspace_id and (cast(:source_id as uuid) is null or source_id = :source_id)"
    statement = sa.text(f"{_SELECT} {where} order by created_at desc, id limit :limit")
    values = {"workspace_id": workspace_id, "source_id": source_id, "limit": limit}
    return _summaries(tx, tx.execute(statement, values).all())


def read_last_runs(
    tx: Connection, workspace_id: uuid.UUID, source_id: uuid.UUID | None, kinds: Sequence[Kind] = get_args(Kind)
) -> dict[uuid.UUID, RunSummary]:
    """Read the newest run of these kinds of each source of a workspace, or of one source, by source id."""
    values = {"workspace_id": workspace_id, "source_id": source_id, "kinds": list(kinds)}
    rows = tx.execute(_LAST, values).all()
    return {run.source_id: run for run in _summaries(tx, rows)}


def read_counts(tx: Connection, run_id: uuid.UUID) -> Counts:
    """Sum a run's counts from its items and steps. Raises NotFound if the run was deleted with its source."""
    counts = _sum_counts(tx, [run_id])
    if run_id not in counts:
        raise run_not_found(run_id)
    return counts[run_id]


def read_version(tx: Connection, run_id: uuid.UUID) -> str:
    """Return a version of the run, for use as an ETag. Raises NotFound.

    It changes with everything that `read_run` returns, except for what depends on the clock.
    """
    version: str | None = tx.execute(_VERSION, {"run_id": run_id, "ids": [str(run_id)]}).scalar_one_or_none()
    if version is None:
        raise run_not_found(run_id)
    return version


def run_not_found(run_id: uuid.UUID) -> NotFound:
    """Return the error for a run that doesn't exist in the workspace."""
    return NotFound(f"Run not found: {run_id}.")


def _summaries(tx: Connection, rows: Sequence[Any]) -> list[RunSummary]:
    """Convert rows of runs. Open runs are counted in one statement; those deleted since are left out."""
    open_ids = [row.id for row in rows if row.counts is None]
    summed = _sum_counts(tx, open_ids) if open_ids else {}
    waiting = read_waiting(tx, open_ids) if open_ids else {}
    stored = {row.id: msgspec.convert(row.counts, Counts) for row in rows if row.counts is not None}
    counts = stored | summed
    return [
        RunSummary(
            **{**_columns(row), **_notices(row), "counts": counts[row.id], "waiting": waiting.get(row.id)},
        )
        for row in rows
        if row.id in counts
    ]


def _columns(row: Any) -> dict[str, Any]:
    """Return the columns of a run, with the options that its first step has."""
    columns = dict(row._mapping)
    options = columns.pop("options") or {}
    period = msgspec.convert(options.get("period") or {}, Period)
    return {**columns, "everything": "everything" in options, "since": period.since, "until": period.until}


def _notices(row: Any) -> dict[str, Any]:
    """Return the notice of the engine and that of the listing as one, and the files that the listing left out."""
    unmatched = read_left_out(row.unmatched)
    notices = [notice for notice in (unmatched.notice, row.notice) if notice]
    return {"notice": " ".join(notices) or None, "unmatched": unmatched.files}


def _sum_counts(tx: Connection, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Counts]:
    rows = tx.execute(_COUNT, {"ids": [str(run_id) for run_id in run_ids]}).all()
    return {row.id: msgspec.convert(dict(row._mapping), Counts) for row in rows}


_SELECT = """
    select id, source_id, kind, trigger, engine, execution, notice, unmatched, state, snapshot, total, counts,
      pending_removals, error, created_at, finished_at,
      (select payload from steps where run_id = runs.id and kind = 'list' and key = '') as options
    from runs where source_id is not null
"""

_LAST = sa.text(f"""
    select last.* from sources s cross join lateral (
      {_SELECT} and source_id = s.id and kind = any(cast(:kinds as text[])) order by created_at desc, id limit 1) last
    where s.workspace_id = :workspace_id and (cast(:source_id as uuid) is null or s.id = :source_id)
""")

_COUNT = sa.text("""
    select r.id, items.*, results.*, r.reused from runs r
    cross join lateral (
      select count(*) filter (where action = 'added' and state = 'done') as added,
        count(*) filter (where action = 'changed' and state = 'done') as changed,
        count(*) filter (where action = 'moved' and state = 'done') as moved,
        count(*) filter (where action = 'removed' and state = 'done') as removed,
        count(*) filter (where state = 'failed') as failed,
        count(*) filter (where state = 'failed' and action = 'unchanged') as still_failing
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

# Items change only when a step ends or the run itself changes.
_VERSION = sa.text(f"""
    select md5(concat(r.xmin, s, w)) from runs r left join ({WAITING}) w on true cross join lateral (
      select count(*), sum(fence), sum(attempt), sum(lost), count(*) filter (where state = 'ready'),
        count(*) filter (where state = 'running'), count(*) filter (where state = 'done'),
        count(*) filter (where state = 'failed')
      from steps where run_id = r.id) s
    where r.id = :run_id
""")

_REASONS = sa.text("""
    select key, state, reason, warning from run_items
    where run_id = :run_id and (state = 'failed' or warning is not null) order by key limit :limit
""")
