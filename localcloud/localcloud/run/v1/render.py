"""Renders Job, Execution and Task messages of the v1 API, for `gcloud run jobs`. Pure.

The format is that of Kubernetes: `metadata`, `spec`, and `status` with conditions.
"""

from localcloud.rest.protojson import optional_timestamp_text, timestamp_text, without_none
from localcloud.rest.router import JsonObject
from localcloud.run.conditions import (
    Condition,
    completion_status,
    execution_conditions,
    job_conditions,
    task_conditions,
)
from localcloud.run.resources import (
    ANONYMOUS,
    CREATOR_ANNOTATION,
    EXECUTION_LABEL,
    JOB_LABEL,
    LOCATION_LABEL,
    MODIFIER_ANNOTATION,
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

API_VERSION = "run.googleapis.com/v1"
_STATUS = {True: "True", False: "False", None: "Unknown"}


def job_json(job: Job, latest: Execution | None, problem: str) -> JsonObject:
    """Return a Job message. `latest`: its newest execution. `problem`: why it cannot run, or ''."""
    template = job.config.template
    labels = {
        **job.config.labels,
        LOCATION_LABEL: job.place.location,
        UPDATED_LABEL: timestamp_text(job.update_time),
    }
    annotations = {**job.config.annotations, CREATOR_ANNOTATION: ANONYMOUS, MODIFIER_ANNOTATION: ANONYMOUS}
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
                "creationTimestamp": timestamp_text(latest.create_time),
                "completionTimestamp": optional_timestamp_text(latest.completion_time),
                "completionStatus": completion_status(latest),
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
    """Return an Execution message."""
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
            "annotations": {**template.annotations, CREATOR_ANNOTATION: ANONYMOUS},
        },
        "spec": _execution_spec(template),
        "status": without_none(
            {
                "observedGeneration": 1,
                "conditions": [_condition_json(condition) for condition in execution_conditions(execution)],
                "startTime": optional_timestamp_text(execution.start_time),
                "completionTime": optional_timestamp_text(execution.completion_time),
                "runningCount": counts.running,
                "succeededCount": counts.succeeded,
                "failedCount": counts.failed,
                "cancelledCount": counts.cancelled,
                "retriedCount": counts.retried,
            }
        ),
    }


def task_json(task: Task, execution: Execution) -> JsonObject:
    """Return a Task message."""
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
                "startTime": optional_timestamp_text(task.start_time),
                "completionTime": optional_timestamp_text(task.completion_time),
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
        "creationTimestamp": timestamp_text(created_at),
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
        "status": _STATUS[condition.status],
        "lastTransitionTime": timestamp_text(condition.at),
        **({"reason": condition.reason} if condition.reason else {}),
        **({"message": condition.message} if condition.message else {}),
    }
