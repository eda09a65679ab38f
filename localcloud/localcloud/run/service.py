"""Operations on jobs and executions, shared by the v1 and v2 APIs.

Arguments are already checked. Errors are `ApiError`s, with the messages of the real service where those are known.
"""

import secrets
import string
import time
import uuid
from collections.abc import Iterable

from localcloud.rest.router import ApiError
from localcloud.run.execution.executor import Executor
from localcloud.run.execution.images import Images
from localcloud.run.logs.files import LogFiles
from localcloud.run.overrides import Overrides, apply
from localcloud.run.parse import check_job_id
from localcloud.run.records import Records
from localcloud.run.resources import Execution, ExecutionState, Job, JobConfig, Place, Task

# More finished executions of a job are deleted, oldest first.
MAX_FINISHED_EXECUTIONS = 1000

_SUFFIX = string.ascii_lowercase + string.digits


class JobService:
    """Jobs and executions."""

    def __init__(self, records: Records, executor: Executor, images: Images, logs: LogFiles) -> None:
        self._records = records
        self._executor = executor
        self._images = images
        self._logs = logs

    # Jobs

    def create_job(self, place: Place, job_id: str, config: JobConfig) -> Job:
        """Create a job."""
        check_job_id(job_id)
        if self._records.job(place, job_id) is not None:
            raise ApiError("ALREADY_EXISTS", f"Resource '{job_id}' already exists.")
        return self._records.insert_job(place, job_id, uid=str(uuid.uuid4()), config=config, now=time.time())

    def job(self, place: Place, job_id: str) -> Job:
        """Return a job."""
        job = self._records.job(place, job_id)
        if job is None:
            raise _not_found("JOB", place, job_id)
        return job

    def jobs(self, project: str, location: str | None) -> list[Job]:
        """Return the jobs of a project, in one location or in all, sorted by name."""
        return self._records.jobs(project, location)

    def replace_job(self, job: Job, config: JobConfig) -> Job:
        """Replace the settings of a job. Running executions keep theirs."""
        return self._records.update_job(job, config, time.time())

    def delete_job(self, job: Job) -> None:
        """Delete a job and its executions; running ones are stopped."""
        self._delete_all(self._records.executions(job.place.project, job.place.location, job.job_id))
        self._records.delete_job(job)

    def problem(self, job: Job) -> str:
        """Return why a job cannot run, or ''."""
        container = job.config.template.task.container
        if self._images.argv(container) is not None:
            return ""
        return (
            f"Image '{container.image}' not found. "
            "Start localcloud with --image NAME=COMMAND to set the command that it runs for an image."
        )

    def latest_execution(self, job: Job) -> Execution | None:
        """Return the newest execution of a job, or None."""
        return self._records.latest_execution(job)

    # Executions

    def run(self, job: Job, overrides: Overrides) -> Execution:
        """Start an execution."""
        if problem := self.problem(job):
            raise ApiError("FAILED_PRECONDITION", problem)
        template = apply(overrides, job.config.template)
        execution = self._records.insert_execution(
            job, self._new_execution_id(job), uid=str(uuid.uuid4()), template=template, now=time.time()
        )
        self._executor.run(execution)
        self._delete_all(self._records.finished_executions(job.id, beyond=MAX_FINISHED_EXECUTIONS))
        return execution

    def execution(self, place: Place, execution_id: str) -> Execution:
        """Return an execution."""
        execution = self._records.execution(execution_id)
        if execution is None or execution.place != place:
            raise _not_found("EXECUTION", place, execution_id)
        return execution

    def executions(self, project: str, location: str | None, job_id: str | None = None) -> list[Execution]:
        """Return the executions of a project, or of one location or job in it; newest first."""
        return self._records.executions(project, location, job_id)

    def cancel(self, execution: Execution) -> Execution:
        """Cancel an execution. A finished one is left unchanged."""
        if not execution.state.is_final:
            self._records.set_execution_state(
                execution, ExecutionState.CANCELLING, "Cancelling execution.", time.time()
            )
            self._executor.stop_execution(execution)
        return self._records.execution(execution.execution_id) or execution

    def delete_execution(self, execution: Execution) -> None:
        """Delete an execution and its logs; a running one is stopped."""
        self._delete_all([execution])

    async def wait(self, execution_row: int, timeout_s: float) -> None:
        """Wait until an execution has ended, or `timeout_s` passed."""
        await self._executor.wait(execution_row, timeout_s)

    def tasks(self, execution: Execution) -> list[Task]:
        """Return the tasks of an execution, sorted by index."""
        return self._records.tasks(execution.id)

    def task(self, execution: Execution, task_id: str) -> Task:
        """Return a task by the last part of its name: `EXECUTION-taskINDEX`."""
        for task in self._records.tasks(execution.id):
            if task_id == f"{execution.execution_id}-task{task.index}":
                return task
        raise _not_found("TASK", execution.place, task_id)

    def _delete_all(self, executions: Iterable[Execution]) -> None:
        for execution in executions:
            self._executor.stop_execution(execution)
            self._records.delete_execution(execution)
            self._logs.delete(execution.execution_id)

    def _new_execution_id(self, job: Job) -> str:
        while True:
            execution_id = f"{job.job_id}-{''.join(secrets.choice(_SUFFIX) for _ in range(5))}"
            if self._records.execution(execution_id) is None:
                return execution_id


def _not_found(kind: str, place: Place, name: str) -> ApiError:
    where = f"in region '{place.location}' in project '{place.project}'"
    return ApiError("NOT_FOUND", f"Resource '{name}' of kind '{kind}' {where} does not exist.")
