"""Database rows of Cloud Tasks: queues, tasks, and the names of finished and deleted tasks.

`tasks.running` counts running attempts. A new process resets it, so attempts that a dead process had started are
repeated, with the other counts unchanged.
"""

import json
from typing import Any

from localcloud.rest.protojson import Message
from localcloud.store import Store
from localcloud.targets.http_request import HttpMethod, HttpRequest
from localcloud.tasks.parse import read_queue_config, read_retry_config
from localcloud.tasks.render import queue_config_json, retry_config_json
from localcloud.tasks.resources import NewTask, Queue, QueueConfig, QueueState, Task

SCHEMA = """
create table if not exists queues (
  id integer primary key autoincrement,
  name text not null unique,
  state text not null,
  config text not null,
  purge_time real,
  deleted_at real
);
create table if not exists tasks (
  -- autoincrement: ids are not reused, since an attempt may end after its task was deleted
  id integer primary key autoincrement,
  queue_id integer not null,
  task_id text not null,
  url text not null,
  method text not null,
  headers text not null,
  body blob not null,
  oidc_email text not null,
  oidc_audience text not null,
  schedule_time real not null,
  create_time real not null,
  dispatch_deadline_s real not null,
  retry_config text,
  dispatch_count integer not null default 0,
  response_count integer not null default 0,
  execution_count integer not null default 0,
  running integer not null default 0,
  first_attempt_time real,
  last_attempt text,
  previous_response integer,
  unique (queue_id, task_id)
);
-- for claim and next_due: the next tasks of a queue without a running attempt
create index if not exists tasks_due on tasks (queue_id, schedule_time) where running = 0;
create table if not exists finished (
  queue_id integer not null,
  task_id text not null,
  finished_at real not null,
  primary key (queue_id, task_id)
) without rowid
"""

_TASK_COLUMNS = """id, queue_id, task_id, url, method, headers, body, oidc_email, oidc_audience, schedule_time,
  create_time, dispatch_deadline_s, retry_config, dispatch_count, response_count, execution_count, running,
  first_attempt_time, last_attempt, previous_response"""
_QUEUE_COLUMNS = "id, name, state, config, purge_time"


class Records:
    """Reads and writes queues and tasks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def release_all(self) -> None:
        """Reset the running attempts of an earlier process, so that their tasks are due again."""
        self._store.execute("update tasks set running = 0 where running > 0")

    def expire(self, *, tasks_before: float, names_before: float, queues_before: float) -> None:
        """Delete tasks created, names of tasks finished, and names of queues deleted before these times."""
        with self._store.transaction():
            self._finish("create_time < ?", tasks_before, tasks_before)
            self._store.execute("delete from finished where finished_at < ?", names_before)
            self._store.execute("delete from queues where deleted_at < ?", queues_before)

    # Queues

    def queues(self) -> list[Queue]:
        """Return all queues that are not deleted."""
        return [
            _queue(row)
            for row in self._store.rows(f"select {_QUEUE_COLUMNS} from queues where deleted_at is null order by name")
        ]

    def queue_deleted_at(self, name: str) -> float | None:
        """Return when the last queue of this name was deleted, or None."""
        row = self._store.row("select deleted_at from queues where name = ?", name)
        return None if row is None else row[0]

    def insert_queue(self, name: str, config: QueueConfig) -> Queue:
        """Insert a queue; replaces the tombstone of a deleted one with the same name."""
        with self._store.transaction():
            self._store.execute("delete from queues where name = ? and deleted_at is not null", name)
            cursor = self._store.execute(
                f"insert into queues (name, state, config) values (?, ?, ?) returning {_QUEUE_COLUMNS}",
                *(name, QueueState.RUNNING.name, json.dumps(queue_config_json(config))),
            )
            return _queue(cursor.fetchone())

    def update_queue(self, queue: Queue) -> None:
        """Store the settings, state and purge time of a queue."""
        self._store.execute(
            "update queues set state = ?, config = ?, purge_time = ? where id = ?",
            *(queue.state.name, json.dumps(queue_config_json(queue.config)), queue.purge_time, queue.id),
        )

    def delete_queue(self, queue: Queue, now: float) -> None:
        """Delete a queue and its tasks. Its row stays as a tombstone of the name."""
        with self._store.transaction():
            self._store.execute("update queues set deleted_at = ? where id = ?", now, queue.id)
            self._store.execute("delete from tasks where queue_id = ?", queue.id)
            self._store.execute("delete from finished where queue_id = ?", queue.id)

    def purge(self, queue: Queue, now: float) -> None:
        """Delete all tasks of a queue."""
        with self._store.transaction():
            self._finish("queue_id = ?", now, queue.id)

    # Tasks

    def insert_task(self, queue: Queue, task: NewTask, now: float) -> Task:
        """Insert a task. Its name must not be in use."""
        request = task.request
        values = {
            "queue_id": queue.id,
            "task_id": task.task_id,
            "url": request.url,
            "method": request.method.name,
            "headers": json.dumps(request.headers),
            "body": request.body,
            "oidc_email": request.oidc_email,
            "oidc_audience": request.oidc_audience,
            "schedule_time": task.schedule_time,
            "create_time": now,
            "dispatch_deadline_s": task.dispatch_deadline_s,
            "retry_config": json.dumps(retry_config_json(task.retry)) if task.retry else None,
        }
        marks = ", ".join("?" * len(values))
        cursor = self._store.execute(
            f"insert into tasks ({', '.join(values)}) values ({marks}) returning {_TASK_COLUMNS}", *values.values()
        )
        return _task(cursor.fetchone())

    def task(self, queue: Queue, task_id: str) -> Task | None:
        """Return a task, or None."""
        row = self._store.row(
            f"select {_TASK_COLUMNS} from tasks where queue_id = ? and task_id = ?", queue.id, task_id
        )
        return None if row is None else _task(row)

    def tasks(self, queue: Queue, *, after_id: int, limit: int) -> list[Task]:
        """Return up to `limit` tasks after the row `after_id`, in creation order."""
        rows = self._store.rows(
            f"select {_TASK_COLUMNS} from tasks where queue_id = ? and id > ? order by id limit ?",
            *(queue.id, after_id, limit),
        )
        return [_task(row) for row in rows]

    def finished_at(self, queue: Queue, task_id: str) -> float | None:
        """Return when a task of this name finished or was deleted; None if none did, or its tombstone expired."""
        row = self._store.row("select finished_at from finished where queue_id = ? and task_id = ?", queue.id, task_id)
        return None if row is None else row[0]

    def finish(self, row_id: int, now: float) -> bool:
        """Delete a task and store its name as a tombstone. Return False if it was deleted before."""
        with self._store.transaction():
            return self._finish("id = ?", now, row_id) > 0

    def claim(self, queue: Queue, *, now: float, limit: int) -> list[Task]:
        """Mark up to `limit` due tasks as running, longest due first, and return them."""
        return self._start(
            "id in (select id from tasks where queue_id = ? and running = 0 and schedule_time <= ? "
            "order by schedule_time limit ?)",
            *(now, queue.id, now, limit),
        )

    def claim_one(self, row_id: int, now: float) -> Task:
        """Mark an existing task as running once more, even if it is not due."""
        return self._start("id = ?", now, row_id)[0]

    def next_due(self, queue: Queue) -> float | None:
        """Return when the next task without a running attempt is due, or None."""
        due: float | None = self._store.row(
            "select min(schedule_time) from tasks where queue_id = ? and running = 0", queue.id
        )[0]
        return due

    def reschedule(
        self,
        row_id: int,
        *,
        schedule_time: float,
        status: int,
        answered: bool,
        executed: bool,
        last_attempt: dict[str, Any],
    ) -> bool:
        """Store a failed attempt and the time of the next one. Return False if the task was deleted."""
        cursor = self._store.execute(
            "update tasks set schedule_time = ?, running = max(running - 1, 0), dispatch_count = dispatch_count + 1, "
            "response_count = response_count + ?, execution_count = execution_count + ?, previous_response = ?, "
            "last_attempt = ? where id = ?",
            *(schedule_time, int(answered), int(executed), status, json.dumps(last_attempt), row_id),
        )
        return cursor.rowcount > 0

    def _start(self, condition: str, now: float, *values: object) -> list[Task]:
        rows = self._store.rows(
            "update tasks set running = running + 1, first_attempt_time = coalesce(first_attempt_time, ?) "
            f"where {condition} returning {_TASK_COLUMNS}",
            *(now, *values),
        )
        return sorted(map(_task, rows), key=lambda task: (task.schedule_time, task.id))

    def _finish(self, condition: str, now: float, value: object) -> int:
        """Delete the tasks that match a condition and insert their tombstones, in the caller's transaction."""
        self._store.execute(
            f"insert or replace into finished select queue_id, task_id, ? from tasks where {condition}", now, value
        )
        return self._store.execute(f"delete from tasks where {condition}", value).rowcount


def _queue(row: Any) -> Queue:
    id_, name, state, config, purge_time = row
    return Queue(id_, name, QueueState[state], read_queue_config(Message(json.loads(config), "queue")), purge_time)


def _task(row: Any) -> Task:
    (
        id_,
        queue_id,
        task_id,
        url,
        method,
        headers,
        body,
        email,
        audience,
        schedule_time,
        create_time,
        deadline_s,
        retry,
        *rest,
    ) = row
    dispatches, responses, executions, running, first_attempt_time, last_attempt, previous_response = rest
    return Task(
        id=id_,
        queue_id=queue_id,
        task_id=task_id,
        request=HttpRequest(url, HttpMethod[method], json.loads(headers), body, email, audience),
        schedule_time=schedule_time,
        create_time=create_time,
        dispatch_deadline_s=deadline_s,
        retry=read_retry_config(Message(json.loads(retry), "retryConfig")) if retry else None,
        dispatch_count=dispatches,
        response_count=responses,
        execution_count=executions,
        running=running,
        first_attempt_time=first_attempt_time,
        last_attempt=json.loads(last_attempt) if last_attempt else None,
        previous_response=previous_response,
    )
