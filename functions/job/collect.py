"""`collect`: a source flows in, its run is worked on by every job worker of an execution, worker 0 tells how it goes.

All workers of an execution work on one run: the one it was started for, or else the one that worker 0 opens, or finds
open. A worker that comes late, or again, knows that run by the execution's name, ended or not, and starts no other.
"""

import time
import uuid
from collections.abc import Callable

import sqlalchemy as sa

from functions.collection.runs.read import RunSummary, read_run, read_summary
from functions.collection.runs.start import check_kind, start_run
from functions.job.database_retry import DatabaseRetry
from functions.job.progress import progress_line, summary
from functions.job.work import JobWorker, StopReason, end_on_signals
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding import vector_index
from headwater.errors import NotFound, UpstreamError
from headwater.queue.tickets import Tickets
from headwater.web.shutdown import Lifetime

_TELL_EVERY_S = 2.0
_LOOK_EVERY_S = 0.5


def collect(settings: Settings, source_id: uuid.UUID, run_id: uuid.UUID | None = None, *, dry_run: bool = False) -> int:
    """Work on a run of a source, on `run_id` or whichever is the execution's; returns the exit code.

    A dry run prints what a collect would add, change and remove.

    Worker 0 answers for the run: 0 when it has succeeded, if only in part, or goes on by tickets, else 1.
    """
    database, retry = Database.from_settings(settings, pool_size=2), DatabaseRetry()
    is_first = settings.cloud_run_task_index == 0
    lifetime = end_on_signals(exit_code=int(is_first))
    workspace_id = _workspace_of(database, source_id)
    execution = Execution(database, settings, workspace_id, source_id, dry_run=dry_run)
    if run_id is not None:
        execution.join(run_id)
    else:
        run_id = retry.call(execution.run) if is_first else execution.wait_for_run(retry, lifetime)
    if run_id is None:
        print("there is no run to join", flush=True)
        return 0
    print(f"run {run_id}", flush=True)
    work = Work(JobWorker(database, settings, lifetime, retry), workspace_id, run_id)
    if is_first:
        return work.lead()
    work.help()
    return 0


class Execution:
    """Finds the run that the workers of this execution share."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace_id: uuid.UUID,
        source_id: uuid.UUID,
        *,
        dry_run: bool = False,
    ) -> None:
        self.database = database
        self.settings = settings
        self.workspace_id = workspace_id
        self.source_id = source_id
        self.dry_run = dry_run
        self.name = settings.cloud_run_execution or None

    def run(self) -> uuid.UUID:
        """Return the execution's run: known from an earlier attempt, found open, or opened."""
        with self.database.transaction(self.workspace_id) as tx:
            values = {"source_id": self.source_id, "execution": self.name}
            known: uuid.UUID | None = tx.execute(_OF_EXECUTION, values).scalar_one_or_none()
        if known is not None:
            return known
        self._arm_watchdog()
        with self.database.transaction(self.workspace_id) as tx:
            run_id, _ = start_run(
                tx, self.workspace_id, self.source_id, "job", execution=self.name, dry_run=self.dry_run
            )
            check_kind(tx, run_id, ["dry_run"] if self.dry_run else ["collect", "retry"])
            return run_id

    def join(self, run_id: uuid.UUID) -> None:
        """Note on a run that this execution works on it, if whoever started the execution didn't come to that."""
        with self.database.transaction(self.workspace_id) as tx:
            tx.execute(_JOIN, {"run_id": run_id, "execution": self.name})

    def wait_for_run(self, retry: DatabaseRetry, lifetime: Lifetime) -> uuid.UUID | None:
        """Return the run that worker 0 opened or found; None when it does neither for a while."""
        give_up_at = time.monotonic() + self.settings.job_idle_s

        def look() -> uuid.UUID | None:
            with self.database.transaction(self.workspace_id) as tx:
                values = {"source_id": self.source_id, "execution": self.name}
                found: uuid.UUID | None = tx.execute(_TO_JOIN, values).scalar_one_or_none()
            return found

        while (found := retry.call(look)) is None:
            if lifetime.is_ending() or time.monotonic() > give_up_at:
                return None
            time.sleep(_LOOK_EVERY_S)
        return found

    def _arm_watchdog(self) -> None:
        """Have somebody look after the run when the job can't; without a queue service the job does without."""
        if not self.settings.collection_url:
            return
        try:
            Tickets(self.database, self.settings).arm_watchdog()
        except UpstreamError as error:
            logs.event("watchdog.not_armed", severity=30, error=error)


class Work:
    """A worker's part in one run."""

    def __init__(self, worker: JobWorker, workspace_id: uuid.UUID, run_id: uuid.UUID) -> None:
        self.worker = worker
        self.workspace_id = workspace_id
        self.run_id = run_id

    def help(self) -> None:
        """Work until the run has ended, or nothing becomes due for a while."""
        self.worker.work(lambda: self._read().state == "running")

    def lead(self) -> int:
        """Work and tell progress until the run has ended, or goes on without this execution; returns the exit code."""
        end = self.worker.work(self._telling())
        while end == "nothing due" and self.worker.retry.call(self._is_held):
            end = self.worker.work(self._telling())
        run = self.worker.retry.call(self._read)
        if run.state == "running":
            return self._leave_open(run, end)
        if run.kind == "dry_run":
            self.worker.retry.call(self._print_difference)
        print(self.worker.retry.call(self._summary), flush=True)
        vector_index.build_indexes(self.worker.settings)
        return 0 if run.state in ("succeeded", "partial") else 1

    def _telling(self) -> Callable[[], bool]:
        told = time.monotonic()

        def is_open() -> bool:
            nonlocal told
            run = self._read()
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                print(progress_line(run), flush=True)
            return run.state == "running"

        return is_open

    def _leave_open(self, run: RunSummary, end: StopReason) -> int:
        goes_on = end == "nothing due" and bool(self.worker.settings.collection_url)
        print(f"{end}: the run stays open ({progress_line(run)}){', tickets go on with it' * goes_on}", flush=True)
        return 0 if goes_on else 1

    def _read(self) -> RunSummary:
        with self.worker.database.transaction(self.workspace_id) as tx:
            return read_summary(tx, self.run_id)

    def _summary(self) -> str:
        with self.worker.database.transaction(self.workspace_id) as tx:
            return summary(read_run(tx, self.run_id))

    def _print_difference(self) -> None:
        with self.worker.database.transaction(self.workspace_id) as tx:
            for item in tx.execute(_DIFFERENCE, {"run_id": self.run_id}):
                print(f"{item.action:8}{item.key}{f': {item.warning}' if item.warning else ''}")

    def _is_held(self) -> bool:
        """Tell whether another works on a step of the run."""
        with self.worker.database.transaction(self.workspace_id) as tx:
            return bool(tx.execute(_IS_HELD, {"run_id": self.run_id}).scalar())


def _workspace_of(database: Database, source_id: uuid.UUID) -> uuid.UUID:
    """Find the workspace that a source is in; raises NotFound."""
    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id: uuid.UUID | None = tx.execute(_WORKSPACE_OF, {"id": source_id}).scalar_one()
    if workspace_id is None:
        raise NotFound(f"Source not found: {source_id}. List sources with GET /api/sources.")
    return workspace_id


_WORKSPACE_OF = sa.text("select workspace_of_source(:id)")

_OF_EXECUTION = sa.text("""
    select id from runs where source_id = :source_id and execution = :execution order by created_at desc limit 1
""")

_JOIN = sa.text("""
    update runs set execution = :execution where id = :run_id and execution is null
""")

_TO_JOIN = sa.text("""
    select id from runs where source_id = :source_id and (state = 'running' or execution = :execution)
    order by execution is not distinct from :execution desc, created_at desc limit 1
""")

_DIFFERENCE = sa.text("select action, key, warning from run_items where run_id = :run_id order by action, key")

_IS_HELD = sa.text("""
    select exists (select 1 from steps where run_id = :run_id and state = 'running' and lease_until > now())
""")
