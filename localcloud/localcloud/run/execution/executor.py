"""Runs executions: starts their tasks as processes, with retries and limited parallelism, and stores the results.

Executions that an earlier localcloud left unfinished are resumed at start: their running tasks are run again, as new
attempts that do not count as failures.
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

# Limit over all executions, so that a job with a thousand tasks does not overload a laptop.
MAX_PROCESSES = 32


@dataclass(slots=True, eq=False)
class _ActiveExecution:
    """An execution and the state of running it in this process."""

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
        self._slots = asyncio.Semaphore(MAX_PROCESSES)
        self._active: dict[int, _ActiveExecution] = {}
        self._runners: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Resume the unfinished executions of an earlier process."""
        for execution in reversed(self._records.open_executions()):
            self.run(execution)

    async def stop(self) -> None:
        """End all processes without storing results. The next localcloud runs their tasks again."""
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)
        await self._processes.close()

    def run(self, execution: Execution) -> None:
        """Start running an execution."""
        parallelism = execution.template.parallelism or execution.template.task_count
        run = _ActiveExecution(execution, asyncio.Semaphore(parallelism))
        if execution.state is ExecutionState.CANCELLING:
            run.stop.set()
        self._active[execution.id] = run
        runner = asyncio.get_running_loop().create_task(self._run_execution(run))
        self._runners.add(runner)
        runner.add_done_callback(self._runners.discard)

    def stop_execution(self, execution: Execution) -> None:
        """Stop the processes of an execution. When they have ended it becomes CANCELLED, unless it was deleted."""
        if execution.id in self._active:
            self._active[execution.id].stop.set()

    async def wait(self, execution_row: int, timeout_s: float) -> None:
        """Wait until an execution has ended, or `timeout_s` passed."""
        if execution_row in self._active:
            done = asyncio.ensure_future(self._active[execution_row].done.wait())
            await asyncio.wait({done}, timeout=timeout_s)
            done.cancel()

    async def _run_execution(self, run: _ActiveExecution) -> None:
        execution = run.execution
        try:
            if self._ready is None:
                self._ready = asyncio.get_running_loop().create_task(self._processes.start())
            await asyncio.shield(self._ready)
            open_tasks = [task for task in self._records.tasks(execution.id) if task.is_open]
            await asyncio.gather(*(self._run_task(run, task) for task in open_tasks))
            self._store_final_state(run)
        except Exception:  # noqa: BLE001 - boundary: a defect must end the execution, not leave it running
            emit(
                "ERROR",
                "execution failed with an unexpected error",
                action="run.execution",
                stack_trace=traceback.format_exc(),
            )
            self._records.abort_tasks(execution.id, time.time())
            self._records.set_execution_state(execution, ExecutionState.FAILED, "Internal error.", time.time())
        del self._active[execution.id]
        run.done.set()

    async def _run_task(self, run: _ActiveExecution, task: Task) -> None:
        """Run a task until it succeeds, has no retries left, or is stopped."""
        template = run.execution.template.task
        async with run.slots, self._slots:
            while not run.stop.is_set():
                started = self._records.start_attempt(task.execution_row, task.index, time.time())
                if started is None:  # deleted
                    return
                result = await self._attempt(run, started)
                if result is None:  # cancelled
                    return
                state = TaskState.RUNNING
                if result.succeeded:
                    state = TaskState.SUCCEEDED
                elif started.failures >= template.max_retries:
                    state = TaskState.FAILED
                self._records.end_attempt(started, state, result, time.time())
                _log_failure(run.execution, started, result, state, output=self._output(run, started))
                if state is not TaskState.RUNNING:
                    return

    async def _attempt(self, run: _ActiveExecution, task: Task) -> Result | None:
        """Run a task's process to its end. Return None if it was stopped."""
        execution = run.execution
        container = execution.template.task.container
        argv = self._images.argv(container)
        if argv is None:  # an earlier localcloud had a command for it
            return Result(None, None, f"Image '{container.image}' not found.")
        command = Command(argv, environment(os.environ, execution, task), self._output(run, task))
        try:
            process_exit = await self._processes.run(
                command, timeout_s=execution.template.task.timeout_s, stop=run.stop
            )
        except (OSError, ValueError) as error:  # arguments too long, a NUL byte, no more processes
            return Result(None, None, f"The container could not be started: {error}")
        return None if process_exit.stopped else result_of(process_exit)

    def _output(self, run: _ActiveExecution, task: Task) -> Path:
        return self._logs.path(run.execution.execution_id, task.index, task.attempt)

    def _store_final_state(self, run: _ActiveExecution) -> None:
        """Store the final state of an execution, unless it was deleted."""
        execution = run.execution
        now = time.time()
        if self._records.execution_by_row(execution.id) is None:
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


def _log_failure(execution: Execution, task: Task, result: Result, state: TaskState, *, output: Path) -> None:
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
