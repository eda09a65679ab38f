"""Read what open runs wait for: a provider's pause, the next attempt of a step, the job, or the queue.

Everything is computed from the runs' open steps, so nothing has to be updated when a wait begins or ends.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.queue.providers import server_of

WaitingFor = Literal["provider", "retry", "job", "queue"]

_REASONS = {
    "job": "The job is starting.",
    "queue": "The next step starts as soon as a worker is free.",
}


class Waiting(msgspec.Struct, frozen=True):
    """What an open run waits for, and the number of `steps` that wait for it. Other steps may be running.

    `provider`: `server` has asked for a pause. `retry`: a step has failed and is tried again, as `attempt` of
    `max_attempts`; `reason` is the error. `job`: the job has not started yet. `queue`: the run's steps are due, but all
    workers are busy. `until` is when the wait ends, null if that is not known or has been reached.
    """

    kind: WaitingFor
    reason: str
    until: dt.datetime | None
    server: str | None
    steps: int
    attempt: int | None
    max_attempts: int | None


def read_waiting(tx: Connection, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Waiting]:
    """Read what open runs wait for, by run id. Runs that wait for nothing are left out."""
    rows = tx.execute(_READ, {"ids": [str(run_id) for run_id in run_ids]})
    return {
        row.run_id: Waiting(
            row.kind,
            _REASONS.get(row.kind) or row.reason or "",
            row.until,
            server_of(row.provider) if row.provider else None,
            row.steps,
            row.attempt,
            row.max_attempts,
        )
        for row in rows
    }


# One row per run: the first of the reasons that hold for it. `later`: when a step that isn't due yet becomes due.
WAITING = """
    with open as materialized (
      select id, run_id, state, provider, attempt, max_attempts, error,
        case when state = 'ready' and not_before > now() then not_before end as later
      from steps where run_id = any(cast(:ids as uuid[])) and is_open
    ), blocks as materialized (
      select provider, reason from (select distinct provider from open where later is not null) used
      cross join provider_block(provider)
    ), reasons as (
      select run_id, 1 as rank, 'provider' as kind, provider, reason, min(later) as until, count(*) as steps,
        cast(null as integer) as attempt, cast(null as integer) as max_attempts
      from open join blocks using (provider) where later is not null group by run_id, provider, reason
      union all
      select run_id, 2, 'retry', provider, error, later, count(*) over (partition by run_id), attempt + 1, max_attempts
      from open where attempt > 0
      union all
      select run_id, 3, case when r.engine = 'job' and not exists (
          select 1 from steps s where s.run_id = r.id and s.started_at > r.job_asked_at) then 'job' else 'queue' end,
        null, null, case when bool_and(later is not null) then min(later) end, count(*), null, null
      from open join runs r on r.id = run_id group by run_id, r.id having bool_and(open.state = 'ready')
    )
    select distinct on (run_id) run_id, kind, provider, reason, until, steps, attempt, max_attempts
    from reasons order by run_id, rank, attempt desc, until
"""

_READ = sa.text(WAITING)
