"""Find the run that all workers of a Cloud Run execution share. Worker 0 opens it if needed, the others wait for it."""

import time
import uuid

import sqlalchemy as sa

from functions.collection.runs.start import check_kind, check_period, open_run_conflict, start_run
from functions.collection.sources.sources import check_source
from functions.job.database_retry import DatabaseRetry
from headwater import logs
from headwater.config import Settings
from headwater.connectors import Period
from headwater.database.transactions import Database
from headwater.errors import UpstreamError
from headwater.queue.tickets import Tickets
from headwater.web.shutdown import Lifetime

_POLL_S = 0.1


class Execution:
    """An execution of the job, which collects one source. Its run has the execution's name."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace_id: uuid.UUID,
        source_id: uuid.UUID,
        *,
        dry_run: bool = False,
        everything: bool = False,
        period: Period | None = None,
    ) -> None:
        self.database = database
        self.settings = settings
        self.workspace_id = workspace_id
        self.source_id = source_id
        self.dry_run = dry_run
        self.everything = everything
        self.period = period
        self.name = settings.cloud_run_execution or None

    def find_or_start_run(self) -> uuid.UUID:
        """Return the execution's run: from an earlier attempt of worker 0, an open run of the source, or a new one.

        Raises Conflict if the open run is of another kind, or a backfill is asked for and any is open.
        """
        with self.database.transaction(self.workspace_id) as tx:
            values = {"source_id": self.source_id, "execution": self.name}
            earlier_run: uuid.UUID | None = tx.execute(_RUN_OF_EXECUTION, values).scalar_one_or_none()
        if earlier_run is not None:
            return earlier_run
        if self.period is not None:
            with self.database.transaction(self.workspace_id) as tx:
                kind = check_source(tx, self.workspace_id, self.source_id)
            check_period(kind, self.period)
        self._arm_watchdog()
        options = {"dry_run": self.dry_run, "everything": self.everything}
        with self.database.transaction(self.workspace_id) as tx:
            run_id, is_new = start_run(
                tx, self.workspace_id, self.source_id, "job", execution=self.name, **options, period=self.period
            )
            check_kind(tx, run_id, ["dry_run"] if self.dry_run else ["collect", "retry"])
            if (self.everything or self.period) and not is_new:
                raise open_run_conflict(run_id, "collect")
            return run_id

    def wait_for_run(self, retry: DatabaseRetry, lifetime: Lifetime) -> uuid.UUID | None:
        """Wait for worker 0 to find or start the run. Returns None if there is none after `JOB_IDLE_S`."""
        give_up_at = time.monotonic() + self.settings.job_idle_s

        def find() -> uuid.UUID | None:
            with self.database.transaction(self.workspace_id) as tx:
                values = {"source_id": self.source_id, "execution": self.name}
                run_id: uuid.UUID | None = tx.execute(_OPEN_RUN_OR_OF_EXECUTION, values).scalar_one_or_none()
            return run_id

        while (run_id := retry.call(find)) is None:
            if lifetime.is_ending() or time.monotonic() > give_up_at:
                return None
            time.sleep(_POLL_S)
        return run_id

    def record_on_run(self, run_id: uuid.UUID) -> None:
        """Record the execution's name on a run, unless `JobStarter` has."""
        with self.database.transaction(self.workspace_id) as tx:
            tx.execute(_RECORD, {"run_id": run_id, "execution": self.name})

    def _arm_watchdog(self) -> None:
        """Arm the watchdog, which takes over the run if the job dies. Without a queue service there is none."""
        if not self.settings.collection_url:
            return
        try:
            Tickets(self.database, self.settings).arm_watchdog()
        except UpstreamError as error:
            logs.event("watchdog.not_armed", severity=30, error=error)


_RUN_OF_EXECUTION = sa.text("""
    select id from runs where source_id = :source_id and execution = :execution order by created_at desc limit 1
""")

_OPEN_RUN_OR_OF_EXECUTION = sa.text("""
    select id from runs where source_id = :source_id and (state = 'running' or execution = :execution)
    order by execution is not distinct from :execution desc, created_at desc limit 1
""")

_RECORD = sa.text("update runs set execution = :execution where id = :run_id and execution is null")
