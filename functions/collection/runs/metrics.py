"""Metrics of a run: step counts and durations, throughput, time left, failures grouped by reason.

Read with the run by whoever watches it. All are summed by the database; the guess at what is left is pure.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

MAX_GROUPS = 100
"""Groups of failures that a run tells at most."""

_TELLING_FRACTION = 0.05
"""Less than this done says nothing about the rest."""

_READING_SHARE = 0.25
"""The share of a run's time that reading documents takes, as far as nothing better is known; the rest is embedding."""


class StepMetrics(msgspec.Struct, frozen=True):
    """What became of a run's steps of one kind.

    `attempts` failed, `lost` leases ran out. `seconds` is the sum over what is done, `p95_seconds` what 95 of 100 steps
    stay under, None while nothing is done.
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
    """So many failures for one `reason`, in which `…` stands for keys, numbers and hashes; `key` is one of them."""

    reason: str
    count: int
    key: str


class RunMetrics(msgspec.Struct, frozen=True):
    """How a run goes: see `Run`."""

    steps: list[StepMetrics]
    throughput: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class PhaseProgress:
    """A part of a run: how much of it is done, how much is left, and for how many seconds it has been going on."""

    done: int
    rest: int
    seconds: float


def read_metrics(tx: Connection, run_id: uuid.UUID) -> RunMetrics:
    """Read how a run goes; of one that isn't in the workspace nothing is told."""
    rows = tx.execute(_METRICS, {"run_id": run_id}).all()
    if not rows:
        return RunMetrics([], None, None)
    steps = [msgspec.convert(dict(row._mapping), StepMetrics) for row in rows if row.kind is not None]
    if not rows[0].is_open:
        return RunMetrics(steps, _rate(rows[0].settled, rows[0].seconds_in_all) if rows[0].settled else None, None)
    embedding = next((row for row in rows if row.kind == "embed"), None)
    texts = (
        PhaseProgress(embedding.done, embedding.ready + embedding.running, embedding.going_on_s) if embedding else None
    )
    left_s = seconds_left(PhaseProgress(rows[0].fetched, rows[0].pending, rows[0].reading_s), texts)
    lately = _rate(rows[0].settled_lately, min(60.0, rows[0].reading_s)) if rows[0].settled else None
    return RunMetrics(steps, lately, left_s)


def read_failure_groups(tx: Connection, run_id: uuid.UUID, limit: int = MAX_GROUPS) -> list[FailureGroup]:
    """Read a run's failures by reason, the most frequent first."""
    rows: list[Any] = list(tx.execute(_GROUPS, {"run_id": run_id, "limit": limit}))
    return [FailureGroup(row.reason, row.failures, row.key) for row in rows]


def seconds_left(documents: PhaseProgress, texts: PhaseProgress | None) -> float | None:
    """Guess how long an open run will go on, as if the rest went like what is done; None when it can't be told.

    Documents are read first; then texts are embedded, counted in steps. With 100 of 400 documents read in 10 s reading
    takes 40 s, of which 30 are left, and embedding 120 s more: 150 s. With 3 of 12 embed steps done in 20 s: 60 s.
    """
    part = documents if documents.rest or texts is None else texts
    if part.rest == 0 or part.done < _TELLING_FRACTION * (part.done + part.rest):
        return None
    left_s = part.seconds / part.done * part.rest
    if part is documents:
        left_s += (part.seconds + left_s) * (1 / _READING_SHARE - 1)
    return round(left_s, 1)


def _rate(settled: int, seconds: float) -> float:
    return round(settled / max(seconds, 0.001), 2)


# What is settled by a step that ended within the last minute counts as settled then. Reading begins with the first
# step that does.
_METRICS = sa.text("""
    with run as (
      select id, state = 'running' as is_open, extract(epoch from finished_at - created_at)::float8 as seconds_in_all,
        extract(epoch from now() - coalesce(
          (select min(started_at) from steps where run_id = runs.id and kind = 'fetch'), created_at))::float8
          as reading_s
      from runs where id = :run_id
    ), lately as materialized (
      select distinct (payload ->> 'batch')::integer as batch from steps
      where run_id = :run_id and kind = 'fetch' and finished_at > now() - interval '1 min'
    ), items as (
      select count(*) filter (where state <> 'pending' and action <> 'skipped') as settled,
        count(*) filter (where state <> 'pending' and action in ('added', 'changed')) as fetched,
        count(*) filter (where state = 'pending' and action in ('added', 'changed')) as pending,
        count(*) filter (where state <> 'pending' and batch in (select batch from lately)) as settled_lately
      from run_items where run_id = :run_id
    ), kinds as (
      select kind, min(id) as first, count(*) filter (where state = 'ready') as ready,
        count(*) filter (where state = 'running') as running, count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'failed') as failed, count(*) filter (where state = 'cancelled') as cancelled,
        sum(attempt) as attempts, sum(lost) as lost,
        coalesce(sum(took_s) filter (where state = 'done'), 0) as seconds,
        percentile_cont(0.95) within group (order by took_s) filter (where state = 'done') as p95_seconds,
        coalesce(extract(epoch from now() - min(started_at)), 0)::float8 as going_on_s
      from (select *, extract(epoch from finished_at - started_at)::float8 as took_s
            from steps where run_id = :run_id) s
      group by kind
    )
    select kinds.*, items.*, run.* from run cross join items left join kinds on true order by kinds.first
""")

# Keys go first, which mostly leaves few reasons to look at closely; a short one may be a part of any word. Hashes and
# ids have digits and letters; numbers are whole words, and HTTP statuses say something.
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
