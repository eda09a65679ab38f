"""Database rows of Cloud Run jobs: jobs, executions, tasks and long-running operations.

A task that was running when an earlier process ended is still RUNNING, without a result; it is run again as a new
attempt.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localcloud.rest.router import JsonObject
from localcloud.run.resources import (
    Counts,
    Execution,
    ExecutionState,
    ExecutionTemplate,
    Job,
    JobConfig,
    Place,
    Result,
    Task,
    TaskState,
    config_from_json,
    template_from_json,
)
from localcloud.store import Store

SCHEMA = """
create table if not exists run_jobs (
  id integer primary key autoincrement,
  project text not null,
  location text not null,
  job_id text not null,
  uid text not null,
  generation integer not null default 1,
  config text not null,
  create_time real not null,
  update_time real not null,
  execution_count integer not null default 0,
  unique (project, location, job_id)
);
create table if not exists run_executions (
  id integer primary key autoincrement,
  job_row integer not null,
  project text not null,
  location text not null,
  job_id text not null,
  execution_id text not null unique,
  uid text not null,
  template text not null,
  state text not null,
  message text not null default '',
  create_time real not null,
  start_time real,
  completion_time real
);
create index if not exists run_executions_of_job on run_executions (job_row, id);
create table if not exists run_tasks (
  execution_row integer not null,
  number integer not null,
  state text not null,
  -- number of the last or running attempt, -1 before the first
  attempt integer not null default -1,
  failures integer not null default 0,
  start_time real,
  completion_time real,
  result text,
  primary key (execution_row, number)
) without rowid;
create table if not exists run_operations (
  name text primary key,
  create_time real not null,
  -- the execution that the operation waits for, or its outcome
  execution_row integer,
  outcome text
) without rowid
"""

_JOB_COLUMNS = "id, project, location, job_id, uid, generation, config, create_time, update_time, execution_count"
_EXECUTION_COLUMNS = """id, project, location, job_id, execution_id, uid, template, state, message, create_time,
  start_time, completion_time"""
_TASK_COLUMNS = "execution_row, number, state, attempt, failures, start_time, completion_time, result"
_OPEN = "state in ('PENDING', 'RUNNING')"


class Records:
    """Reads and writes jobs, executions, tasks and operations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Jobs

    def jobs(self, project: str, location: str | None = None) -> list[Job]:
        """Return the jobs of a project, in one location or in all."""
        condition = "project = ? and location = coalesce(?, location)"
        rows = self._store.rows(
            f"select {_JOB_COLUMNS} from run_jobs where {condition} order by job_id", project, location
        )
        return [_job(row) for row in rows]

    def job(self, place: Place, job_id: str) -> Job | None:
        """Return a job, or None."""
        row = self._store.row(
            f"select {_JOB_COLUMNS} from run_jobs where project = ? and location = ? and job_id = ?",
            *(place.project, place.location, job_id),
        )
        return None if row is None else _job(row)

    def insert_job(self, place: Place, job_id: str, *, uid: str, config: JobConfig, now: float) -> Job:
        """Insert a job. Its name must not be in use."""
        cursor = self._store.execute(
            "insert into run_jobs (project, location, job_id, uid, config, create_time, update_time) "
            f"values (?, ?, ?, ?, ?, ?, ?) returning {_JOB_COLUMNS}",
            *(place.project, place.location, job_id, uid, json.dumps(asdict(config)), now, now),
        )
        return _job(cursor.fetchone())

    def update_job(self, job: Job, config: JobConfig, now: float) -> Job:
        """Store a job's settings as its next generation."""
        cursor = self._store.execute(
            "update run_jobs set config = ?, update_time = ?, generation = generation + 1 where id = ? "
            f"returning {_JOB_COLUMNS}",
            *(json.dumps(asdict(config)), now, job.id),
        )
        return _job(cursor.fetchone())

    def delete_job(self, job: Job) -> None:
        """Delete a job. Its executions must be deleted before."""
        self._store.execute("delete from run_jobs where id = ?", job.id)

    # Executions

    def executions(self, project: str, location: str | None = None, job_id: str | None = None) -> list[Execution]:
        """Return the executions of a project, or of one location or job in it; newest first."""
        return self._executions(
            "project = ? and location = coalesce(?, location) and job_id = coalesce(?, job_id)",
            *(project, location, job_id),
        )

    def open_executions(self) -> list[Execution]:
        """Return unfinished executions, newest first."""
        return self._executions("state in ('RUNNING', 'CANCELLING')")

    def latest_execution(self, job: Job) -> Execution | None:
        """Return the newest execution of a job, or None."""
        executions = self._executions("id = (select max(id) from run_executions where job_row = ?)", job.id)
        return executions[0] if executions else None

    def finished_executions(self, job_row: int, *, beyond: int) -> list[Execution]:
        """Return a job's finished executions, without its newest `beyond` executions."""
        return self._executions(
            "job_row = ? and state not in ('RUNNING', 'CANCELLING') and id <= "
            "(select id from run_executions where job_row = ? order by id desc limit 1 offset ?)",
            *(job_row, job_row, beyond),
        )

    def execution(self, execution_id: str) -> Execution | None:
        """Return an execution by the last part of its name, or None."""
        executions = self._executions("execution_id = ?", execution_id)
        return executions[0] if executions else None

    def execution_by_row(self, row_id: int) -> Execution | None:
        """Return an execution by row id, or None if it was deleted."""
        executions = self._executions("id = ?", row_id)
        return executions[0] if executions else None

    def insert_execution(
        self, job: Job, execution_id: str, *, uid: str, template: ExecutionTemplate, now: float
    ) -> Execution:
        """Insert an execution and its tasks."""
        with self._store.transaction():
            cursor = self._store.execute(
                "insert into run_executions (job_row, project, location, job_id, execution_id, uid, template, state, "
                "create_time) values (?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
                *(job.id, job.place.project, job.place.location, job.job_id, execution_id, uid),
                *(json.dumps(asdict(template)), ExecutionState.RUNNING.name, now),
            )
            row_id = cursor.fetchone()[0]
            for index in range(template.task_count):
                self._store.execute(
                    "insert into run_tasks (execution_row, number, state) values (?, ?, ?)",
                    *(row_id, index, TaskState.PENDING.name),
                )
            self._store.execute("update run_jobs set execution_count = execution_count + 1 where id = ?", job.id)
        return self._executions("id = ?", row_id)[0]

    def set_execution_state(self, execution: Execution, state: ExecutionState, message: str, now: float) -> None:
        """Store an execution's state and message."""
        completed = now if state.is_final else None
        self._store.execute(
            "update run_executions set state = ?, message = ?, completion_time = ? where id = ?",
            *(state.name, message, completed, execution.id),
        )

    def delete_execution(self, execution: Execution) -> None:
        """Delete an execution and its tasks. Operations that wait for it are then reported as failed."""
        with self._store.transaction():
            self._store.execute("delete from run_executions where id = ?", execution.id)
            self._store.execute("delete from run_tasks where execution_row = ?", execution.id)

    # Tasks

    def tasks(self, execution_row: int) -> list[Task]:
        """Return the tasks of an execution, sorted by index."""
        rows = self._store.rows(
            f"select {_TASK_COLUMNS} from run_tasks where execution_row = ? order by number", execution_row
        )
        return [_task(row) for row in rows]

    def start_attempt(self, execution_row: int, index: int, now: float) -> Task | None:
        """Start an attempt: mark a task as running. Return None if its execution was deleted."""
        with self._store.transaction():
            self._store.execute(
                "update run_executions set start_time = coalesce(start_time, ?) where id = ?", now, execution_row
            )
            row = self._store.row(
                "update run_tasks set state = 'RUNNING', attempt = attempt + 1, start_time = coalesce(start_time, ?) "
                f"where execution_row = ? and number = ? returning {_TASK_COLUMNS}",
                *(now, execution_row, index),
            )
        return None if row is None else _task(row)

    def end_attempt(self, task: Task, state: TaskState, result: Result, now: float) -> None:
        """Store the result of an attempt. A task to be retried stays RUNNING."""
        self._store.execute(
            "update run_tasks set state = ?, failures = failures + ?, result = ?, completion_time = ? "
            "where execution_row = ? and number = ?",
            *(state.name, int(not result.succeeded), json.dumps(asdict(result))),
            *(None if state is TaskState.RUNNING else now, task.execution_row, task.index),
        )

    def abort_tasks(self, execution_row: int, now: float) -> None:
        """End all open tasks: running ones as CANCELLED, pending ones as ABANDONED."""
        self._store.execute(
            "update run_tasks set state = iif(state = 'RUNNING', 'CANCELLED', 'ABANDONED'), completion_time = ? "
            f"where execution_row = ? and {_OPEN}",
            *(now, execution_row),
        )

    # Operations

    def insert_operation(
        self, name: str, now: float, *, execution: Execution | None, outcome: JsonObject | None
    ) -> None:
        """Insert an operation that waits for an execution, or that is done with an outcome."""
        self._store.execute(
            "insert into run_operations (name, create_time, execution_row, outcome) values (?, ?, ?, ?)",
            *(name, now, execution.id if execution else None, _json(outcome) if outcome else None),
        )

    def operation(self, name: str) -> tuple[int | None, JsonObject | None] | None:
        """Return an operation's execution row and outcome, or None if it does not exist."""
        row = self._store.row("select execution_row, outcome from run_operations where name = ?", name)
        return None if row is None else (row[0], json.loads(row[1]) if row[1] else None)

    def expire_operations(self, before: float) -> None:
        """Delete operations created before a time."""
        self._store.execute("delete from run_operations where create_time < ?", before)

    def _executions(self, condition: str, *values: object) -> list[Execution]:
        rows = self._store.rows(
            f"select {_EXECUTION_COLUMNS} from run_executions where {condition} order by id desc", *values
        )
        counts = self._counts([row[0] for row in rows])
        return [_execution(row, counts.get(row[0], Counts())) for row in rows]

    def _counts(self, execution_rows: list[int]) -> Mapping[int, Counts]:
        rows = self._store.rows(
            "select execution_row, sum(state = 'RUNNING'), sum(state = 'SUCCEEDED'), sum(state = 'FAILED'), "
            "sum(state = 'CANCELLED'), sum(attempt > 0) from run_tasks "
            "where execution_row in (select value from json_each(?)) group by execution_row",
            json.dumps(execution_rows),
        )
        return {row[0]: Counts(*row[1:]) for row in rows}


def _json(outcome: JsonObject) -> str:
    """Encode a resource as JSON. Enums are written as names, which every client accepts."""
    return json.dumps(outcome, default=lambda member: member.name)


def _job(row: Any) -> Job:
    id_, project, location, job_id, uid, generation, config, create_time, update_time, execution_count = row
    return Job(
        id=id_,
        place=Place(project, location),
        job_id=job_id,
        uid=uid,
        generation=generation,
        config=config_from_json(json.loads(config)),
        create_time=create_time,
        update_time=update_time,
        execution_count=execution_count,
    )


def _execution(row: Any, counts: Counts) -> Execution:
    id_, project, location, job_id, execution_id, uid, template, state, message, *times = row
    create_time, start_time, completion_time = times
    return Execution(
        id=id_,
        place=Place(project, location),
        job_id=job_id,
        execution_id=execution_id,
        uid=uid,
        template=template_from_json(json.loads(template)),
        state=ExecutionState[state],
        message=message,
        create_time=create_time,
        start_time=start_time,
        completion_time=completion_time,
        counts=counts,
    )


def _task(row: Any) -> Task:
    execution_row, index, state, attempt, failures, start_time, completion_time, result = row
    return Task(
        execution_row=execution_row,
        index=index,
        state=TaskState[state],
        attempt=attempt,
        failures=failures,
        start_time=start_time,
        completion_time=completion_time,
        result=Result(**json.loads(result)) if result else None,
    )
