"""End a run: store its counts, log the result, cancel its open steps."""

import uuid
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.runs.locks import cancel_steps, lock_source_of_run
from functions.collection.runs.metrics import read_failure_groups
from functions.collection.runs.queued import start_queued_run
from functions.collection.runs.read import Counts, Run, State, read_counts, read_run, read_summary
from headwater import logs
from headwater.database.transactions import after_commit
from headwater.errors import Conflict
from headwater.schedules.standing import lock_askers

ALARM_MIN_FAILURES = 20
"""A partly failed run with fewer failures is not logged as an error."""


def cancel_run(tx: Connection, run_id: uuid.UUID) -> Run:
    """Cancel an open run. What it has stored remains; steps that have not started never run.

    Waits for steps that are being committed. Raises NotFound, or Conflict if the run has ended.
    """
    run = read_summary(tx, run_id)
    if run.state != "running":
        raise Conflict(f"The run has already ended ({run.state}).")
    cancel_steps(tx, run_id)
    if end_run(tx, run_id, "cancelled") is None:
        raise Conflict("The run has already ended.")
    return read_run(tx, run_id)


def end_run(tx: Connection, run_id: uuid.UUID, state: State, error: dict[str, Any] | None = None) -> uuid.UUID | None:
    """End an open run, store its counts, and open the run that is queued behind it.

    After the commit the result is logged, as an error if it is alarming.

    Returns the id of the run's source, or None if the run had already ended.
    """
    lock_source_of_run(tx, run_id)
    lock_askers(tx, run_id)
    counts = read_counts(tx, run_id)
    values: dict[str, Any] = {"run_id": run_id, "state": state, "counts": msgspec.json.encode(counts).decode()}
    values["error"] = msgspec.json.encode(error).decode() if error else None
    source_id: uuid.UUID | None = tx.execute(_END, values).scalar_one_or_none()
    if source_id is None:
        return None
    reason = error["detail"] if error else None
    if reason is None and counts.failed:
        reason = read_failure_groups(tx, run_id, limit=1)[0].reason
    fields: dict[str, Any] = {
        "run_id": run_id,
        "source_id": source_id,
        "state": state,
        "failed": counts.failed,
        "still_failing": counts.still_failing,
        "reason": reason,
    }
    severity = 40 if is_alarming(state, counts) else 20
    after_commit(tx, partial(logs.event, "run.ended", severity=severity, **fields))
    start_queued_run(tx, source_id)
    return source_id


def is_alarming(state: State, counts: Counts) -> bool:
    """Return whether the end of a run should raise an alarm: it failed, most of its documents did, or no text could be
    embedded.

    20 failures of 30 documents are alarming; 20 of 40 are not. 19 of 19 are not either: a few new documents may all be
    broken without a fault of the installation. Documents that failed before raise no alarm again.
    """
    succeeded = counts.added + counts.changed + counts.moved + counts.removed
    failed = counts.failed - counts.still_failing
    is_mostly_failed = failed >= ALARM_MIN_FAILURES and failed > succeeded
    has_no_vectors = bool(counts.chunks) and not counts.embedded and not counts.reused
    return state == "failed" or (state == "partial" and (is_mostly_failed or has_no_vectors))


_END = sa.text("""
    update runs set state = :state, counts = cast(:counts as jsonb), error = cast(:error as jsonb),
      finished_at = clock_timestamp()
    where id = :run_id and state = 'running' returning source_id
""")
