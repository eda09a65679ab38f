"""A job worker: run due steps of all queues until no run is open, no step is due, or a signal arrives.

It survives outages of the database. While it waits for other workers, it indexes the vectors that it stored. When no
step has been due for `JOB_IDLE_S` it ends, since tickets are cheaper than a waiting process.
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
from functions.collection.sources.connect import SourceOpener
from functions.embedding.steps import handlers as embedding_handlers
from functions.job.database_retry import DatabaseRetry
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding import vector_index
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import Embedders
from headwater.queue import ledger
from headwater.queue.tickets import QUEUES
from headwater.queue.turns import HostTurns
from headwater.queue.worker import Worker
from headwater.web.shutdown import Lifetime, get_lifetime

StopReason = Literal["nothing open", "nothing due", "stopped by a signal"]
"""Why a job worker has stopped."""

_POLL_S = 0.2

_FIRST_POLL_S, _POLL_GROWTH = 0.02, 1.25
"""The first pauses are short, then each is longer: another worker's step often adds the next ones soon."""

_INDEX_PAUSE = 5
"""Pause after an attempt to index vectors that built nothing, in multiples of its time. It has counted all vectors, in
about 0.3 s for 100,000, or a build has failed."""

_BATCH_S = 2.0
"""How long the worker runs steps before it checks again whether a run is open."""

_HAND_BACK_S = 2.0
"""Time to return the current step to the ledger after the lifetime is over."""


class NoTickets:
    """A waker that does nothing: the job worker polls for due steps."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Do nothing."""


class JobWorker:
    """One process of the job. Several may run concurrently."""

    def __init__(self, database: Database, settings: Settings, lifetime: Lifetime, retry: DatabaseRetry) -> None:
        self.database = database
        self.settings = settings
        self.lifetime = lifetime
        self.retry = retry
        self.holder = f"{settings.cloud_run_job or 'job'}/{settings.cloud_run_task_index}/{uuid.uuid4().hex[:8]}"
        opener = SourceOpener(settings, HostTurns(database))
        embedding = embedding_handlers(Embedders(settings), Recorder(database, settings))
        steps = {**collection_handlers(settings, opener=opener), **embedding}
        self.worker = Worker(database, settings, steps, waker=NoTickets(), holder=self.holder, lifetime=lifetime)
        self.steps_run = 0
        self._may_hold_step = False
        self._has_embedded = False
        self._indexing = threading.Thread()
        self._index_at = 0.0

    def work(self, is_open: Callable[[], bool]) -> StopReason:
        """Run due steps of all queues while `is_open()`. Returns why it stopped.

        Raises DatabaseUnavailable if an outage is too long.
        """
        last_due_at, pause_s = time.monotonic(), _FIRST_POLL_S
        while not self.lifetime.is_ending():
            if not self.retry.call(is_open):
                return "nothing open"
            if self.retry.call(self._run_batch):
                last_due_at, pause_s = time.monotonic(), _FIRST_POLL_S
            elif time.monotonic() - max(last_due_at, self.retry.ended_at) > self.settings.job_idle_s:
                return "nothing due"
            else:
                self._index_vectors()
                time.sleep(pause_s)
                pause_s = min(_POLL_GROWTH * pause_s, _POLL_S)
        return "stopped by a signal"

    def _run_batch(self) -> int:
        """Run due steps for `_BATCH_S`. If none is due, make those due that other workers left.

        Returns the number of steps that ran or became due.
        """
        before = self.steps_run
        until = time.monotonic() + _BATCH_S
        if self._may_hold_step:  # the last batch ended in an outage of the database, perhaps in the middle of a step
            with self.database.transaction(ALL_WORKSPACES) as tx:
                ledger.release(tx, self.holder)
        self._may_hold_step = True
        for queue in QUEUES:
            ran = self.worker.drain(queue, stop=lambda: time.monotonic() > until)
            self.steps_run += ran
            self._has_embedded |= bool(ran) and queue == "embedding"
        self._may_hold_step = False
        if self.steps_run > before:
            return self.steps_run - before
        with self.database.transaction(ALL_WORKSPACES) as tx:
            return ledger.take_back(tx) + int(ledger.fan_in(tx))

    def _index_vectors(self) -> None:
        """Start to build vector indexes, if the last steps stored vectors. Other workers may add more meanwhile."""
        if self._has_embedded and not self._indexing.is_alive() and time.monotonic() >= self._index_at:
            self._has_embedded = False
            self._indexing = threading.Thread(target=self._build_indexes, name="index_vectors")
            self._indexing.start()

    def _build_indexes(self) -> None:
        started = time.monotonic()
        if not vector_index.build_indexes(self.settings):
            ended = time.monotonic()
            self._index_at = ended + _INDEX_PAUSE * (ended - started)


def end_on_signals(exit_code: int) -> Lifetime:
    """Return the process's lifetime, and end it on SIGTERM or SIGINT.

    If a step doesn't finish in time, it is returned to the ledger and the process exits with `exit_code`, before Cloud
    Run kills it.
    """
    lifetime = get_lifetime()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lifetime.end)

    def exit_when_over() -> None:
        while not lifetime.is_over():
            time.sleep(_POLL_S)
        time.sleep(_HAND_BACK_S)
        sys.stdout.flush()
        os._exit(exit_code)

    threading.Thread(target=exit_when_over, name="exit_when_over", daemon=True).start()
    return lifetime
