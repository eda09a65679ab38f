"""Dispatches tasks when they are due, within the limits of their queues, and schedules retries.

`api` registers queues and calls `wake` after changes. Tasks are claimed in `records`, and outcomes stored there. There
is no polling: a queue has one timer for when its next task is due, a token is available or throttling ends, and none
if it has nothing to do.
"""

import asyncio
import time
from dataclasses import dataclass, field

from localcloud.event_log import emit
from localcloud.targets.outcome import Outcome, Sender, attempt
from localcloud.tasks.attempt import attempt_json, bounded_retry_after, next_attempt, request_of
from localcloud.tasks.pacing import Throttle, TokenBucket
from localcloud.tasks.records import Records
from localcloud.tasks.resources import Queue, QueueState, Task

# Timers stop while a laptop sleeps; the time of day does not. So a timer for a task that is due in hours wakes up
# after at most this long to check the time.
LONGEST_SLEEP_S = 60.0


@dataclass(slots=True)
class _ActiveQueue:
    """A queue and the state of its dispatching in this process."""

    queue: Queue
    bucket: TokenBucket
    throttle: Throttle = field(default_factory=Throttle)
    in_flight: int = 0
    timer: asyncio.Handle | None = None


class Dispatcher:
    """Dispatches the tasks of all queues on the running event loop."""

    def __init__(self, records: Records, outbound: Sender) -> None:
        self._records = records
        self._outbound = outbound
        self._active: dict[int, _ActiveQueue] = {}
        self._attempts: set[asyncio.Task[None]] = set()

    def put_queue(self, queue: Queue) -> None:
        """Start dispatching a queue, or apply its new settings or state."""
        active = self._active.get(queue.id)
        if active is None:
            self._active[queue.id] = _ActiveQueue(queue, TokenBucket(queue.config, time.time()))
        else:
            if active.queue.config != queue.config:
                active.bucket = TokenBucket(queue.config, time.time())
            active.queue = queue
        self.wake(queue)

    def drop_queue(self, queue: Queue) -> None:
        """Stop dispatching a queue. Outcomes of running attempts are ignored."""
        active = self._active.pop(queue.id)
        if active.timer is not None:
            active.timer.cancel()

    def wake(self, queue: Queue) -> None:
        """Check a queue for due tasks in the next iteration of the event loop."""
        self._sleep(self._active[queue.id], 0.0)

    def run(self, queue: Queue, task: Task) -> Task:
        """Dispatch a task now, regardless of the queue's state and limits. Return its new state."""
        claimed = self._records.claim_one(task.id, time.time())
        self._start(self._active[queue.id], claimed)
        return claimed

    async def stop(self) -> None:
        """Cancel running attempts. The next process repeats them."""
        for active in self._active.values():
            if active.timer is not None:
                active.timer.cancel()
        for running in self._attempts:
            running.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)

    def _sleep(self, active: _ActiveQueue, seconds: float) -> None:
        if active.timer is not None:
            active.timer.cancel()
        loop = asyncio.get_running_loop()
        active.timer = loop.call_later(min(seconds, LONGEST_SLEEP_S), self._dispatch, active)

    def _dispatch(self, active: _ActiveQueue) -> None:
        """Start as many due tasks as the limits allow; set the timer for the others."""
        active.timer = None
        if active.queue.state is not QueueState.RUNNING:
            return
        now = time.time()
        room = active.queue.config.max_concurrent_dispatches - active.in_flight
        count = min(room, active.bucket.available(now))
        if count > 0 and not active.throttle.wait_s(now):
            tasks = self._records.claim(active.queue, now=now, limit=count)
            active.bucket.take(len(tasks), now)
            for task in tasks:
                self._start(active, task)
        due = self._records.next_due(active.queue)
        if due is None or active.in_flight >= active.queue.config.max_concurrent_dispatches:
            return  # a new task or the end of an attempt calls `wake`
        self._sleep(active, max(due - now, active.throttle.wait_s(now), active.bucket.wait_s(now)))

    def _start(self, active: _ActiveQueue, task: Task) -> None:
        active.in_flight += 1
        running = asyncio.get_running_loop().create_task(self._attempt(active, task))
        self._attempts.add(running)
        running.add_done_callback(self._attempts.discard)

    async def _attempt(self, active: _ActiveQueue, task: Task) -> None:
        try:
            outcome = await attempt(
                self._outbound, lambda now: request_of(task, active.queue.short_id, now), task.dispatch_deadline_s
            )
            self._store_outcome(active, task, outcome)
        finally:
            active.in_flight -= 1
        if active.queue.id in self._active:
            self.wake(active.queue)

    def _store_outcome(self, active: _ActiveQueue, task: Task, outcome: Outcome) -> None:
        """Store an outcome and schedule the retry, if any. A task deleted meanwhile stays deleted."""
        retry = task.retry or active.queue.config.retry
        if outcome.overloaded:
            active.throttle.overloaded(
                dispatched_at=outcome.dispatched_at,
                now=outcome.ended_at,
                retry_after_s=bounded_retry_after(outcome, retry),
                retry=active.queue.config.retry,
            )
        elif outcome.answered:
            active.throttle.answered(dispatched_at=outcome.dispatched_at)
        if outcome.succeeded:
            self._records.finish(task.id, outcome.ended_at)
            return
        schedule_time = next_attempt(task, outcome, retry)
        if schedule_time is None:
            exists = self._records.finish(task.id, outcome.ended_at)
        else:
            exists = self._records.reschedule(
                task.id,
                schedule_time=schedule_time,
                status=outcome.status,
                answered=outcome.answered,
                executed=outcome.executed,
                last_attempt=attempt_json(task, outcome),
            )
        if exists:
            _log_failure(active, task, outcome, schedule_time)


def _log_failure(active: _ActiveQueue, task: Task, outcome: Outcome, schedule_time: float | None) -> None:
    is_last = schedule_time is None
    emit(
        "ERROR" if is_last else "WARNING",
        "attempt failed, task has no retries left" if is_last else "attempt failed",
        action="tasks.attempt",
        queue=active.queue.name,
        task=task.task_id,
        url=task.request.url.partition("?")[0],
        status=outcome.status,
        reason=outcome.reason or None,
        retry_count=task.dispatch_count,
        duration_ms=round((outcome.ended_at - outcome.dispatched_at) * 1000),
        retry_in_s=None if schedule_time is None else round(schedule_time - outcome.ended_at, 3),
        queue_throttled_s=round(active.throttle.wait_s(outcome.ended_at), 3) or None,
    )
