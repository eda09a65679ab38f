"""Start and supervise the Cloud Run job for large runs.

`list`, or a retry, hands such a run to the job in its own transaction, and `start` is called after that commit. A call
that starts an execution can't be repeated safely, so that it was asked for is committed before it is: a run gets one
execution at most. Whatever else goes wrong leaves a run whose job gives no sign of life, and the watchdog goes on with
it by tickets; a job that comes after all finds the same steps.
"""

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import UpstreamError
from headwater.queue.tickets import QUEUES, Tickets

if TYPE_CHECKING:
    from google.cloud.run_v2 import JobsClient

_CALL_S = 20.0
"""How long Cloud Run may take to answer that it has begun."""


class JobStarter:
    """Start the job through the stock Cloud Run client, and look after the runs that it works on."""

    def __init__(self, database: Database, settings: Settings, tickets: Tickets) -> None:
        self.database = database
        self.settings = settings
        self.tickets = tickets

    def start(self, run_id: uuid.UUID | None = None) -> None:
        """Ask for the execution that a run (None: each) still waits for; tickets go on at once when there is none."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            asked = tx.execute(_ASK, {"run_id": run_id}).all()
        for run in asked:
            workers = job_workers(run.documents or 0, self.settings.bulk_threshold, self.settings.max_job_workers)
            try:
                execution = self._execute(run, workers)
            except UpstreamError as error:
                logs.event("job.not_started", severity=40, error=error, run_id=run.id)
                self._go_on_with_tickets(run.id, f"{error.message} Tickets do the work instead.")
            else:
                logs.event("job.started", run_id=run.id, execution=execution, workers=workers, documents=run.documents)
                with self.database.transaction(ALL_WORKSPACES) as tx:
                    tx.execute(_STARTED, {"run_id": run.id, "execution": execution})

    def watch(self) -> None:
        """Heal: ask for executions nobody has asked for, go on with tickets where the job is silent; and more."""
        self.start()
        patience_s = self.settings.job_patience_s
        notice = f"The job gave no sign of life for {patience_s:g} seconds. Tickets go on with its work."
        with self.database.transaction(ALL_WORKSPACES) as tx:
            silent = tx.execute(_SILENT, {"patience_s": patience_s, "notice": notice}).all()
        for run in silent:
            logs.event("job.silent", severity=30, run_id=run.id, execution=run.execution)
        self.tickets.watch()

    def _go_on_with_tickets(self, run_id: uuid.UUID, notice: str) -> None:
        with self.database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(_TICKETS, {"run_id": run_id, "notice": notice})
        self.tickets.wake(QUEUES)

    def _execute(self, run: Any, workers: int) -> str:
        """Start an execution and return its name; raises UpstreamError when Cloud Run doesn't."""
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

        settings = self.settings
        name = f"projects/{settings.google_cloud_project}/locations/{settings.cloud_region}/jobs/{settings.job_name}"
        arguments = ["collect", f"--source={run.source_id}", f"--run={run.id}"]
        overrides = {"container_overrides": [{"args": arguments}], "task_count": workers}
        try:
            operation = self._client.run_job(
                request={"name": name, "overrides": overrides}, retry=None, timeout=_CALL_S
            )
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise UpstreamError(f"The job {settings.job_name} can't be started: {str(error)[:300]}.") from error
        return str(operation.metadata.name).rpartition("/")[2]

    @cached_property
    def _client(self) -> "JobsClient":
        from google.cloud.run_v2 import JobsClient

        if not self.settings.run_endpoint:
            return JobsClient()
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials

        return JobsClient(
            transport="rest",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options=ClientOptions(api_endpoint=self.settings.run_endpoint),
        )


def job_workers(documents: int, threshold: int, most: int) -> int:
    """Return how many job workers fit a number of documents: one for each `threshold` begun, at most `most`.

    With 1,000 and 4: 1,001 documents get 2, 2,500 get 3, 9,745 get 4.
    """
    return min(most, max(1, -(-documents // max(threshold, 1))))


_ASK = sa.text("""
    update runs set job_asked_at = now()
    where state = 'running' and engine = 'job' and job_asked_at is null
      and (cast(:run_id as uuid) is null or id = cast(:run_id as uuid))
    returning id, source_id, coalesce((
      select (s.result ->> 'listed')::integer - (s.result ->> 'unchanged')::integer
      from steps s where s.run_id = runs.id and s.kind = 'list' and s.state = 'done'), total) as documents
""")

_STARTED = sa.text("update runs set execution = :execution where id = :run_id")

_TICKETS = sa.text("""
    update runs set engine = 'tickets', notice = :notice where id = :run_id and state = 'running' and engine = 'job'
""")

# Signs of life: the job was asked for not long ago, or a step is in somebody's hands, was claimed or finished lately.
_SILENT = sa.text("""
    with since as (select now() - make_interval(secs => cast(:patience_s as double precision)) as at)
    update runs r set engine = 'tickets', notice = :notice from since
    where r.state = 'running' and r.engine = 'job' and r.job_asked_at < since.at
      and not exists (
        select 1 from steps s where s.run_id = r.id and (s.state = 'running' and s.lease_until > now()
          or s.started_at > since.at or s.finished_at > since.at))
    returning r.id, r.execution
""")
