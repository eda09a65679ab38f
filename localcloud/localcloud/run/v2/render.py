"""Renders Job, Execution and Task messages of the v2 API, for `google.cloud.run_v2`. Pure."""

import enum
from collections.abc import Mapping

from localcloud.rest.protojson import duration_text, optional_timestamp_text, timestamp_text, without_none
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
    CLIENT_ANNOTATION,
    CLIENT_VERSION_ANNOTATION,
    ENVIRONMENT_ANNOTATION,
    Container,
    Execution,
    ExecutionEnvironment,
    Job,
    Task,
    TaskTemplate,
)

TYPE = "type.googleapis.com/google.cloud.run.v2"
# Prefixes of system labels and annotations, for which the v2 API has fields.
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
    """The values of Condition.CommonReason in use."""

    CONTAINER_MISSING = 6


class ExecutionReason(enum.Enum):
    """The values of Condition.ExecutionReason in use."""

    NON_ZERO_EXIT_CODE = 2
    CANCELLED = 3
    CANCELLING = 4


_REASONS: dict[str, tuple[str, enum.Enum]] = {
    "ContainerMissing": ("reason", CommonReason.CONTAINER_MISSING),
    "NonZeroExitCode": ("executionReason", ExecutionReason.NON_ZERO_EXIT_CODE),
    "Cancelled": ("executionReason", ExecutionReason.CANCELLED),
    "Cancelling": ("executionReason", ExecutionReason.CANCELLING),
}


def job_json(job: Job, latest: Execution | None, problem: str) -> JsonObject:
    """Return a Job message. `latest`: its newest execution. `problem`: why it cannot run, or ''."""
    config = job.config
    [ready] = [_condition_json(condition) for condition in job_conditions(job, problem)]
    template = config.template
    result: JsonObject = {
        "name": job.name,
        "uid": job.uid,
        "generation": str(job.generation),
        "labels": _without_system_names(config.labels),
        "annotations": _without_system_names(config.annotations),
        "createTime": timestamp_text(job.create_time),
        "updateTime": timestamp_text(job.update_time),
        "creator": ANONYMOUS,
        "lastModifier": ANONYMOUS,
        "client": config.annotations.get(CLIENT_ANNOTATION, ""),
        "clientVersion": config.annotations.get(CLIENT_VERSION_ANNOTATION, ""),
        "launchStage": LaunchStage.GA,
        "template": {
            "labels": _without_system_names(template.labels),
            "annotations": _without_system_names(template.annotations),
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
    """Return an Execution message."""
    template, counts = execution.template, execution.counts
    return without_none(
        {
            "name": execution.name,
            "uid": execution.uid,
            "creator": ANONYMOUS,
            "generation": "1",
            "labels": _without_system_names(template.labels),
            "annotations": _without_system_names(template.annotations),
            "createTime": timestamp_text(execution.create_time),
            "startTime": optional_timestamp_text(execution.start_time),
            "completionTime": optional_timestamp_text(execution.completion_time),
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
    """Return a Task message."""
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
            "startTime": optional_timestamp_text(task.start_time),
            "completionTime": optional_timestamp_text(task.completion_time),
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
    """Return a resource as google.protobuf.Any."""
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
            "completionTime": optional_timestamp_text(execution.completion_time),
            "completionStatus": completion_status(execution),
        }
    )


def _without_system_names(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if not name.startswith(_SYSTEM)}
