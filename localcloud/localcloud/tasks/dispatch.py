"""Makes the requests: each queue's tasks when they are due, as fast as its limits allow, again until they succeed.

`api` tells it of queues and wakes it when something changed; it claims tasks from `records`, sends them through
`outbound` and writes down how they ended. Nothing is polled: a queue sleeps until its next task is due, a token comes
or a hold ends, and a queue with nothing to do has no timer at all.
"""

import asyncio
import time
from dataclasses import dataclass, field

from localcloud.event_log import emit
from localcloud.targets.outcome import Outcome, Sender, attempt
from localcloud.tasks.attempt import attempt_json, bounded_retry_after, next_attempt, request_of
from localcloud.tasks.pacing import Hold, TokenBucket
from localcloud.tasks.records import Records
from localcloud.tasks.resources import Queue, QueueState, Task

# A laptop may sleep, and the clock that timers run by sleeps with it; the time of day does not. A timer for a task
# that is due in hours therefore looks again after this long.
LONGEST_SLEEP_S = 60.0


@dataclass(slots=True)
class _Lane:
    """A queue while this process runs."""

    queue: Queue
    bucket: TokenBucket
    hold: Hold = field(default_factory=Hold)
    in_flight: int = 0
    timer: asyncio.Handle | None = None


class Dispatcher:
    """Dispatches the tasks of all queues on the running event loop."""

    def __init__(self, records: Records, outbound: Sender) -> None:
        self._records = records
        self._outbound = outbound
        self._lanes: dict[int, _Lane] = {}
        self._attempts: set[asyncio.Task[None]] = set()

    def put_queue(self, queue: Queue) -> None:
        """Begin with a queue, or go on with its new settings or state."""
        lane = self._lanes.get(queue.id)
        if lane is None:
            self._lanes[queue.id] = _Lane(queue, TokenBucket(queue.config, time.time()))
        else:
            if lane.queue.config != queue.config:
                lane.bucket = TokenBucket(queue.config, time.time())
            lane.queue = queue
        self.wake(queue)

    def drop_queue(self, queue: Queue) -> None:
        """Forget a queue; attempts under way end unheard."""
        lane = self._lanes.pop(queue.id)
        if lane.timer is not None:
            lane.timer.cancel()

    def wake(self, queue: Queue) -> None:
        """Look at a queue once whatever happens now is through."""
        self._sleep(self._lanes[queue.id], 0.0)

    def run(self, queue: Queue, task: Task) -> Task:
        """Dispatch a task now, whatever the queue's state and limits; returns it as it stands then."""
        claimed = self._records.claim_one(task.id, time.time())
        self._start(self._lanes[queue.id], claimed)
        return claimed

    async def stop(self) -> None:
        """Give up the attempts under way; the next process makes them again."""
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        for running in self._attempts:
            running.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)

    def _sleep(self, lane: _Lane, seconds: float) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
        loop = asyncio.get_running_loop()
        lane.timer = loop.call_later(min(seconds, LONGEST_SLEEP_S), self._dispatch, lane)

    def _dispatch(self, lane: _Lane) -> None:
        """Start what may start now and set the timer for what may not yet."""
        lane.timer = None
        if lane.queue.state is not QueueState.RUNNING:
            return
        now = time.time()
        room = lane.queue.config.max_concurrent_dispatches - lane.in_flight
        count = min(room, lane.bucket.available(now))
        if count > 0 and not lane.hold.wait_s(now):
            tasks = self._records.claim(lane.queue, now=now, limit=count)
            lane.bucket.take(len(tasks), now)
            for task in tasks:
                self._start(lane, task)
        due = self._records.next_due(lane.queue)
        if due is None or lane.in_flight >= lane.queue.config.max_concurrent_dispatches:
            return  # a new task, or the end of an attempt, wakes this queue
        self._sleep(lane, max(due - now, lane.hold.wait_s(now), lane.bucket.wait_s(now)))

    def _start(self, lane: _Lane, task: Task) -> None:
        lane.in_flight += 1
        running = asyncio.get_running_loop().create_task(self._attempt(lane, task))
        self._attempts.add(running)
        running.add_done_callback(self._attempts.discard)

    async def _attempt(self, lane: _Lane, task: Task) -> None:
        try:
            outcome = await attempt(
                self._outbound, lambda now: request_of(task, lane.queue.short_id, now), task.dispatch_deadline_s
            )
            self._settle(lane, task, outcome)
        finally:
            lane.in_flight -= 1
        if lane.queue.id in self._lanes:
            self.wake(lane.queue)

    def _settle(self, lane: _Lane, task: Task, outcome: Outcome) -> None:
        """Write down how an attempt ended and what follows; a task deleted meanwhile stays deleted."""
        retry = task.retry or lane.queue.config.retry
        if outcome.overloaded:
            lane.hold.overloaded(
                dispatched_at=outcome.dispatched_at,
                now=outcome.ended_at,
                retry_after_s=bounded_retry_after(outcome, retry),
                retry=lane.queue.config.retry,
            )
        elif outcome.answered:
            lane.hold.answered(dispatched_at=outcome.dispatched_at)
        if outcome.succeeded:
            self._records.finish(task.id, outcome.ended_at)
            return
        schedule_time = next_attempt(task, outcome, retry)
        if schedule_time is None:
            there = self._records.finish(task.id, outcome.ended_at)
        else:
            there = self._records.reschedule(
                task.id,
                schedule_time=schedule_time,
                status=outcome.status,
                answered=outcome.answered,
                executed=outcome.executed,
                last_attempt=attempt_json(task, outcome),
            )
        if there:
            _report(lane, task, outcome, schedule_time)


def _report(lane: _Lane, task: Task, outcome: Outcome, schedule_time: float | None) -> None:
    gone = schedule_time is None
    emit(
        "ERROR" if gone else "WARNING",
        "task given up after its last attempt" if gone else "attempt failed",
        action="tasks.attempt",
        queue=lane.queue.name,
        task=task.task_id,
        url=task.request.url.partition("?")[0],
        status=outcome.status,
        reason=outcome.reason or None,
        retry_count=task.dispatch_count,
        duration_ms=round((outcome.ended_at - outcome.dispatched_at) * 1000),
        retry_in_s=None if schedule_time is None else round(schedule_time - outcome.ended_at, 3),
        queue_held_s=round(lane.hold.wait_s(outcome.ended_at), 3) or None,
    )
