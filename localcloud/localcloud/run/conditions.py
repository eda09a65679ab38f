"""Conditions: the status of jobs, executions and tasks, which each API renders in its own format. Pure.

gcloud's `--wait` follows ResourcesAvailable, Started and Completed, in this order, and fails with the message of the
last one; for a job it reads Ready.
"""

import enum
from dataclasses import dataclass

from localcloud.run.resources import Execution, ExecutionState, Job, Task, TaskState


class CompletionStatus(enum.Enum):
    """ExecutionReference.CompletionStatus."""

    EXECUTION_SUCCEEDED = 1
    EXECUTION_FAILED = 2
    EXECUTION_RUNNING = 3
    EXECUTION_PENDING = 4
    EXECUTION_CANCELLED = 5


_COMPLETION = {
    ExecutionState.SUCCEEDED: CompletionStatus.EXECUTION_SUCCEEDED,
    ExecutionState.FAILED: CompletionStatus.EXECUTION_FAILED,
    ExecutionState.CANCELLED: CompletionStatus.EXECUTION_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. `status`: None while unknown. `reason`: as in the v1 API, '' for none."""

    type: str
    status: bool | None
    at: float
    reason: str = ""
    message: str = ""


def job_conditions(job: Job, problem: str) -> list[Condition]:
    """Return the conditions of a job. `problem`: why it cannot run, or ''."""
    if problem:
        return [Condition("Ready", False, job.update_time, "ContainerMissing", problem)]
    return [Condition("Ready", True, job.update_time)]


def execution_conditions(execution: Execution) -> list[Condition]:
    """Return the conditions of an execution; Completed is the last."""
    started_at = execution.start_time or execution.completion_time
    started = True if started_at else None
    at = started_at or execution.create_time
    completed: bool | None = None
    reason = ""
    if execution.state.is_final:
        completed = execution.state is ExecutionState.SUCCEEDED
        reason = {ExecutionState.FAILED: "NonZeroExitCode", ExecutionState.CANCELLED: "Cancelled"}.get(
            execution.state, ""
        )
    elif execution.state is ExecutionState.CANCELLING:
        reason = "Cancelling"
    return [
        Condition("ResourcesAvailable", started, at),
        Condition("ContainerReady", started, at),
        Condition("Started", started, at),
        Condition("Completed", completed, execution.update_time, reason, execution.message),
    ]


def task_conditions(task: Task, created_at: float) -> list[Condition]:
    """Return the conditions of a task."""
    started = True if task.start_time else None
    started_at = task.start_time or created_at
    completed = None if task.is_open else task.state is TaskState.SUCCEEDED
    message = task.result.message if task.result and completed is False else ""
    reason = {TaskState.FAILED: "NonZeroExitCode", TaskState.CANCELLED: "Cancelled"}.get(task.state, "")
    return [
        Condition("Started", started, started_at),
        Condition("Completed", completed, task.completion_time or started_at, reason, message),
    ]


def completion_status(execution: Execution) -> CompletionStatus:
    """Return the status for a reference to an execution."""
    return _COMPLETION.get(execution.state, CompletionStatus.EXECUTION_RUNNING)
