"""The v1 API's JSON out: writes Jobs, Executions and Tasks as `gcloud run jobs` reads them. Pure.

It is Kubernetes' form: `metadata`, `spec` and `status`, with conditions whose status is a word.
"""

from localcloud.rest.protojson import timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.run.conditions import Condition, execution_conditions, job_conditions, task_conditions
from localcloud.run.resources import (
    CREATOR_ANNOTATION,
    EXECUTION_LABEL,
    JOB_LABEL,
    LOCATION_LABEL,
    MODIFIER_ANNOTATION,
    NOBODY,
    STATE_LABEL,
    UPDATED_LABEL,
    Container,
    Execution,
    ExecutionTemplate,
    Job,
    Place,
    Task,
    TaskTemplate,
)
from localcloud.run.v2.render import COMPLETION, CompletionStatus, without_none

API_VERSION = "run.googleapis.com/v1"
_WORDS = {True: "True", False: "False", None: "Unknown"}


def job_json(job: Job, latest: Execution | None, problem: str) -> JsonObject:
    """Write a Job with the execution that was made last; `problem` says why it can't be run."""
    template = job.config.template
    labels = {**job.config.labels, LOCATION_LABEL: job.place.location, UPDATED_LABEL: _time(job.update_time)}
    annotations = {**job.config.annotations, CREATOR_ANNOTATION: NOBODY, MODIFIER_ANNOTATION: NOBODY}
    metadata = _metadata(job.place, "jobs", job.job_id, uid=job.uid, created_at=job.create_time)
    status: JsonObject = {
        "observedGeneration": job.generation,
        "conditions": [_condition_json(condition) for condition in job_conditions(job, problem)],
        "executionCount": job.execution_count,
    }
    if latest is not None:
        status["latestCreatedExecution"] = without_none(
            {
                "name": latest.execution_id,
                "creationTimestamp": _time(latest.create_time),
                "completionTimestamp": _time(latest.completion_time),
                "completionStatus": COMPLETION.get(latest.state, CompletionStatus.EXECUTION_RUNNING),
            }
        )
    return {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "metadata": {
            **metadata,
            "generation": job.generation,
            "resourceVersion": job.version,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "template": {
                "metadata": {"labels": template.labels, "annotations": template.annotations},
                "spec": _execution_spec(template),
            }
        },
        "status": status,
    }


def execution_json(execution: Execution) -> JsonObject:
    """Write an Execution."""
    template, counts = execution.template, execution.counts
    labels = {**template.labels, LOCATION_LABEL: execution.place.location, JOB_LABEL: execution.job_id}
    metadata = _metadata(
        execution.place, "executions", execution.execution_id, uid=execution.uid, created_at=execution.create_time
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "Execution",
        "metadata": {
            **metadata,
            "generation": 1,
            "labels": labels,
            "annotations": {**template.annotations, CREATOR_ANNOTATION: NOBODY},
        },
        "spec": _execution_spec(template),
        "status": without_none(
            {
                "observedGeneration": 1,
                "conditions": [_condition_json(condition) for condition in execution_conditions(execution)],
                "startTime": _time(execution.start_time),
                "completionTime": _time(execution.completion_time),
                "runningCount": counts.running,
                "succeededCount": counts.succeeded,
                "failedCount": counts.failed,
                "cancelledCount": counts.cancelled,
                "retriedCount": counts.retried,
            }
        ),
    }


def task_json(task: Task, execution: Execution) -> JsonObject:
    """Write a Task."""
    attempt = None
    if task.result is not None:
        status = {"code": task.result.rpc_code, "message": task.result.message}
        attempt = without_none({"status": status, "exitCode": task.result.exit_code})
    labels = {
        **execution.template.labels,
        LOCATION_LABEL: execution.place.location,
        JOB_LABEL: execution.job_id,
        EXECUTION_LABEL: execution.execution_id,
        STATE_LABEL: task.state.value,
    }
    task_id = f"{execution.execution_id}-task{task.index}"
    uid = f"{execution.uid}-{task.index}"
    metadata = _metadata(execution.place, "tasks", task_id, uid=uid, created_at=execution.create_time)
    return {
        "apiVersion": API_VERSION,
        "kind": "Task",
        "metadata": {**metadata, "generation": 1, "labels": labels, "annotations": execution.template.annotations},
        "spec": _task_spec(execution.template.task),
        "status": without_none(
            {
                "observedGeneration": 1,
                "index": task.index,
                "retried": max(task.attempt, 0),
                "startTime": _time(task.start_time),
                "completionTime": _time(task.completion_time),
                "conditions": [_condition_json(item) for item in task_conditions(task, execution.create_time)],
                "lastAttemptResult": attempt,
            }
        ),
    }


def _metadata(place: Place, kind: str, name: str, *, uid: str, created_at: float) -> JsonObject:
    return {
        "name": name,
        "namespace": place.project,
        "selfLink": f"/apis/{API_VERSION}/namespaces/{place.project}/{kind}/{name}",
        "uid": uid,
        "creationTimestamp": _time(created_at),
    }


def _execution_spec(template: ExecutionTemplate) -> JsonObject:
    spec: JsonObject = {"taskCount": template.task_count, "template": {"spec": _task_spec(template.task)}}
    if template.parallelism:
        spec["parallelism"] = template.parallelism
    return spec


def _task_spec(template: TaskTemplate) -> JsonObject:
    spec: JsonObject = {
        "containers": [_container_json(template.container)],
        "maxRetries": template.max_retries,
        "timeoutSeconds": str(template.timeout_s),
    }
    if template.service_account:
        spec["serviceAccountName"] = template.service_account
    return spec


def _container_json(container: Container) -> JsonObject:
    fields: JsonObject = {
        "name": container.name,
        "command": list(container.command),
        "args": list(container.args),
        "env": [
            *({"name": name, "value": value} for name, value in container.environment.items()),
            *(
                {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.version}}}
                for name, secret in container.secrets.items()
            ),
        ],
    }
    resources = {"resources": {"limits": container.limits}} if container.limits else {}
    return {"image": container.image, **{name: value for name, value in fields.items() if value}, **resources}


def _condition_json(condition: Condition) -> JsonObject:
    return {
        "type": condition.type,
        "status": _WORDS[condition.status],
        "lastTransitionTime": _time(condition.at),
        **({"reason": condition.reason} if condition.reason else {}),
        **({"message": condition.message} if condition.message else {}),
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else timestamp_text(moment)
