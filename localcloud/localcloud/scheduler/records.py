"""The rows of Cloud Scheduler in the store. Called by `api` and `dispatch`, on the event loop.

An execution is outstanding from its first attempt to its last; while it is, its time and what has failed so far are in
the job's row. An attempt that died with a process has changed nothing there but `last_attempt_time`: it is still due.
"""

import json
from typing import Any

from localcloud.rest.protojson import Message
from localcloud.rest.router import JsonObject
from localcloud.scheduler.parse import read_job_config
from localcloud.scheduler.render import job_config_json
from localcloud.scheduler.resources import Execution, Job, JobConfig, JobState
from localcloud.store import Store

SCHEMA = """
create table if not exists scheduler_jobs (
  id integer primary key autoincrement,
  name text not null unique,
  state text not null,
  config text not null,
  user_update_time real not null,
  schedule_time real,
  -- the outstanding execution, if there is one
  tick real,
  begun_at real,
  failures integer,
  last_attempt_time real,
  status text
)
"""

_COLUMNS = (
    "id, name, state, config, user_update_time, schedule_time, tick, begun_at, failures, last_attempt_time, status"
)


class Records:
    """Reads and writes jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def jobs(self, parent: str = "") -> list[Job]:
        """Return the jobs of a location, or all, by name."""
        prefix = f"{parent}/jobs/" if parent else ""
        rows = self._store.rows(
            f"select {_COLUMNS} from scheduler_jobs where substr(name, 1, ?) = ? order by name", len(prefix), prefix
        )
        return [_job(row) for row in rows]

    def job(self, name: str) -> Job | None:
        """Return a job by its name, None when there is none."""
        return self._one("name = ?", name)

    def job_at(self, row_id: int) -> Job | None:
        """Return a job by its row, None when it is gone."""
        return self._one("id = ?", row_id)

    def insert(self, name: str, config: JobConfig, *, schedule_time: float, now: float) -> Job:
        """Keep a new job, whose name must be free."""
        row = self._store.row(
            "insert into scheduler_jobs (name, state, config, user_update_time, schedule_time) values (?, ?, ?, ?, ?) "
            f"returning {_COLUMNS}",
            *(name, JobState.ENABLED.name, _config_text(config), now, schedule_time),
        )
        return _job(row)

    def change(self, job: Job, state: JobState, config: JobConfig, *, schedule_time: float | None, now: float) -> Job:
        """Keep a job's new state or settings and its next time; an outstanding execution is given up."""
        return self._update(
            job,
            "state = ?, config = ?, user_update_time = ?, schedule_time = ?, tick = null, begun_at = null, "
            "failures = null",
            *(state.name, _config_text(config), now, schedule_time),
        )

    def delete(self, job: Job) -> None:
        """Forget a job."""
        self._store.execute("delete from scheduler_jobs where id = ?", job.id)

    def begin(self, job: Job, execution: Execution) -> Job:
        """Write down that an execution is outstanding from now on; it is due at its time."""
        return self._update(
            job,
            "tick = ?, begun_at = ?, failures = ?, schedule_time = ?",
            *(execution.tick, execution.begun_at, execution.failures, execution.tick),
        )

    def take_up(self, job: Job, now: float) -> Job:
        """Go on with an execution that another process began: as if now, so that no time before counts as waiting."""
        return self._update(job, "begun_at = ?", now)

    def attempted(self, job: Job, now: float) -> Job:
        """Write down that an attempt begins."""
        return self._update(job, "last_attempt_time = ?", now)

    def note(self, job: Job, status: JsonObject) -> Job:
        """Write down how an attempt ended, and nothing else."""
        return self._update(job, "status = ?", json.dumps(status))

    def retry(self, job: Job, status: JsonObject, *, failures: int, schedule_time: float) -> Job:
        """Write down a failed attempt and when the next one is due."""
        return self._update(
            job, "status = ?, failures = ?, schedule_time = ?", json.dumps(status), failures, schedule_time
        )

    def finish(self, job: Job, status: JsonObject, *, schedule_time: float | None) -> Job:
        """Write down the end of the outstanding execution and when the next one is due."""
        return self._update(
            job,
            "status = ?, schedule_time = ?, tick = null, begun_at = null, failures = null",
            *(json.dumps(status), schedule_time),
        )

    def reschedule(self, job: Job, schedule_time: float) -> Job:
        """Write down when the next execution is due."""
        return self._update(job, "schedule_time = ?", schedule_time)

    def _one(self, condition: str, value: object) -> Job | None:
        row = self._store.row(f"select {_COLUMNS} from scheduler_jobs where {condition}", value)
        return None if row is None else _job(row)

    def _update(self, job: Job, assignments: str, *values: object) -> Job:
        row = self._store.row(
            f"update scheduler_jobs set {assignments} where id = ? returning {_COLUMNS}", *values, job.id
        )
        return _job(row)


def _config_text(config: JobConfig) -> str:
    return json.dumps(job_config_json(config))


def _job(row: Any) -> Job:
    id_, name, state, config, updated, schedule_time, tick, begun_at, failures, last_attempt_time, status = row
    return Job(
        id=id_,
        name=name,
        state=JobState[state],
        config=read_job_config(Message(json.loads(config), "job")),
        user_update_time=updated,
        schedule_time=schedule_time,
        outstanding=None if tick is None else Execution(tick, begun_at, failures),
        last_attempt_time=last_attempt_time,
        status=json.loads(status) if status else None,
    )
