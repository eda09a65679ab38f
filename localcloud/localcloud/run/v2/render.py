"""The v2 API's JSON out: writes Jobs, Executions, Tasks and Operations for `google.cloud.run_v2`. Pure."""

import enum
from collections.abc import Mapping

from localcloud.rest.protojson import duration_text, timestamp_text
from localcloud.rest.router import JsonObject
from localcloud.run.conditions import Condition, execution_conditions, job_conditions, task_conditions
from localcloud.run.resources import (
    CLIENT_ANNOTATION,
    CLIENT_VERSION_ANNOTATION,
    ENVIRONMENT_ANNOTATION,
    NOBODY,
    Container,
    Execution,
    ExecutionEnvironment,
    ExecutionState,
    Job,
    Task,
    TaskTemplate,
)

TYPE = "type.googleapis.com/google.cloud.run.v2"
# Labels and annotations that the v1 API shows, and for which the v2 API has fields.
_SYSTEM = ("run.googleapis.com/", "cloud.googleapis.com/", "serving.knative.dev/", "client.knative.dev/")


class LaunchStage(enum.Enum):
    """google.api.LaunchStage."""

    GA = 4


class ConditionState(enum.Enum):
    """Condition.State."""

    CONDITION_PENDING = 1
    CONDITION_RECONCILING = 2
    CONDITION_FAILED = 3
    CONDITION_SUCCEEDED = 4


class CommonReason(enum.Enum):
    """Condition.CommonReason, as far as it occurs."""

    CONTAINER_MISSING = 6


class ExecutionReason(enum.Enum):
    """Condition.ExecutionReason, as far as it occurs."""

    NON_ZERO_EXIT_CODE = 2
    CANCELLED = 3
    CANCELLING = 4


class CompletionStatus(enum.Enum):
    """ExecutionReference.CompletionStatus."""

    EXECUTION_SUCCEEDED = 1
    EXECUTION_FAILED = 2
    EXECUTION_RUNNING = 3
    EXECUTION_PENDING = 4
    EXECUTION_CANCELLED = 5


_REASONS: dict[str, tuple[str, enum.Enum]] = {
    "ContainerMissing": ("reason", CommonReason.CONTAINER_MISSING),
    "NonZeroExitCode": ("executionReason", ExecutionReason.NON_ZERO_EXIT_CODE),
    "Cancelled": ("executionReason", ExecutionReason.CANCELLED),
    "Cancelling": ("executionReason", ExecutionReason.CANCELLING),
}
COMPLETION = {
    ExecutionState.SUCCEEDED: CompletionStatus.EXECUTION_SUCCEEDED,
    ExecutionState.FAILED: CompletionStatus.EXECUTION_FAILED,
    ExecutionState.CANCELLED: CompletionStatus.EXECUTION_CANCELLED,
}


def job_json(job: Job, latest: Execution | None, problem: str) -> JsonObject:
    """Write a Job with the execution that was made last; `problem` says why it can't be run."""
    config = job.config
    [ready] = [_condition_json(condition) for condition in job_conditions(job, problem)]
    template = config.template
    result: JsonObject = {
        "name": job.name,
        "uid": job.uid,
        "generation": str(job.generation),
        "labels": _own(config.labels),
        "annotations": _own(config.annotations),
        "createTime": timestamp_text(job.create_time),
        "updateTime": timestamp_text(job.update_time),
        "creator": NOBODY,
        "lastModifier": NOBODY,
        "client": config.annotations.get(CLIENT_ANNOTATION, ""),
        "clientVersion": config.annotations.get(CLIENT_VERSION_ANNOTATION, ""),
        "launchStage": LaunchStage.GA,
        "template": {
            "labels": _own(template.labels),
            "annotations": _own(template.annotations),
            "parallelism": template.parallelism,
            "taskCount": template.task_count,
            "template": _task_template_json(template.task, template.annotations),
        },
        "observedGeneration": str(job.generation),
        "terminalCondition": ready,
        "conditions": [],
        "executionCount": job.execution_count,
        "etag": f'"{job.version}"',
    }
    if latest is not None:
        result["latestCreatedExecution"] = _reference_json(latest)
    return result


def execution_json(execution: Execution) -> JsonObject:
    """Write an Execution."""
    template, counts = execution.template, execution.counts
    return without_none(
        {
            "name": execution.name,
            "uid": execution.uid,
            "creator": NOBODY,
            "generation": "1",
            "labels": _own(template.labels),
            "annotations": _own(template.annotations),
            "createTime": timestamp_text(execution.create_time),
            "startTime": _time(execution.start_time),
            "completionTime": _time(execution.completion_time),
            "updateTime": timestamp_text(execution.update_time),
            "launchStage": LaunchStage.GA,
            "job": execution.job_id,
            "parallelism": template.parallelism,
            "taskCount": template.task_count,
            "template": _task_template_json(template.task, template.annotations),
            "reconciling": not execution.state.is_final,
            "conditions": [_condition_json(condition) for condition in reversed(execution_conditions(execution))],
            "observedGeneration": "1",
            "runningCount": counts.running,
            "succeededCount": counts.succeeded,
            "failedCount": counts.failed,
            "cancelledCount": counts.cancelled,
            "retriedCount": counts.retried,
            "etag": f'"{execution.state.name}-{int(execution.update_time * 1e6)}"',
        }
    )


def task_json(task: Task, execution: Execution) -> JsonObject:
    """Write a Task."""
    template = _task_template_json(execution.template.task, execution.template.annotations)
    attempt = None
    if task.result is not None:
        status = {"code": task.result.rpc_code, "message": task.result.message} if task.result.message else {}
        signals = {"exitCode": task.result.exit_code, "termSignal": task.result.term_signal}
        attempt = without_none({"status": status, **signals})
    return without_none(
        {
            "name": f"{execution.name}/tasks/{execution.execution_id}-task{task.index}",
            "uid": f"{execution.uid}-{task.index}",
            "generation": "1",
            "createTime": timestamp_text(execution.create_time),
            "scheduledTime": timestamp_text(execution.create_time),
            "startTime": _time(task.start_time),
            "completionTime": _time(task.completion_time),
            "updateTime": timestamp_text(task.completion_time or task.start_time or execution.create_time),
            "job": execution.job_id,
            "execution": execution.execution_id,
            **template,
            "reconciling": task.is_open,
            "conditions": [
                _condition_json(condition) for condition in reversed(task_conditions(task, execution.create_time))
            ],
            "observedGeneration": "1",
            "index": task.index,
            "retried": max(task.attempt, 0),
            "lastAttemptResult": attempt,
        }
    )


def typed(kind: str, resource: JsonObject) -> JsonObject:
    """Write a resource as google.protobuf.Any."""
    return {"@type": f"{TYPE}.{kind}", **resource}


def _task_template_json(template: TaskTemplate, annotations: Mapping[str, str]) -> JsonObject:
    environment = annotations.get(ENVIRONMENT_ANNOTATION, "gen2").upper()
    return {
        "containers": [_container_json(template.container)],
        "maxRetries": template.max_retries,
        "timeout": duration_text(template.timeout_s),
        "serviceAccount": template.service_account,
        "executionEnvironment": ExecutionEnvironment[f"EXECUTION_ENVIRONMENT_{environment}"],
    }


def _container_json(container: Container) -> JsonObject:
    return {
        "name": container.name,
        "image": container.image,
        "command": list(container.command),
        "args": list(container.args),
        "env": [
            *({"name": name, "value": value} for name, value in container.environment.items()),
            *(
                {"name": name, "valueSource": {"secretKeyRef": {"secret": secret.name, "version": secret.version}}}
                for name, secret in container.secrets.items()
            ),
        ],
        "resources": {"limits": container.limits},
    }


def _condition_json(condition: Condition) -> JsonObject:
    states = {True: ConditionState.CONDITION_SUCCEEDED, False: ConditionState.CONDITION_FAILED}
    result: JsonObject = {
        "type": condition.type,
        "state": ConditionState.CONDITION_PENDING if condition.status is None else states[condition.status],
        "lastTransitionTime": timestamp_text(condition.at),
    }
    if condition.message:
        result["message"] = condition.message
    if condition.reason:
        field, reason = _REASONS[condition.reason]
        result[field] = reason
    return result


def _reference_json(execution: Execution) -> JsonObject:
    return without_none(
        {
            "name": execution.execution_id,
            "createTime": timestamp_text(execution.create_time),
            "completionTime": _time(execution.completion_time),
            "completionStatus": COMPLETION.get(execution.state, CompletionStatus.EXECUTION_RUNNING),
        }
    )


def _own(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if not name.startswith(_SYSTEM)}


def _time(moment: float | None) -> str | None:
    return None if moment is None else timestamp_text(moment)


def without_none(fields: JsonObject) -> JsonObject:
    """Return a message without the fields that are absent."""
    return {name: value for name, value in fields.items() if value is not None}
