"""Database rows of Cloud Scheduler: jobs.

From the first attempt of an execution to its last, the job's row has its scheduled time (`tick`), its start and its
number of failures. An attempt of a process that died is still due, since it only changed `last_attempt_time`.
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
  -- the outstanding execution, null if there is none
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
        """Return the jobs of a location, or all jobs, sorted by name."""
        prefix = f"{parent}/jobs/" if parent else ""
        rows = self._store.rows(
            f"select {_COLUMNS} from scheduler_jobs where substr(name, 1, ?) = ? order by name", len(prefix), prefix
        )
        return [_job(row) for row in rows]

    def job(self, name: str) -> Job | None:
        """Return a job by name, or None."""
        return self._one("name = ?", name)

    def job_by_row(self, row_id: int) -> Job | None:
        """Return a job by row id, or None if it was deleted."""
        return self._one("id = ?", row_id)

    def insert(self, name: str, config: JobConfig, *, schedule_time: float, now: float) -> Job:
        """Insert a job. Its name must not be in use."""
        row = self._store.row(
            "insert into scheduler_jobs (name, state, config, user_update_time, schedule_time) values (?, ?, ?, ?, ?) "
            f"returning {_COLUMNS}",
            *(name, JobState.ENABLED.name, _config_text(config), now, schedule_time),
        )
        return _job(row)

    def change(self, job: Job, state: JobState, config: JobConfig, *, schedule_time: float | None, now: float) -> Job:
        """Store the state, settings and next time of a job. An outstanding execution is dropped."""
        return self._update(
            job,
            "state = ?, config = ?, user_update_time = ?, schedule_time = ?, tick = null, begun_at = null, "
            "failures = null",
            *(state.name, _config_text(config), now, schedule_time),
        )

    def delete(self, job: Job) -> None:
        """Delete a job."""
        self._store.execute("delete from scheduler_jobs where id = ?", job.id)

    def begin(self, job: Job, execution: Execution) -> Job:
        """Store a new outstanding execution, due at its scheduled time."""
        return self._update(
            job,
            "tick = ?, begun_at = ?, failures = ?, schedule_time = ?",
            *(execution.tick, execution.begun_at, execution.failures, execution.tick),
        )

    def resume(self, job: Job, now: float) -> Job:
        """Resume an execution of an earlier process, as if started now: downtime does not count against its retries."""
        return self._update(job, "begun_at = ?", now)

    def set_last_attempt_time(self, job: Job, now: float) -> Job:
        """Store the start time of an attempt."""
        return self._update(job, "last_attempt_time = ?", now)

    def set_status(self, job: Job, status: JsonObject) -> Job:
        """Store only the status of an attempt."""
        return self._update(job, "status = ?", json.dumps(status))

    def retry(self, job: Job, status: JsonObject, *, failures: int, schedule_time: float) -> Job:
        """Store a failed attempt and the time of the retry."""
        return self._update(
            job, "status = ?, failures = ?, schedule_time = ?", json.dumps(status), failures, schedule_time
        )

    def finish(self, job: Job, status: JsonObject, *, schedule_time: float | None) -> Job:
        """Store the end of the outstanding execution and the time of the next one."""
        return self._update(
            job,
            "status = ?, schedule_time = ?, tick = null, begun_at = null, failures = null",
            *(json.dumps(status), schedule_time),
        )

    def reschedule(self, job: Job, schedule_time: float) -> Job:
        """Store the time of the next execution."""
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
