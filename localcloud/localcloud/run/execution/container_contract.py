"""One attempt at a task: the environment its process gets, and what the process's end means. Pure.

The container contract: https://cloud.google.com/run/docs/container-contract#jobs-env-vars.
"""

from collections.abc import Mapping

from localcloud.run.execution.processes import Ended
from localcloud.run.resources import Execution, Result, Task


def environment(base: Mapping[str, str], execution: Execution, task: Task) -> dict[str, str]:
    """Return localcloud's own environment, which stands for the image's, then the container's, then the contract's.

    What is a secret in the container has the value that localcloud's own environment gives it.
    """
    return {
        **base,
        **execution.template.task.container.environment,
        "CLOUD_RUN_JOB": execution.job_id,
        "CLOUD_RUN_EXECUTION": execution.execution_id,
        "CLOUD_RUN_TASK_INDEX": str(task.index),
        "CLOUD_RUN_TASK_ATTEMPT": str(task.attempt),
        "CLOUD_RUN_TASK_COUNT": str(execution.template.task_count),
    }


def result_of(ended: Ended) -> Result:
    """Return what the end of a process means for its task, in the words of the real service."""
    if ended.timed_out:
        return Result(None, None, "The configured timeout was reached.")
    if ended.code < 0:
        return Result(None, -ended.code, f"The container was terminated by signal {-ended.code}.")
    return Result(ended.code, None, "The container exited with an error." if ended.code else "")


def failure_message(execution_id: str, task: Task) -> str:
    """Return what an execution says about the task that made it fail."""
    result = task.result or Result(None, None, "Internal error.")
    how = "message" if result.exit_code is None else f"exit code: {result.exit_code} and message"
    return f"Task {execution_id}-task{task.index} failed with {how}: {result.message}"
