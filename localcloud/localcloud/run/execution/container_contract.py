"""The container contract of Cloud Run jobs: environment variables and exit codes of task attempts. Pure.

https://cloud.google.com/run/docs/container-contract#jobs-env-vars
"""

from collections.abc import Mapping

from localcloud.run.execution.processes import ProcessExit
from localcloud.run.resources import Execution, Result, Task


def environment(base: Mapping[str, str], execution: Execution, task: Task) -> dict[str, str]:
    """Return the environment of a task's process: `base`, the container's variables, then those of the contract.

    `base` is localcloud's own environment, in place of the image's. Variables with secrets have their values there.
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


def result_of(process_exit: ProcessExit) -> Result:
    """Return the result of an attempt, with the message of the real service."""
    if process_exit.timed_out:
        return Result(None, None, "The configured timeout was reached.")
    if process_exit.code < 0:
        return Result(None, -process_exit.code, f"The container was terminated by signal {-process_exit.code}.")
    return Result(process_exit.code, None, "The container exited with an error." if process_exit.code else "")


def failure_message(execution_id: str, task: Task) -> str:
    """Return the message of an execution that failed because of `task`."""
    result = task.result or Result(None, None, "Internal error.")
    how = "message" if result.exit_code is None else f"exit code: {result.exit_code} and message"
    return f"Task {execution_id}-task{task.index} failed with {how}: {result.message}"
