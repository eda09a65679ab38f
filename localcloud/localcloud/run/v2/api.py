"""The Cloud Run Admin API v2 for jobs, executions and tasks, which `google.cloud.run_v2` calls.

Methods that change a job return an operation that is already done. The operations of RunJob and CancelExecution are
done when the execution has ended.
"""

import math
import time
import uuid
from collections.abc import Awaitable

from localcloud.rest.paging import is_number, page_of, page_size
from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, Call, Handler, JsonObject, Route, invalid
from localcloud.run.overrides import read_overrides
from localcloud.run.records import Records
from localcloud.run.resources import Execution, ExecutionState, Job, Place
from localcloud.run.service import JobService
from localcloud.run.v2.parse import read_job
from localcloud.run.v2.render import execution_json, job_json, task_json, typed

MAX_PAGE = 1000
MAX_WAIT_S = 30.0
_LOCATION = "{project=projects/*}/locations/{location=*}"
_JOB = _LOCATION + "/jobs/{job=*}"
_EXECUTION = _JOB + "/executions/{execution=*}"
_OPERATION = "{name=projects/*/locations/*/operations/*}"
_UNSUPPORTED = {
    "GetIamPolicy": ("GET", f"/v2/{_JOB}:getIamPolicy"),
    "SetIamPolicy": ("POST", f"/v2/{_JOB}:setIamPolicy"),
    "TestIamPermissions": ("POST", f"/v2/{_JOB}:testIamPermissions"),
    "ListOperations": ("GET", f"/v2/{_LOCATION}/operations"),
    "DeleteOperation": ("DELETE", f"/v2/{_OPERATION}"),
    "ListServices": ("GET", f"/v2/{_LOCATION}/services"),
    "CreateService": ("POST", f"/v2/{_LOCATION}/services"),
    "ListWorkerPools": ("GET", f"/v2/{_LOCATION}/workerPools"),
}
_ABORTED_RPC_CODE = 10
_NOT_FOUND_RPC_CODE = 5


class JobsV2:
    """The methods of the v2 API."""

    def __init__(self, service: JobService, records: Records) -> None:
        self._service = service
        self._records = records

    @property
    def routes(self) -> list[Route]:
        """All methods on jobs, including unsupported ones."""
        supported: list[tuple[str, str, Handler]] = [
            ("POST", f"/v2/{_LOCATION}/jobs", self.create_job),
            ("GET", f"/v2/{_LOCATION}/jobs", self.list_jobs),
            ("GET", f"/v2/{_JOB}", self.get_job),
            ("PATCH", f"/v2/{_JOB}", self.update_job),
            ("DELETE", f"/v2/{_JOB}", self.delete_job),
            ("POST", f"/v2/{_JOB}:run", self.run_job),
            ("GET", f"/v2/{_JOB}/executions", self.list_executions),
            ("GET", f"/v2/{_EXECUTION}", self.get_execution),
            ("DELETE", f"/v2/{_EXECUTION}", self.delete_execution),
            ("POST", f"/v2/{_EXECUTION}:cancel", self.cancel_execution),
            ("GET", f"/v2/{_EXECUTION}/tasks", self.list_tasks),
            ("GET", f"/v2/{_EXECUTION}/tasks/{{task=*}}", self.get_task),
            ("GET", f"/v2/{_OPERATION}", self.get_operation),
            ("POST", f"/v2/{_OPERATION}:wait", self.wait_operation),
        ]
        return [
            *(Route(verb, template, name) for name, (verb, template) in _UNSUPPORTED.items()),
            *(Route(verb, template, handler.__name__, handler) for verb, template, handler in supported),
        ]

    # Jobs

    def create_job(self, call: Call) -> JsonObject:
        """CreateJob."""
        _reject_validate_only(call)
        config = read_job(Message(call.body, "job"))
        return self._done(self._service.create_job(_place(call), call.query.get("jobId", ""), config))

    def list_jobs(self, call: Call) -> JsonObject:
        """ListJobs, sorted by name."""
        place = _place(call)
        after = call.query.get("pageToken", "")
        jobs = [job for job in self._service.jobs(place.project, place.location) if job.job_id > after]
        page, token = page_of(jobs, page_size(call, MAX_PAGE), lambda job: job.job_id)
        return {"jobs": [self._job_json(job) for job in page], **token}

    def get_job(self, call: Call) -> JsonObject:
        """GetJob."""
        return self._job_json(self._job(call))

    def update_job(self, call: Call) -> JsonObject:
        """UpdateJob: replaces all settings. Creates a missing job with `allowMissing`."""
        _reject_validate_only(call)
        message = Message(call.body, "job")
        etag = message.string("etag")
        config = read_job(message)
        if call.query.get("allowMissing") == "true" and self._records.job(_place(call), call.path["job"]) is None:
            return self._done(self._service.create_job(_place(call), call.path["job"], config))
        return self._done(self._service.replace_job(self._job(call, etag), config))

    def delete_job(self, call: Call) -> JsonObject:
        """DeleteJob, with its executions."""
        _reject_validate_only(call)
        job = self._job(call, call.query.get("etag", ""))
        before = self._job_json(job)
        self._service.delete_job(job)
        return self._operation(_place(call), execution=None, outcome=_success("Job", before))

    def run_job(self, call: Call) -> JsonObject:
        """RunJob."""
        with Message(call.body, "") as body:
            body.ignore("name")
            if body.boolean("validateOnly"):
                raise ApiError("UNIMPLEMENTED", "validateOnly is not supported by localcloud.")
            job = self._job(call, body.string("etag"))
            overrides = read_overrides(body.message("overrides"))
        return self._operation(_place(call), execution=self._service.run(job, overrides), outcome=None)

    # Executions and tasks

    def list_executions(self, call: Call) -> JsonObject:
        """ListExecutions, newest first. The job `-` means all jobs."""
        place = _place(call)
        job_id = None if call.path["job"] == "-" else self._job(call).job_id
        before = _number(call.query.get("pageToken", ""), math.inf)
        executions = self._service.executions(place.project, place.location, job_id)
        older = [item for item in executions if item.id < before]
        page, token = page_of(older, page_size(call, MAX_PAGE), lambda item: str(item.id))
        return {"executions": [execution_json(item) for item in page], **token}

    def get_execution(self, call: Call) -> JsonObject:
        """GetExecution."""
        return execution_json(self._execution(call))

    def delete_execution(self, call: Call) -> JsonObject:
        """DeleteExecution."""
        _reject_validate_only(call)
        execution = self._execution(call)
        self._service.delete_execution(execution)
        outcome = _success("Execution", execution_json(execution))
        return self._operation(_place(call), execution=None, outcome=outcome)

    def cancel_execution(self, call: Call) -> JsonObject:
        """CancelExecution. The operation is done when the processes have ended."""
        with Message(call.body, "") as body:
            body.ignore("name", "etag", "validateOnly")
        execution = self._service.cancel(self._execution(call))
        return self._operation(_place(call), execution=execution, outcome=None)

    def list_tasks(self, call: Call) -> JsonObject:
        """ListTasks, sorted by index."""
        execution = self._execution(call)
        after = _number(call.query.get("pageToken", ""), -1)
        tasks = [task for task in self._service.tasks(execution) if task.index > after]
        page, token = page_of(tasks, page_size(call, MAX_PAGE), lambda task: str(task.index))
        return {"tasks": [task_json(task, execution) for task in page], **token}

    def get_task(self, call: Call) -> JsonObject:
        """GetTask."""
        execution = self._execution(call)
        return task_json(self._service.task(execution, call.path["task"]), execution)

    # Operations

    def get_operation(self, call: Call) -> JsonObject:
        """GetOperation."""
        return self._operation_json(call.path["name"])

    def wait_operation(self, call: Call) -> Awaitable[JsonObject]:
        """WaitOperation: returns the operation when it is done, or after the timeout (at most 30 s)."""
        with Message(call.body, "") as body:
            body.ignore("name")
            timeout_s = min(body.duration_s("timeout") or MAX_WAIT_S, MAX_WAIT_S)
        return self._wait(call.path["name"], timeout_s)

    async def _wait(self, name: str, timeout_s: float) -> JsonObject:
        stored = self._records.operation(name)
        if stored is not None and stored[0] is not None:
            await self._service.wait(stored[0], timeout_s)
        return self._operation_json(name)

    def _operation(self, place: Place, *, execution: Execution | None, outcome: JsonObject | None) -> JsonObject:
        name = f"{place.name}/operations/{uuid.uuid4()}"
        self._records.insert_operation(name, time.time(), execution=execution, outcome=outcome)
        return self._operation_json(name)

    def _operation_json(self, name: str) -> JsonObject:
        stored = self._records.operation(name)
        if stored is None:
            raise ApiError("NOT_FOUND", f"Requested entity was not found: {name}")
        row_id, outcome = stored
        if outcome is not None:
            return {"name": name, "done": True, **outcome}
        execution = self._records.execution_by_row(row_id or 0)
        if execution is None:
            return {"name": name, "done": True, "error": {"code": _NOT_FOUND_RPC_CODE, "message": "Execution deleted."}}
        metadata = typed("Execution", execution_json(execution))
        result: JsonObject = {"name": name, "metadata": metadata}
        if execution.state is ExecutionState.FAILED:
            result |= {"done": True, "error": {"code": _ABORTED_RPC_CODE, "message": execution.message}}
        elif execution.state.is_final:
            result |= {"done": True, "response": metadata}
        return result

    def _done(self, job: Job) -> JsonObject:
        """Return the operation of a change to a job; failed if the job cannot run."""
        outcome = _success("Job", self._job_json(job))
        if problem := self._service.problem(job):
            outcome = {"metadata": outcome["metadata"], "error": {"code": _NOT_FOUND_RPC_CODE, "message": problem}}
        return self._operation(job.place, execution=None, outcome=outcome)

    # Resources of a call

    def _job(self, call: Call, etag: str = "") -> Job:
        job = self._service.job(_place(call), call.path["job"])
        if etag and etag != f'"{job.version}"':
            raise ApiError("ABORTED", f"The etag {etag} does not match the current version of the job.")
        return job

    def _execution(self, call: Call) -> Execution:
        return self._service.execution(_place(call), call.path["execution"])

    def _job_json(self, job: Job) -> JsonObject:
        return job_json(job, self._service.latest_execution(job), self._service.problem(job))


def _place(call: Call) -> Place:
    return Place(call.path["project"].removeprefix("projects/"), call.path["location"])


def _success(kind: str, resource: JsonObject) -> JsonObject:
    return {"metadata": typed(kind, resource), "response": typed(kind, resource)}


def _reject_validate_only(call: Call) -> None:
    if call.query.get("validateOnly") == "true":
        raise ApiError("UNIMPLEMENTED", "validateOnly is not supported by localcloud.")


def _number(token: str, default: float) -> float:
    if token and not is_number(token):
        raise invalid("Invalid page token.")
    return int(token) if token else default
