"""Parses Job messages of the v2 API, as `google.cloud.run_v2` sends them; fills in defaults. Pure."""

from localcloud.rest.protojson import Message
from localcloud.rest.router import invalid
from localcloud.run.parse import check_template, read_container
from localcloud.run.resources import (
    CLIENT_ANNOTATION,
    CLIENT_VERSION_ANNOTATION,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    ENVIRONMENT_ANNOTATION,
    ExecutionEnvironment,
    ExecutionTemplate,
    JobConfig,
    TaskTemplate,
)

_OUTPUT_ONLY = [
    "name",
    "uid",
    "generation",
    "createTime",
    "updateTime",
    "deleteTime",
    "expireTime",
    "creator",
    "lastModifier",
    "launchStage",
    "observedGeneration",
    "terminalCondition",
    "conditions",
    "executionCount",
    "latestCreatedExecution",
    "reconciling",
    "satisfiesPzs",
]
_UNSUPPORTED = ("binaryAuthorization", "startExecutionToken", "runExecutionToken")
_UNSUPPORTED_IN_TASK = ("volumes", "encryptionKey", "vpcAccess", "nodeSelector", "gpuZonalRedundancyDisabled")


def read_job(job: Message) -> JobConfig:
    """Read the settings of a Job. Output-only fields and the etag are ignored."""
    with job:
        job.ignore(*_OUTPUT_ONLY, "etag")
        for name in _UNSUPPORTED:
            job.unsupported(name, f"Job.{name}")
        annotations = dict(job.string_map("annotations"))
        for field, annotation in (("client", CLIENT_ANNOTATION), ("clientVersion", CLIENT_VERSION_ANNOTATION)):
            if value := job.string(field):
                annotations[annotation] = value
        labels = job.string_map("labels")
        template = job.message("template")
    if template is None:
        raise invalid("Job.template is required.")
    return JobConfig(template=_read_execution_template(template), labels=labels, annotations=annotations)


def _read_execution_template(message: Message) -> ExecutionTemplate:
    with message:
        annotations = dict(message.string_map("annotations"))
        labels = message.string_map("labels")
        parallelism = message.integer("parallelism")
        task_count = message.integer("taskCount") or 1
        template = message.message("template")
    if template is None:
        raise invalid("ExecutionTemplate.template is required.")
    task, environment = _read_task_template(template)
    if environment.value:
        annotations[ENVIRONMENT_ANNOTATION] = environment.name.rpartition("_")[2].lower()
    return check_template(
        ExecutionTemplate(
            task=task, labels=labels, annotations=annotations, parallelism=parallelism, task_count=task_count
        )
    )


def _read_task_template(message: Message) -> tuple[TaskTemplate, ExecutionEnvironment]:
    with message:
        for name in _UNSUPPORTED_IN_TASK:
            message.unsupported(name, f"TaskTemplate.{name}")
        environment = message.enum_value("executionEnvironment", ExecutionEnvironment)
        timeout_s = message.duration_s("timeout") or DEFAULT_TIMEOUT_S
        if timeout_s != int(timeout_s):
            raise invalid("TaskTemplate.timeout must be whole seconds.")
        task = TaskTemplate(
            container=read_container(message.messages("containers")),
            max_retries=message.integer("maxRetries", DEFAULT_RETRIES),
            timeout_s=int(timeout_s),
            service_account=message.string("serviceAccount"),
        )
    return task, environment
