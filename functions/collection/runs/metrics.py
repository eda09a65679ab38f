"""Metrics of a run: step counts and durations, throughput, time left, failures grouped by reason.

The database computes all of them but the time left, which is a pure function.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

MAX_GROUPS = 100
"""Maximum number of failure groups of a run."""

_MIN_FRACTION = 0.05
"""Fraction of a phase that must be done before its time left is estimated."""

_FETCH_SHARE = 0.25
"""Assumed share of fetching in a run's duration, until embedding has started. The rest is embedding."""


class StepMetrics(msgspec.Struct, frozen=True):
    """Counts and durations of a run's steps of one kind.

    `attempts` counts failed attempts, `lost` expired leases. `seconds` is the total duration of the done steps,
    `p95_seconds` their 95th percentile, null if there are none.
    """

    kind: str
    ready: int
    running: int
    done: int
    failed: int
    cancelled: int
    attempts: int
    lost: int
    seconds: float
    p95_seconds: float | None


class FailureGroup(msgspec.Struct, frozen=True):
    """Failures with the same reason. Keys, numbers and hashes in `reason` are replaced by `…`; `key` is an example."""

    reason: str
    count: int
    key: str


class RunMetrics(msgspec.Struct, frozen=True):
    """Metrics of a run. See `Run`."""

    steps: list[StepMetrics]
    throughput: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class PhaseProgress:
    """Progress of one phase of a run: fetching, counted in documents, or embedding, counted in steps."""

    done: int
    remaining: int
    seconds: float
    """Seconds since the phase started."""


def read_metrics(tx: Connection, run_id: uuid.UUID) -> RunMetrics:
    """Read a run's metrics. They are empty if the run isn't in the workspace."""
    rows = tx.execute(_METRICS, {"run_id": run_id}).all()
    if not rows:
        return RunMetrics([], None, None)
    steps = [msgspec.convert(dict(row._mapping), StepMetrics) for row in rows if row.kind is not None]
    if not rows[0].is_open:
        return RunMetrics(steps, _rate(rows[0].finished, rows[0].total_s) if rows[0].finished else None, None)
    embedding = next((row for row in rows if row.kind == "embed"), None)
    texts = (
        PhaseProgress(embedding.done, embedding.ready + embedding.running, embedding.elapsed_s) if embedding else None
    )
    left_s = seconds_left(PhaseProgress(rows[0].fetched, rows[0].pending, rows[0].fetching_s), texts)
    recent_rate = _rate(rows[0].finished_recently, min(60.0, rows[0].fetching_s)) if rows[0].finished else None
    return RunMetrics(steps, recent_rate, left_s)


def read_failure_groups(tx: Connection, run_id: uuid.UUID, limit: int = MAX_GROUPS) -> list[FailureGroup]:
    """Read a run's failures grouped by reason, most frequent first."""
    rows: list[Any] = list(tx.execute(_GROUPS, {"run_id": run_id, "limit": limit}))
    return [FailureGroup(row.reason, row.failures, row.key) for row in rows]


def seconds_left(fetching: PhaseProgress, embedding: PhaseProgress | None) -> float | None:
    """Estimate the remaining duration of an open run from its speed so far. None if too little is done.

    Documents are fetched first, then their texts are embedded. With 100 of 400 documents fetched in 10 s, fetching
    takes 40 s, of which 30 s are left, and embedding 120 s more: 150 s. With 3 of 12 embed steps done in 20 s: 60 s.
    """
    phase = fetching if fetching.remaining or embedding is None else embedding
    if phase.remaining == 0 or phase.done < _MIN_FRACTION * (phase.done + phase.remaining):
        return None
    left_s = phase.seconds / phase.done * phase.remaining
    if phase is fetching:
        left_s += (phase.seconds + left_s) * (1 / _FETCH_SHARE - 1)
    return round(left_s, 1)


def _rate(documents: int, seconds: float) -> float:
    return round(documents / max(seconds, 0.001), 2)


# Items count as finished within the last minute if the `fetch` step of their batch was. The fetching phase starts with
# the first `fetch` step.
_METRICS = sa.text("""
    with run as (
      select id, state = 'running' as is_open, extract(epoch from finished_at - created_at)::float8 as total_s,
        extract(epoch from now() - coalesce(
          (select min(started_at) from steps where run_id = runs.id and kind = 'fetch'), created_at))::float8
          as fetching_s
      from runs where id = :run_id
    ), recent_batches as materialized (
      select distinct (payload ->> 'batch')::integer as batch from steps
      where run_id = :run_id and kind = 'fetch' and finished_at > now() - interval '1 min'
    ), items as (
      select count(*) filter (
          where state <> 'pending' and (action not in ('skipped', 'unchanged') or batch is not null)) as finished,
        count(*) filter (where state <> 'pending' and (action in ('added', 'changed') or batch is not null)) as fetched,
        count(*) filter (where state = 'pending' and (action in ('added', 'changed') or batch is not null)) as pending,
        count(*) filter (where state <> 'pending' and batch in (select batch from recent_batches)) as finished_recently
      from run_items where run_id = :run_id
    ), kinds as (
      select kind, min(id) as first, count(*) filter (where state = 'ready') as ready,
        count(*) filter (where state = 'running') as running, count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'failed') as failed, count(*) filter (where state = 'cancelled') as cancelled,
        sum(attempt) as attempts, sum(lost) as lost,
        coalesce(sum(took_s) filter (where state = 'done'), 0) as seconds,
        percentile_cont(0.95) within group (order by took_s) filter (where state = 'done') as p95_seconds,
        coalesce(extract(epoch from now() - min(started_at)), 0)::float8 as elapsed_s
      from (select *, extract(epoch from finished_at - started_at)::float8 as took_s
            from steps where run_id = :run_id) s
      group by kind
    )
    select kinds.*, items.*, run.* from run cross join items left join kinds on true order by kinds.first
""")

# Keys are replaced first and the reasons grouped, so that the slow regular expressions run on few rows. Keys of up to
# three characters stay: they may be part of any word. Hashes contain digits and letters; numbers are whole words; HTTP
# statuses stay.
_HASH = r"\m([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64})\M"
_NUMBER = r"(?<!HTTP |[A-Za-z0-9_-])[0-9]+([.,:][0-9]+)*"

_GROUPS = sa.text(f"""
    with reasons as (
      select case when length(key) > 3 then replace(reason, key, '…') else reason end as reason,
        count(*) as failures, min(key) as key
      from run_items where run_id = :run_id and state = 'failed' group by 1
    ), folded as (
      select regexp_replace(regexp_replace(coalesce(reason, ''), '{_HASH}', '…', 'g'), '{_NUMBER}', '…', 'g') as reason,
        failures, key
      from reasons
    )
    select reason, sum(failures)::bigint as failures, min(key) as key from folded
    group by reason order by failures desc, reason limit :limit
""")
