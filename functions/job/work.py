"""What a job worker does: open steps flow in, it works on whatever is due in any queue until there is no more to do.

Between two steps it may be asked to end, the database may go away and come back, or nothing may become due for so long
that waiting costs more than the tickets that go on.
"""

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Literal

from functions.collection.pipeline.steps import handlers as collection_handlers
from functions.embedding.steps import handlers as embedding_handlers
from functions.job.database_retry import DatabaseRetry
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding.registry import Embedders
from headwater.queue import ledger
from headwater.queue.tickets import QUEUES
from headwater.queue.worker import Worker
from headwater.web.shutdown import Lifetime, get_lifetime

StopReason = Literal["nothing open", "nothing due", "asked to end"]
"""Why a job worker has stopped."""

_NAP_S = 0.2
_TURN_S = 2.0
"""How long it works before it looks again whether there is more to do."""

_LEAVE_S = 2.0
"""How long after the process is over the step at hand has been given back, and all that is left is to go."""


class NoTickets:
    """Stands where tickets would be: a job worker looks for due steps itself."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Do nothing."""


class JobWorker:
    """One process of the job, which works alone or beside others."""

    def __init__(self, database: Database, settings: Settings, lifetime: Lifetime, retry: DatabaseRetry) -> None:
        self.database = database
        self.settings = settings
        self.lifetime = lifetime
        self.retry = retry
        self.holder = f"{settings.cloud_run_job or 'job'}/{settings.cloud_run_task_index}/{uuid.uuid4().hex[:8]}"
        steps = {**collection_handlers(settings), **embedding_handlers(Embedders(settings))}
        self.worker = Worker(database, settings, steps, waker=NoTickets(), holder=self.holder, lifetime=lifetime)
        self.ran = 0
        self._may_hold = False

    def work(self, is_open: Callable[[], bool]) -> StopReason:
        """Run due steps of every queue while `is_open` and something becomes due; says why it stopped.

        Raises DatabaseUnavailable when the database stays away.
        """
        due_at = time.monotonic()
        while not self.lifetime.is_ending():
            if not self.retry.call(is_open):
                return "nothing open"
            if self.retry.call(self._turn):
                due_at = time.monotonic()
            elif time.monotonic() - max(due_at, self.retry.ended_at) > self.settings.job_idle_s:
                return "nothing due"
            else:
                time.sleep(_NAP_S)
        return "asked to end"

    def _turn(self) -> int:
        """Run what is due for a while; when that is nothing, take back what others have lost. Returns what ran."""
        before = self.ran
        until = time.monotonic() + _TURN_S
        if self._may_hold:  # the database went away in the middle of a step, which was given up then
            with self.database.transaction(ALL_WORKSPACES) as tx:
                ledger.release(tx, self.holder)
        self._may_hold = True
        for queue in QUEUES:
            self.ran += self.worker.drain(queue, stop=lambda: time.monotonic() > until)
        self._may_hold = False
        if self.ran == before:
            with self.database.transaction(ALL_WORKSPACES) as tx:
                ledger.take_back(tx)
                ledger.fan_in(tx)
        return self.ran - before


def end_on_signals(exit_code: int) -> Lifetime:
    """Give the process's lifetime, which ends when Cloud Run, or a person, asks.

    A step that goes on regardless is given back, and then the process leaves with `exit_code` rather than be killed.
    """
    lifetime = get_lifetime()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lifetime.end)

    def leave() -> None:
        while not lifetime.is_over():
            time.sleep(_NAP_S)
        time.sleep(_LEAVE_S)
        sys.stdout.flush()
        os._exit(exit_code)

    threading.Thread(target=leave, name="leave", daemon=True).start()
    return lifetime
