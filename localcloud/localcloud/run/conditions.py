"""How Cloud Run says how far a resource is: conditions, from which both APIs write their own form. Pure.

gcloud's `--wait` follows ResourcesAvailable, Started and Completed, in this order, and fails with the last one's
message; of a job it asks for Ready.
"""

from dataclasses import dataclass

from localcloud.run.resources import Execution, ExecutionState, Job, Task, TaskState


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `status` is None while it is not known; `reason` is the v1 API's word, '' for none."""

    type: str
    status: bool | None
    at: float
    reason: str = ""
    message: str = ""


def job_conditions(job: Job, problem: str) -> list[Condition]:
    """Return whether a job can be run; `problem` says why not."""
    if problem:
        return [Condition("Ready", False, job.update_time, "ContainerMissing", problem)]
    return [Condition("Ready", True, job.update_time)]


def execution_conditions(execution: Execution) -> list[Condition]:
    """Return how far an execution is, the one that ends it last."""
    begun_at = execution.start_time or execution.completion_time
    begun = True if begun_at else None
    at = begun_at or execution.create_time
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
        Condition("ResourcesAvailable", begun, at),
        Condition("ContainerReady", begun, at),
        Condition("Started", begun, at),
        Condition("Completed", completed, execution.update_time, reason, execution.message),
    ]


def task_conditions(task: Task, created_at: float) -> list[Condition]:
    """Return how far a task is."""
    begun = True if task.start_time else None
    began_at = task.start_time or created_at
    completed = None if task.is_open else task.state is TaskState.SUCCEEDED
    message = task.result.message if task.result and completed is False else ""
    reason = {TaskState.FAILED: "NonZeroExitCode", TaskState.CANCELLED: "Cancelled"}.get(task.state, "")
    return [
        Condition("Started", begun, began_at),
        Condition("Completed", completed, task.completion_time or began_at, reason, message),
    ]
