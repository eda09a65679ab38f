"""Runs executions: their tasks as processes, so many at once, again when they fail, until all have ended.

`service` tells it which executions to run, cancel or drop; it starts processes through `process` and writes down in
`records` how they end. An execution that another localcloud left behind, however that one ended, is taken up at the
start: what was running then is run again, as a new attempt that does not count as a failure.
"""

import asyncio
import os
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.event_log import emit
from localcloud.run.execution.container_contract import environment, failure_message, result_of
from localcloud.run.execution.images import Images
from localcloud.run.execution.processes import Command, Processes
from localcloud.run.logs.files import LogFiles
from localcloud.run.records import Records
from localcloud.run.resources import Execution, ExecutionState, Result, Task, TaskState

# So many processes at most, over all executions: what is left waits. A job of a thousand tasks must not sink a laptop.
MAX_PROCESSES = 32


@dataclass(slots=True, eq=False)
class _Run:
    """An execution while this process runs it."""

    execution: Execution
    slots: asyncio.Semaphore
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Executor:
    """Runs executions on the running event loop."""

    def __init__(self, records: Records, images: Images, logs: LogFiles, *, lock: Path, grace_s: float) -> None:
        self._records = records
        self._images = images
        self._logs = logs
        self._processes = Processes(lock, grace_s)
        self._ready: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(MAX_PROCESSES)
        self._runs: dict[int, _Run] = {}
        self._drivers: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Take up what the last process left."""
        for execution in reversed(self._records.open_executions()):
            self.run(execution)

    async def stop(self) -> None:
        """End every process without calling that an end of its task; the next process runs them again."""
        for driver in self._drivers:
            driver.cancel()
        await asyncio.gather(*self._drivers, return_exceptions=True)
        await self._processes.close()

    def run(self, execution: Execution) -> None:
        """Run an execution to its end."""
        parallelism = execution.template.parallelism or execution.template.task_count
        run = _Run(execution, asyncio.Semaphore(parallelism))
        if execution.state is ExecutionState.CANCELLING:
            run.stop.set()
        self._runs[execution.id] = run
        driver = asyncio.get_running_loop().create_task(self._drive(run))
        self._drivers.add(driver)
        driver.add_done_callback(self._drivers.discard)

    def end(self, execution: Execution) -> None:
        """Have the processes of an execution end; it becomes cancelled when they have, unless it is gone by then."""
        if execution.id in self._runs:
            self._runs[execution.id].stop.set()

    async def wait(self, execution_row: int, timeout_s: float) -> None:
        """Return when an execution has ended, or after a while."""
        if execution_row in self._runs:
            done = asyncio.ensure_future(self._runs[execution_row].done.wait())
            await asyncio.wait({done}, timeout=timeout_s)
            done.cancel()

    async def _drive(self, run: _Run) -> None:
        execution = run.execution
        try:
            if self._ready is None:
                self._ready = asyncio.get_running_loop().create_task(self._processes.start())
            await asyncio.shield(self._ready)
            waiting = [task for task in self._records.tasks(execution.id) if task.is_open]
            await asyncio.gather(*(self._run_task(run, task) for task in waiting))
            self._finish(run)
        except Exception:  # noqa: BLE001 - the boundary: a defect must end this execution, not leave it hanging
            emit("ERROR", "an execution broke", action="run.execution", stack_trace=traceback.format_exc())
            self._records.abort_tasks(execution.id, time.time())
            self._records.set_execution_state(execution, ExecutionState.FAILED, "Internal error.", time.time())
        del self._runs[execution.id]
        run.done.set()

    async def _run_task(self, run: _Run, task: Task) -> None:
        """Run a task until it has succeeded, failed too often or is to stop."""
        template = run.execution.template.task
        async with run.slots, self._room:
            while not run.stop.is_set():
                begun = self._records.begin_attempt(task.execution_row, task.index, time.time())
                if begun is None:  # deleted
                    return
                result = await self._attempt(run, begun)
                if result is None:  # cancelled
                    return
                state = TaskState.RUNNING
                if result.succeeded:
                    state = TaskState.SUCCEEDED
                elif begun.failures >= template.max_retries:
                    state = TaskState.FAILED
                self._records.end_attempt(begun, state, result, time.time())
                _report(run.execution, begun, result, state, output=self._output(run, begun))
                if state is not TaskState.RUNNING:
                    return

    async def _attempt(self, run: _Run, task: Task) -> Result | None:
        """Run a task's process to its end; returns None when it was stopped."""
        execution = run.execution
        container = execution.template.task.container
        argv = self._images.argv(container)
        if argv is None:  # it was known when the execution began, to another localcloud
            return Result(None, None, f"Image '{container.image}' not found.")
        command = Command(argv, environment(os.environ, execution, task), self._output(run, task))
        try:
            ended = await self._processes.run(command, timeout_s=execution.template.task.timeout_s, stop=run.stop)
        except (OSError, ValueError) as error:  # too long, a NUL in it, no more processes
            return Result(None, None, f"The container could not be started: {error}")
        return None if ended.stopped else result_of(ended)

    def _output(self, run: _Run, task: Task) -> Path:
        return self._logs.path(run.execution.execution_id, task.index, task.attempt)

    def _finish(self, run: _Run) -> None:
        """Write down what the ends of its tasks make of an execution, unless it is gone."""
        execution = run.execution
        now = time.time()
        if self._records.execution_at(execution.id) is None:
            return
        self._records.abort_tasks(execution.id, now)
        tasks = self._records.tasks(execution.id)
        failed = next((task for task in tasks if task.state is TaskState.FAILED), None)
        if all(task.state is TaskState.SUCCEEDED for task in tasks):
            state, message = ExecutionState.SUCCEEDED, ""
        elif run.stop.is_set():
            state, message = ExecutionState.CANCELLED, "Execution was cancelled."
        else:
            assert failed is not None
            state, message = ExecutionState.FAILED, failure_message(execution.execution_id, failed)
        self._records.set_execution_state(execution, state, message, now)
        emit(
            "ERROR" if state is ExecutionState.FAILED else "INFO",
            message or "execution succeeded",
            action="run.execution",
            execution=execution.name,
            duration_ms=round((now - execution.create_time) * 1000),
        )


def _report(execution: Execution, task: Task, result: Result, state: TaskState, *, output: Path) -> None:
    if not result.succeeded:
        emit(
            "WARNING" if state is TaskState.RUNNING else "ERROR",
            result.message,
            action="run.attempt",
            execution=execution.name,
            task=task.index,
            attempt=task.attempt,
            exit_code=result.exit_code,
            signal=result.term_signal,
            output=output,
        )
