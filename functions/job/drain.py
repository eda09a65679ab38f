"""`drain`: the whole ledger flows in, and is worked on until nothing is open, or due for a while."""

import time

from functions.job.database_retry import DatabaseRetry
from functions.job.work import JobWorker, end_on_signals
from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding import vector_index
from headwater.queue import ledger


def drain(settings: Settings) -> int:
    """Work until no run is open; returns the exit code."""
    database = Database.from_settings(settings, pool_size=2)
    worker = JobWorker(database, settings, end_on_signals(exit_code=0), DatabaseRetry())
    started = time.monotonic()

    def is_open() -> bool:
        with database.transaction(ALL_WORKSPACES) as tx:
            return ledger.has_open_runs(tx)

    end = worker.work(is_open)
    print(f"{end}: {worker.ran:,} steps in {time.monotonic() - started:.1f} s", flush=True)
    if end == "nothing open" and settings.cloud_run_task_index == 0:
        vector_index.build_indexes(settings)
    logs.event("job.drained", steps=worker.ran, worker=settings.cloud_run_task_index, end=end)
    return 0
