"""`drain`: run steps of all sources until no run is open, or none has been due for a while."""

import time

from functions.job.database_retry import DatabaseRetry
from functions.job.work import JobWorker, end_on_signals
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding import vector_index
from headwater.queue import ledger


def drain(settings: Settings) -> int:
    """Run steps until no run is open. Returns the exit code."""
    database = Database.from_settings(settings, pool_size=2)
    worker = JobWorker(database, settings, end_on_signals(exit_code=0), DatabaseRetry())
    started = time.monotonic()

    def is_open() -> bool:
        with database.transaction(ALL_WORKSPACES) as tx:
            return ledger.has_open_runs(tx)

    reason = worker.work(is_open)
    print(f"{reason}: {worker.steps_run:,} steps in {time.monotonic() - started:.1f} s", flush=True)
    if reason == "nothing open" and settings.cloud_run_task_index == 0:
        vector_index.build_indexes(settings)
    logs.event("job.drained", steps=worker.steps_run, worker=settings.cloud_run_task_index, end=reason)
    return 0
