"""`collect`: work on a run of one source with all workers of an execution. Worker 0 starts the run and reports on it.

The execution is for a given run (`--run`), or for the one that worker 0 opens or finds open. A worker that starts late
or is restarted finds the run by the execution's name, even if it has ended, and never starts another.
"""

import time
import uuid
from collections.abc import Callable

import sqlalchemy as sa

from functions.collection.runs.read import RunSummary, read_run, read_summary
from functions.job.database_retry import DatabaseRetry
from functions.job.execution import Execution
from functions.job.progress import progress_line, summary
from functions.job.work import JobWorker, StopReason, end_on_signals
from headwater.config import Settings
from headwater.connectors import Period
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding import vector_index
from headwater.errors import NotFound
from headwater.redaction import escape_line

_PRINT_EVERY_S = 2.0


def collect(
    settings: Settings,
    source_id: uuid.UUID,
    run_id: uuid.UUID | None = None,
    *,
    dry_run: bool = False,
    everything: bool = False,
    period: Period | None = None,
) -> int:
    """Work on a run of a source: on `run_id`, or the execution's. Returns the exit code.

    With `dry_run`, print what a collect would add, change, move and remove. `everything` and `period` are those of
    `start_run`.

    Worker 0 returns 0 if the run succeeded, at least in part, was cancelled, or if tickets continue it, else 1. Other
    workers return 0. Raises NotFound for an unknown source.
    """
    database, retry = Database.from_settings(settings, pool_size=2), DatabaseRetry()
    is_first = settings.cloud_run_task_index == 0
    lifetime = end_on_signals(exit_code=int(is_first))
    workspace_id = _read_workspace_id(database, source_id)
    options = {"dry_run": dry_run, "everything": everything}
    execution = Execution(database, settings, workspace_id, source_id, **options, period=period)
    if run_id is not None:
        execution.record_on_run(run_id)
    elif is_first:
        run_id = retry.call(execution.find_or_start_run)
    else:
        run_id = execution.wait_for_run(retry, lifetime)
    if run_id is None:
        print("no run to work on: worker 0 has not started one", flush=True)
        return 0
    print(f"run {run_id}", flush=True)
    run = RunWorker(JobWorker(database, settings, lifetime, retry), workspace_id, run_id)
    if is_first:
        return run.work_and_report()
    run.work()
    return 0


class RunWorker:
    """One worker's part in a run."""

    def __init__(self, worker: JobWorker, workspace_id: uuid.UUID, run_id: uuid.UUID) -> None:
        self.worker = worker
        self.workspace_id = workspace_id
        self.run_id = run_id

    def work(self) -> None:
        """Run steps until the run ends, or no step has been due for `JOB_IDLE_S`."""
        self.worker.work(lambda: self._read().state == "running")

    def work_and_report(self) -> int:
        """Run steps and print progress until the run ends, or none has been due for a while. Returns the exit code."""
        reason = self.worker.work(self._is_open_printing_progress())
        while reason == "nothing due" and self.worker.retry.call(self._has_running_step):
            reason = self.worker.work(self._is_open_printing_progress())
        run = self.worker.retry.call(self._read)
        if run.state == "running":
            return self._leave_open(run, reason)
        if run.kind == "dry_run":
            self.worker.retry.call(self._print_items)
        print(self.worker.retry.call(self._summary), flush=True)
        vector_index.build_indexes(self.worker.settings)
        return 1 if run.state == "failed" else 0

    def _is_open_printing_progress(self) -> Callable[[], bool]:
        """Return a function that returns whether the run is open, and prints its progress now and then."""
        printed_at = time.monotonic()

        def is_open() -> bool:
            nonlocal printed_at
            run = self._read()
            if time.monotonic() - printed_at > _PRINT_EVERY_S:
                printed_at = time.monotonic()
                print(progress_line(run), flush=True)
            return run.state == "running"

        return is_open

    def _leave_open(self, run: RunSummary, reason: StopReason) -> int:
        tickets_continue = reason == "nothing due" and bool(self.worker.settings.collection_url)
        suffix = ", tickets continue it" if tickets_continue else ""
        print(f"{reason}: the run stays open ({progress_line(run)}){suffix}", flush=True)
        return 0 if tickets_continue else 1

    def _read(self) -> RunSummary:
        with self.worker.database.transaction(self.workspace_id) as tx:
            return read_summary(tx, self.run_id)

    def _summary(self) -> str:
        with self.worker.database.transaction(self.workspace_id) as tx:
            return summary(read_run(tx, self.run_id))

    def _print_items(self) -> None:
        with self.worker.database.transaction(self.workspace_id) as tx:
            for item in tx.execute(_ITEMS, {"run_id": self.run_id}):
                before = f"{item.from_key} → " if item.from_key else ""
                line = f"{item.action:8}{before}{item.key}{f': {item.warning}' if item.warning else ''}"
                print(escape_line(line))

    def _has_running_step(self) -> bool:
        """Return whether a worker has a step of the run. If it has died, the step is due once its lease expires."""
        with self.worker.database.transaction(self.workspace_id) as tx:
            return bool(tx.execute(_HAS_RUNNING_STEP, {"run_id": self.run_id}).scalar())


def _read_workspace_id(database: Database, source_id: uuid.UUID) -> uuid.UUID:
    """Return the workspace of a source. Raises NotFound."""
    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id: uuid.UUID | None = tx.execute(_WORKSPACE_OF_SOURCE, {"id": source_id}).scalar_one()
    if workspace_id is None:
        raise NotFound(f"Source not found: {source_id}. List sources with GET /api/sources.")
    return workspace_id


_WORKSPACE_OF_SOURCE = sa.text("select workspace_of_source(:id)")

_ITEMS = sa.text("select action, from_key, key, warning from run_items where run_id = :run_id order by action, key")

_HAS_RUNNING_STEP = sa.text("select exists (select 1 from steps where run_id = :run_id and state = 'running')")
