"""The methods of Cloud Tasks v2. Each checks its request, updates the records and notifies the dispatcher.

Methods do not interleave. Queues are cached in memory, since there are few; tasks are not.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass, replace

from localcloud.rest.paging import is_number, page_of, page_size
from localcloud.rest.protojson import Message, enum_member, masked
from localcloud.rest.router import ApiError, Call, Handler, JsonObject, Route, invalid
from localcloud.store import Store
from localcloud.targets.outcome import Sender
from localcloud.tasks.dispatch import Dispatcher
from localcloud.tasks.parse import check_queue_name, read_queue_config, read_task
from localcloud.tasks.records import Records
from localcloud.tasks.render import queue_config_json, queue_json, task_json
from localcloud.tasks.resources import Queue, QueueState, View

_LOCATION = "projects/*/locations/*"
_QUEUE = f"{_LOCATION}/queues/*"
_TASK = f"{_QUEUE}/tasks/*"
_UNSUPPORTED = {
    "BatchCreateTasks": ("POST", f"/v2/{{parent={_QUEUE}}}/tasks:batchCreate"),
    "BatchDeleteTasks": ("POST", f"/v2/{{parent={_QUEUE}}}/tasks:batchDelete"),
    "BufferTask": ("POST", f"/v2/{{queue={_QUEUE}}}/tasks:buffer"),
    "BufferTask with a task id": ("POST", f"/v2/{{queue={_QUEUE}}}/tasks/{{task_id=*}}:buffer"),
    "GetIamPolicy": ("POST", f"/v2/{{resource={_QUEUE}}}:getIamPolicy"),
    "SetIamPolicy": ("POST", f"/v2/{{resource={_QUEUE}}}:setIamPolicy"),
    "TestIamPermissions": ("POST", f"/v2/{{resource={_QUEUE}}}:testIamPermissions"),
    "GetCmekConfig": ("GET", f"/v2/{{name={_LOCATION}}}/cmekConfig"),
    "UpdateCmekConfig": ("PATCH", f"/v2/{{name={_LOCATION}}}/cmekConfig"),
}
_NO_QUEUE = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."
_NO_ENTITY = "Requested entity was not found."


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the real service that tests can change."""

    min_dispatch_deadline_s: float = 15.0
    task_retention_s: float = 31 * 24 * 3600.0
    task_name_tombstone_s: float = 24 * 3600.0
    queue_name_tombstone_s: float = 3 * 24 * 3600.0
    max_queues_per_page: int = 9800
    max_tasks_per_page: int = 1000


class CloudTasks:
    """The Cloud Tasks service. Dispatches tasks between `start` and `stop`."""

    def __init__(self, store: Store, outbound: Sender, limits: Limits) -> None:
        self._records = Records(store)
        self._dispatcher = Dispatcher(self._records, outbound)
        self._limits = limits
        self._queues: dict[str, Queue] = {}
        self._sweeper: asyncio.Handle | None = None

    @property
    def routes(self) -> list[Route]:
        """All methods of the v2 API, including unsupported ones."""
        supported: list[tuple[str, str, Handler]] = [
            ("POST", f"/v2/{{parent={_QUEUE}}}/tasks", self.create_task),
            ("GET", f"/v2/{{parent={_QUEUE}}}/tasks", self.list_tasks),
            ("GET", f"/v2/{{name={_TASK}}}", self.get_task),
            ("DELETE", f"/v2/{{name={_TASK}}}", self.delete_task),
            ("POST", f"/v2/{{name={_TASK}}}:run", self.run_task),
            ("POST", f"/v2/{{parent={_LOCATION}}}/queues", self.create_queue),
            ("GET", f"/v2/{{parent={_LOCATION}}}/queues", self.list_queues),
            ("GET", f"/v2/{{name={_QUEUE}}}", self.get_queue),
            ("PATCH", f"/v2/{{name={_QUEUE}}}", self.update_queue),
            ("DELETE", f"/v2/{{name={_QUEUE}}}", self.delete_queue),
            ("POST", f"/v2/{{name={_QUEUE}}}:pause", self.pause_queue),
            ("POST", f"/v2/{{name={_QUEUE}}}:resume", self.resume_queue),
            ("POST", f"/v2/{{name={_QUEUE}}}:purge", self.purge_queue),
        ]
        return [
            *(Route(verb, template, handler.__name__, handler) for verb, template, handler in supported),
            *(Route(verb, template, name) for name, (verb, template) in _UNSUPPORTED.items()),
        ]

    def start(self) -> None:
        """Resume dispatching, on the running event loop."""
        self._records.release_all()
        self._sweep()
        for queue in self._records.queues():
            self._put(queue)

    async def stop(self) -> None:
        """Stop dispatching."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._dispatcher.stop()

    # Queues

    def create_queue(self, call: Call) -> JsonObject:
        """CreateQueue."""
        queue = Message(call.body, "queue")
        name = queue.string("name")
        check_queue_name(name, call.path["parent"])
        if name in self._queues:
            raise ApiError("ALREADY_EXISTS", "Queue already exists")
        return self._create(name, queue)

    def list_queues(self, call: Call) -> JsonObject:
        """ListQueues, sorted by name."""
        if call.query.get("filter"):
            raise ApiError("UNIMPLEMENTED", "ListQueues with a filter is not supported by localcloud.")
        prefix = f"{call.path['parent']}/queues/"
        names = sorted(name for name in self._queues if name.startswith(prefix))
        after = call.query.get("pageToken", "")
        size = page_size(call, self._limits.max_queues_per_page)
        page, token = page_of([name for name in names if name > after], size, str)
        return {"queues": [queue_json(self._queues[name]) for name in page], **token}

    def get_queue(self, call: Call) -> JsonObject:
        """GetQueue."""
        return queue_json(self._queue(call.path["name"]))

    def update_queue(self, call: Call) -> JsonObject:
        """UpdateQueue: updates the fields of `updateMask`, or all without one. Creates a missing queue."""
        name = call.path["name"]
        mask = [path.strip() for path in call.query.get("updateMask", "").split(",") if path.strip()]
        queue = self._queues.get(name)
        if queue is None:
            check_queue_name(name, name.partition("/queues/")[0])
            return self._create(name, Message(call.body, "queue"))
        settings = masked(queue_config_json(queue.config), call.body, mask) if mask else call.body
        return self._change(replace(queue, config=read_queue_config(Message(settings, "queue"))))

    def pause_queue(self, call: Call) -> JsonObject:
        """PauseQueue: running attempts continue, new ones are not started."""
        return self._change(replace(self._queue(call.path["name"]), state=QueueState.PAUSED))

    def resume_queue(self, call: Call) -> JsonObject:
        """ResumeQueue."""
        return self._change(replace(self._queue(call.path["name"]), state=QueueState.RUNNING))

    def purge_queue(self, call: Call) -> JsonObject:
        """PurgeQueue: immediate, where the real service takes up to a minute."""
        now = time.time()
        queue = self._queue(call.path["name"])
        self._records.purge(queue, now)
        return self._change(replace(queue, purge_time=now))

    def delete_queue(self, call: Call) -> JsonObject:
        """DeleteQueue, with its tasks. The name stays blocked for `queue_name_tombstone_s`."""
        queue = self._queues.pop(call.path["name"], None)
        if queue is None:
            raise ApiError("NOT_FOUND", _NO_ENTITY)
        self._records.delete_queue(queue, time.time())
        self._dispatcher.drop_queue(queue)
        return {}

    # Tasks

    def create_task(self, call: Call) -> JsonObject:
        """CreateTask: stored when this returns, dispatched when due."""
        queue = self._queue(call.path["parent"])
        now = time.time()
        with Message(call.body, "") as body:
            view = body.enum_value("responseView", View)
            body.ignore("parent")
            message = body.message("task")
        if message is None:
            raise invalid("CreateTaskRequest.task is required.")
        task = read_task(
            message,
            queue_name=queue.name,
            now=now,
            min_dispatch_deadline_s=self._limits.min_dispatch_deadline_s,
        )
        if not task.task_id:
            task = replace(task, task_id=f"{secrets.randbelow(10**20):020d}")
        elif self._records.task(queue, task.task_id) or self._recently_finished(queue, task.task_id):
            raise ApiError("ALREADY_EXISTS", "Requested entity already exists")
        created = self._records.insert_task(queue, task, now)
        self._dispatcher.wake(queue)
        return task_json(created, queue.name, view)

    def list_tasks(self, call: Call) -> JsonObject:
        """ListTasks, in creation order."""
        queue = self._queue(call.path["parent"])
        token = call.query.get("pageToken", "0")
        if not is_number(token):
            raise invalid("Invalid page token.")
        size = page_size(call, self._limits.max_tasks_per_page)
        tasks = self._records.tasks(queue, after_id=int(token), limit=size + 1)
        page, next_page = page_of(tasks, size, lambda task: str(task.id))
        return {"tasks": [task_json(task, queue.name, _view(call)) for task in page], **next_page}

    def get_task(self, call: Call) -> JsonObject:
        """GetTask."""
        queue_name, _, task_id = call.path["name"].partition("/tasks/")
        queue = self._queue(queue_name)
        task = self._records.task(queue, task_id)
        if task is None and self._recently_finished(queue, task_id):
            raise ApiError(
                "NOT_FOUND",
                "The task no longer exists, though a task with this name existed recently. "
                "The task either successfully completed or was deleted.",
            )
        if task is None:
            raise ApiError("NOT_FOUND", _NO_ENTITY)
        return task_json(task, queue.name, _view(call))

    def delete_task(self, call: Call) -> JsonObject:
        """DeleteTask: a running attempt continues but is not retried."""
        queue_name, _, task_id = call.path["name"].partition("/tasks/")
        task = self._records.task(self._queue(queue_name), task_id)
        if task is None:
            raise ApiError("NOT_FOUND", _NO_ENTITY)
        self._records.finish(task.id, time.time())
        return {}

    def run_task(self, call: Call) -> JsonObject:
        """RunTask: dispatches a task now, ignoring the queue's limits and even if it is paused."""
        queue_name, _, task_id = call.path["name"].partition("/tasks/")
        queue = self._queue(queue_name)
        task = self._records.task(queue, task_id)
        if task is None:
            raise ApiError("NOT_FOUND", _NO_ENTITY)
        with Message(call.body, "") as body:
            view = body.enum_value("responseView", View)
        return task_json(self._dispatcher.run(queue, task), queue.name, view)

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            raise ApiError("NOT_FOUND", _NO_QUEUE)
        return self._queues[name]

    def _create(self, name: str, settings: Message) -> JsonObject:
        deleted_at = self._records.queue_deleted_at(name)
        if deleted_at is not None and deleted_at > time.time() - self._limits.queue_name_tombstone_s:
            raise ApiError(
                "FAILED_PRECONDITION",
                "The queue cannot be created because a queue with this name existed too recently.",
            )
        queue = self._records.insert_queue(name, read_queue_config(settings))
        self._put(queue)
        return queue_json(queue)

    def _change(self, queue: Queue) -> JsonObject:
        self._records.update_queue(queue)
        self._put(queue)
        return queue_json(queue)

    def _put(self, queue: Queue) -> None:
        self._queues[queue.name] = queue
        self._dispatcher.put_queue(queue)

    def _recently_finished(self, queue: Queue, task_id: str) -> bool:
        finished_at = self._records.finished_at(queue, task_id)
        return finished_at is not None and finished_at > time.time() - self._limits.task_name_tombstone_s

    def _sweep(self) -> None:
        """Delete expired tasks and names, now and every hour."""
        now = time.time()
        self._records.expire(
            tasks_before=now - self._limits.task_retention_s,
            names_before=now - self._limits.task_name_tombstone_s,
            queues_before=now - self._limits.queue_name_tombstone_s,
        )
        self._sweeper = asyncio.get_running_loop().call_later(3600, self._sweep)


def _view(call: Call) -> View:
    view = enum_member(View, call.query.get("responseView", 0))
    if view is None:
        raise invalid(f"Invalid value at 'response_view': {call.query['responseView']!r}")
    return view
