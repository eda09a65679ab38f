"""Start and supervise the Cloud Run job for large runs.

The `list` step, a retry or a build sets a run's engine to `job`; `JobStarter.start` is called after that commit.
Starting an execution is not idempotent, so the request is recorded (`job_asked_at`) and committed before the call: a
run gets at most one execution. If the call or the job fails, the watchdog finds a run without progress and sets its
engine back to `tickets`. A job that starts late works on the same steps, together with the tickets.
"""

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UpstreamError
from headwater.google_clients import connection, with_deadlines
from headwater.outbound.deadline import within
from headwater.queue.tickets import QUEUES, Tickets
from headwater.redaction import quote

if TYPE_CHECKING:
    from google.cloud.run_v2 import JobsClient


class JobStarter:
    """Starts executions with Google's Cloud Run client, and hands runs back to tickets if the job fails."""

    call_s = 20.0
    """Seconds for the call that starts an execution."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets

    def start(self, run_id: uuid.UUID | None = None) -> None:
        """Start the execution that a run waits for, or those of all runs. If that fails, tickets take over the run."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            waiting = tx.execute(_RECORD_REQUEST, {"run_id": run_id}).all()
        for run in waiting:
            workers = job_workers(run.documents or 0, self.settings.bulk_threshold, self.settings.max_job_workers)
            try:
                execution = self._execute(run, workers)
            except UpstreamError as error:
                logs.event("job.not_started", severity=40, error=error, run_id=run.id)
                self._use_tickets(run.id, f"{error.message} Tickets work on the run instead.")
            else:
                logs.event("job.started", run_id=run.id, execution=execution, workers=workers, documents=run.documents)
                with self.database.transaction(ALL_WORKSPACES) as tx:
                    tx.execute(_RECORD_EXECUTION, {"run_id": run.id, "execution": execution})

    def watch(self) -> None:
        """The watchdog: start missing executions, take over runs whose job makes no progress, check the tickets."""
        self.start()
        patience_s = self.settings.job_patience_s
        values = {
            "patience_s": patience_s,
            "silent": f"The job made no progress for {patience_s:g} seconds. Tickets work on the run instead.",
            "idle": "The run had to wait longer than the job does. Tickets continue it.",
        }
        with self.database.transaction(ALL_WORKSPACES) as tx:
            silent = tx.execute(_TAKE_OVER_SILENT, values).all()
        for run in silent:
            logs.event("job.silent", severity=30, run_id=run.id, execution=run.execution)
        self.tickets.watch()

    def _use_tickets(self, run_id: uuid.UUID, notice: str) -> None:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(_USE_TICKETS, {"run_id": run_id, "notice": notice})
        self.tickets.wake(QUEUES)

    def _execute(self, run: Any, workers: int) -> str:
        """Start an execution and return its name. Raises UpstreamError if Cloud Run refuses or can't be reached."""
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

        settings = self.settings
        name = f"projects/{settings.google_cloud_project}/locations/{settings.cloud_region}/jobs/{settings.job_name}"
        arguments = ["collect", f"--source={run.source_id}", f"--run={run.id}"] if run.source_id else ["drain"]
        overrides = {"container_overrides": [{"args": arguments}], "task_count": workers}
        try:
            request = {"name": name, "overrides": overrides}
            with within(self.call_s):
                operation = self._client.run_job(request=request, retry=None, timeout=self.call_s)
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise UpstreamError(
                f"The Cloud Run job {settings.job_name} couldn't be started: {quote(error, 300)}."
            ) from error
        return str(operation.metadata.name).rpartition("/")[2]

    @cached_property
    def _client(self) -> "JobsClient":
        from google.cloud.run_v2 import JobsClient

        return with_deadlines(JobsClient(**connection(self.settings, self.settings.run_endpoint)))


def job_workers(documents: int, threshold: int, max_workers: int) -> int:
    """Return the number of job workers for a run: one per `threshold` documents, rounded up, at most `max_workers`.

    With a threshold of 1,000 and at most 4 workers, 1,001 documents get 2 workers, 2,500 get 3, 9,745 get 4.
    """
    return min(max_workers, max(1, -(-documents // max(threshold, 1))))


_RECORD_REQUEST = sa.text("""
    update runs set job_asked_at = now()
    where state = 'running' and engine = 'job' and job_asked_at is null
      and (cast(:run_id as uuid) is null or id = cast(:run_id as uuid))
    returning id, source_id, coalesce((
      select sum((s.result ->> 'listed')::integer - (s.result ->> 'unchanged')::integer)
      from steps s where s.run_id = runs.id and s.kind = 'list' and s.state = 'done'), total) as documents
""")

_RECORD_EXECUTION = sa.text("update runs set execution = :execution where id = :run_id")

_USE_TICKETS = sa.text("""
    update runs set engine = 'tickets', notice = :notice where id = :run_id and state = 'running' and engine = 'job'
""")

# Progress is a recent start of the job, a step with a valid lease, or a step claimed or finished recently. A job ends
# by itself when no step has been due for a while, such as during a provider's pause.
_TAKE_OVER_SILENT = sa.text("""
    with since as (select now() - make_interval(secs => cast(:patience_s as double precision)) as at)
    update runs r set engine = 'tickets', notice = case when exists (
        select 1 from steps s where s.run_id = r.id and s.state = 'ready' and s.not_before <= now())
        then :silent else :idle end
    from since
    where r.state = 'running' and r.engine = 'job' and r.job_asked_at < since.at
      and not exists (
        select 1 from steps s where s.run_id = r.id and (s.state = 'running' and s.lease_until > now()
          or s.started_at > since.at or s.finished_at > since.at))
    returning r.id, r.execution
""")
