"""What a job worker does: open steps flow in, it works on whatever is due in any queue until nothing is open."""

import signal
import time
import uuid
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from functions.collection import runs
from functions.collection.runs import Run
from functions.collection.steps import handlers as collection_handlers
from functions.embedding.steps import handlers as embedding_handlers
from functions.job.progress import progress_line, summary
from headwater import ledger, logs
from headwater.config import Settings
from headwater.db import ENGINE, Database
from headwater.embedder import Embedders
from headwater.errors import NotFound
from headwater.lifetime import Lifetime, get_lifetime
from headwater.tickets import QUEUES
from headwater.worker import Worker

_NAP_S = 0.2
_TELL_EVERY_S = 2.0


class NobodyToWake:
    """Stands where tickets would be: a job worker looks for due steps itself."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Do nothing."""


class Turn:
    """Becomes true when it is time to tell progress again."""

    def __init__(self) -> None:
        self.until = time.monotonic() + _TELL_EVERY_S

    def __call__(self) -> bool:
        return time.monotonic() > self.until


def drain(settings: Settings) -> int:
    """Work until no step of any run is open; returns the exit code."""
    database = Database(settings.database_url, 2)
    lifetime = _mortal()

    def is_open() -> bool:
        with database.transaction(ENGINE) as tx:
            return ledger.has_open_steps(tx)

    ran = _work(database, settings, lifetime, is_open)
    logs.event("job.drained", steps=ran, worker=settings.cloud_run_task_index)
    return 0


def collect(settings: Settings, source_id: uuid.UUID) -> int:
    """Collect a source, or go on with its open run, telling progress; returns the exit code."""
    database = Database(settings.database_url, 2)
    lifetime = _mortal()
    workspace_id = _workspace_of(database, source_id)
    with database.transaction(workspace_id) as tx:
        run_id, is_new = runs.start_run(tx, workspace_id, source_id, "job")
    print(f"run {run_id} {'started' if is_new else 'goes on'}", flush=True)

    def read() -> Run:
        with database.transaction(workspace_id) as tx:
            return runs.read_run(tx, run_id)

    told = time.monotonic()

    def is_open() -> bool:
        nonlocal told
        run = read()
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            print(progress_line(run), flush=True)
        return run.state == "running"

    _work(database, settings, lifetime, is_open)
    ended = read()
    print(summary(ended), flush=True)
    return 1 if ended.state in ("failed", "running") else 0


def _work(database: Database, settings: Settings, lifetime: Lifetime, is_open: Callable[[], bool]) -> int:
    """Run due steps of every queue while `is_open`; naps when all that is open is in other hands, or not due yet."""
    steps = {**collection_handlers(settings), **embedding_handlers(Embedders(settings))}
    holder = f"{settings.cloud_run_job or 'job'}/{settings.cloud_run_task_index}/{uuid.uuid4().hex[:8]}"
    worker = Worker(database, settings, steps, wake=NobodyToWake(), holder=holder, lifetime=lifetime)
    ran = 0
    while not lifetime.is_ending() and is_open():
        turn = Turn()
        now = sum(worker.drain(queue, stop=turn) for queue in QUEUES)
        ran += now
        if not now:
            with database.transaction(ENGINE) as tx:
                ledger.take_back(tx)
                ledger.fan_in(tx)
            time.sleep(_NAP_S)
    return ran


def _mortal() -> Lifetime:
    """Give the process's lifetime, which ends when Cloud Run, or a person, asks."""
    lifetime = get_lifetime()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lifetime.end)
    return lifetime


def _workspace_of(database: Database, source_id: uuid.UUID) -> uuid.UUID:
    """Find the workspace that a source is in; raises NotFound."""
    with database.transaction(ENGINE) as tx:
        workspace_id: uuid.UUID | None = tx.execute(_WORKSPACE_OF, {"id": source_id}).scalar_one()
    if workspace_id is None:
        raise NotFound(f"No source {source_id} is here. `GET /api/sources` lists them.")
    return workspace_id


_WORKSPACE_OF = sa.text("select workspace_of_source(:id)")
