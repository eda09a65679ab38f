"""Runs jobs on their schedules: sends their requests, retries failed ones, stores the outcomes in `records`.

A job has at most one execution at a time. A scheduled time (tick) that comes during an execution waits for its end, and
several such ticks are run once. Ticks that passed while localcloud was not running are skipped; an execution that had
started is resumed.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from localcloud.event_log import emit
from localcloud.scheduler.attempt import next_retry, request_of, status_json
from localcloud.scheduler.clock import Clock, Timer
from localcloud.scheduler.records import Records
from localcloud.scheduler.resources import Execution, Job, JobState
from localcloud.targets.outcome import Outcome, Sender, attempt


class Dispatcher:
    """Runs jobs on the running event loop."""

    def __init__(self, records: Records, sender: Sender, clock: Clock) -> None:
        self._records = records
        self._sender = sender
        self._clock = clock
        self._timers: dict[int, Timer] = {}
        self._running: set[int] = set()
        self._attempts: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Set the timers of all jobs; resume executions of an earlier process."""
        now = self._clock.now()
        for job in self._records.jobs():
            if job.outstanding is not None:
                self.put(self._records.resume(job, now))
            elif job.schedule_time is not None and job.schedule_time <= now:
                self.put(self._records.reschedule(job, job.config.next_tick(now)))
            else:
                self.put(job)

    async def stop(self) -> None:
        """Cancel running attempts. The next process repeats them."""
        for timer in self._timers.values():
            timer.cancel()
        for running in self._attempts:
            running.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)

    def put(self, job: Job) -> None:
        """Set a job's timer, according to its current state and schedule time."""
        self.drop(job)
        if job.schedule_time is not None and job.id not in self._running:
            self._timers[job.id] = self._clock.call_at(job.schedule_time, partial(self._due, job.id))

    def drop(self, job: Job) -> None:
        """Cancel a job's timer."""
        timer = self._timers.pop(job.id, None)
        if timer is not None:
            timer.cancel()

    def run(self, job: Job) -> Job:
        """Start an attempt now, regardless of the job's state and even during another attempt."""
        now = self._clock.now()
        if job.outstanding is not None or job.id in self._running:
            job = self._records.set_last_attempt_time(job, now)
            self._spawn(self._run_extra_attempt(job, now))
            return job
        return self._begin(job, now)

    def _due(self, row_id: int) -> None:
        job = self._records.job_by_row(row_id)
        if job is None or job.schedule_time is None or row_id in self._running:
            return
        if job.outstanding is None:
            self._begin(job, job.schedule_time)
        else:
            self._start(job)

    def _begin(self, job: Job, tick: float) -> Job:
        return self._start(self._records.begin(job, Execution(tick, self._clock.now(), failures=0)))

    def _start(self, job: Job) -> Job:
        self.drop(job)
        job = self._records.set_last_attempt_time(job, self._clock.now())
        self._running.add(job.id)
        self._spawn(self._attempt(job))
        return job

    def _spawn(self, attempt_run: Coroutine[Any, Any, None]) -> None:
        running = asyncio.get_running_loop().create_task(attempt_run)
        self._attempts.add(running)
        running.add_done_callback(self._attempts.discard)

    async def _attempt(self, job: Job) -> None:
        assert job.outstanding is not None
        try:
            outcome = await self._send(job, job.outstanding.tick)
        finally:
            self._running.discard(job.id)
        current = self._records.job_by_row(job.id)
        if current is not None:
            self.put(self._store_outcome(current, outcome))

    async def _run_extra_attempt(self, job: Job, tick: float) -> None:
        outcome = await self._send(job, tick)
        current = self._records.job_by_row(job.id)
        if current is not None:
            self._records.set_status(current, status_json(outcome))

    async def _send(self, job: Job, tick: float) -> Outcome:
        outcome = await attempt(self._sender, lambda now: request_of(job, tick, now), job.config.attempt_deadline_s)
        if not outcome.succeeded:
            _log_failure(job, outcome)
        return outcome

    def _store_outcome(self, job: Job, outcome: Outcome) -> Job:
        """Store the outcome of an attempt, and when the next one is due."""
        status, execution = status_json(outcome), job.outstanding
        if execution is None:  # paused or changed meanwhile, which ended the execution
            return self._records.set_status(job, status)
        if job.state is not JobState.ENABLED:
            return self._records.finish(job, status, schedule_time=None)
        tick = job.config.next_tick(execution.begun_at)
        if not outcome.succeeded:
            retry_at = next_retry(execution, job.config.retry, self._clock.now())
            if retry_at is not None and retry_at < tick:
                return self._records.retry(job, status, failures=execution.failures + 1, schedule_time=retry_at)
        return self._records.finish(job, status, schedule_time=tick)


def _log_failure(job: Job, outcome: Outcome) -> None:
    emit(
        "WARNING",
        "attempt failed",
        action="scheduler.attempt",
        job=job.name,
        url=job.config.request.url.partition("?")[0],
        status=outcome.status,
        reason=outcome.reason or None,
        retry_count=job.outstanding.failures if job.outstanding else None,
        duration_ms=round((outcome.ended_at - outcome.dispatched_at) * 1000),
    )
