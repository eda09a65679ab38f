"""The Cloud Run Admin API v1 for jobs, executions and tasks, which `gcloud run jobs` calls.

Resource names of v1 have no location. It is in the host, `LOCATION-run.googleapis.com`, which gcloud reaches through an
HTTP proxy (`docs/localcloud.md`). Without a location in the host, List methods return all locations and other methods
are rejected.
"""

from typing import TypeVar

from localcloud.rest.paging import is_number, page_of, page_size
from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, Call, Handler, JsonObject, Route, invalid
from localcloud.run.overrides import read_overrides
from localcloud.run.resources import Execution, Job, Place
from localcloud.run.service import JobService
from localcloud.run.v1.parse import read_job
from localcloud.run.v1.render import API_VERSION, execution_json, job_json, task_json
from localcloud.run.v1.selectors import matches

T = TypeVar("T")

MAX_PAGE = 1000
_BASE = f"/apis/{API_VERSION}"
_NAMESPACE = "{project=namespaces/*}"
_JOB = _NAMESPACE + "/jobs/{job=*}"
_EXECUTION = _NAMESPACE + "/executions/{execution=*}"


class JobsV1:
    """The methods of the v1 API."""

    def __init__(self, service: JobService) -> None:
        self._service = service

    @property
    def routes(self) -> list[Route]:
        """The supported methods."""
        supported: list[tuple[str, str, Handler]] = [
            ("POST", f"{_BASE}/{_NAMESPACE}/jobs", self.create_job),
            ("GET", f"{_BASE}/{_NAMESPACE}/jobs", self.list_jobs),
            ("GET", f"{_BASE}/{_JOB}", self.get_job),
            ("PUT", f"{_BASE}/{_JOB}", self.replace_job),
            ("DELETE", f"{_BASE}/{_JOB}", self.delete_job),
            ("POST", f"{_BASE}/{_JOB}:run", self.run_job),
            ("GET", f"{_BASE}/{_NAMESPACE}/executions", self.list_executions),
            ("GET", f"{_BASE}/{_EXECUTION}", self.get_execution),
            ("DELETE", f"{_BASE}/{_EXECUTION}", self.delete_execution),
            ("POST", f"{_BASE}/{_EXECUTION}:cancel", self.cancel_execution),
            ("GET", f"{_BASE}/{_NAMESPACE}/tasks", self.list_tasks),
            ("GET", f"{_BASE}/{_NAMESPACE}/tasks/{{task=*}}", self.get_task),
        ]
        return [Route(verb, template, handler.__name__, handler) for verb, template, handler in supported]

    # Jobs

    def create_job(self, call: Call) -> JsonObject:
        """CreateJob."""
        job_id, _, config = read_job(Message(call.body, "job"))
        return self._job_json(self._service.create_job(_place(call), job_id, config))

    def list_jobs(self, call: Call) -> JsonObject:
        """ListJobs, sorted by name."""
        jobs = self._service.jobs(_project(call), _location(call))
        return _list(call, "Job", [self._job_json(job) for job in jobs])

    def get_job(self, call: Call) -> JsonObject:
        """GetJob."""
        return self._job_json(self._job(call))

    def replace_job(self, call: Call) -> JsonObject:
        """ReplaceJob: replaces all settings. Fails with 409 if `resourceVersion` is not current."""
        job = self._job(call)
        job_id, version, config = read_job(Message(call.body, "job"))
        if job_id != job.job_id:
            raise invalid(f"metadata.name must be {job.job_id!r}.")
        if version and version != job.version:
            raise ApiError(
                "ABORTED",
                f"Conflict for resource '{job_id}': version '{version}' was specified but current version is "
                f"'{job.version}'.",
            )
        return self._job_json(self._service.replace_job(job, config))

    def delete_job(self, call: Call) -> JsonObject:
        """DeleteJob, with its executions."""
        self._service.delete_job(self._job(call))
        return {"status": "Success"}

    def run_job(self, call: Call) -> JsonObject:
        """RunJob."""
        with Message(call.body, "") as body:
            overrides = read_overrides(body.message("overrides"))
        return execution_json(self._service.run(self._job(call), overrides))

    # Executions and tasks

    def list_executions(self, call: Call) -> JsonObject:
        """ListExecutions, newest first."""
        executions = self._service.executions(_project(call), _location(call))
        return _list(call, "Execution", [execution_json(execution) for execution in executions])

    def get_execution(self, call: Call) -> JsonObject:
        """GetExecution."""
        return execution_json(self._execution(call))

    def delete_execution(self, call: Call) -> JsonObject:
        """DeleteExecution."""
        self._service.delete_execution(self._execution(call))
        return {"status": "Success"}

    def cancel_execution(self, call: Call) -> JsonObject:
        """CancelExecution. The Completed condition becomes False when the processes have ended."""
        return execution_json(self._service.cancel(self._execution(call)))

    def list_tasks(self, call: Call) -> JsonObject:
        """ListTasks, those of the newest execution first."""
        executions = self._service.executions(_project(call), _location(call))
        tasks = [task_json(task, execution) for execution in executions for task in self._service.tasks(execution)]
        return _list(call, "Task", tasks)

    def get_task(self, call: Call) -> JsonObject:
        """GetTask."""
        task_id = call.path["task"]
        execution = self._service.execution(_place(call), task_id.rpartition("-task")[0])
        return task_json(self._service.task(execution, task_id), execution)

    # Resources of a call

    def _job(self, call: Call) -> Job:
        return self._service.job(_place(call), call.path["job"])

    def _execution(self, call: Call) -> Execution:
        return self._service.execution(_place(call), call.path["execution"])

    def _job_json(self, job: Job) -> JsonObject:
        return job_json(job, self._service.latest_execution(job), self._service.problem(job))


def _project(call: Call) -> str:
    return call.path["project"].removeprefix("namespaces/")


def _location(call: Call) -> str | None:
    """Return the location in the host, as in `us-central1-run.googleapis.com`; None for `run.googleapis.com`."""
    location, separator, _ = call.host.rpartition("-run.")
    return location if separator else None


def _place(call: Call) -> Place:
    location = _location(call)
    if location is None:
        raise invalid("In the v1 API, the host must contain the location (LOCATION-run.googleapis.com).")
    return Place(_project(call), location)


def _list(call: Call, kind: str, items: list[JsonObject]) -> JsonObject:
    """Return a page of the items that match the call's `labelSelector`."""
    selector = call.query.get("labelSelector", "")
    selected = [item for item in items if matches(selector, item["metadata"]["labels"])]
    skipped = call.query.get("continue", "0")
    if not is_number(skipped):
        raise invalid("Invalid continuation token.")
    size = page_size(call, MAX_PAGE, "limit")
    page, _ = page_of(selected[int(skipped) :], size, str)
    more = {"continue": str(int(skipped) + size)} if len(selected) > int(skipped) + size else {}
    return {"apiVersion": API_VERSION, "kind": f"{kind}List", "metadata": more, "items": page}
