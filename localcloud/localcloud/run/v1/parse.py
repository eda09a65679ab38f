"""Parses Job messages of the v1 API, as `gcloud run jobs` sends them; fills in defaults. Pure.

The format is that of Kubernetes: `metadata` and `spec` at three levels. Clients send back the Job they got when they
replace it, so output-only fields are accepted and dropped.
"""

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, invalid
from localcloud.run.parse import check_template, read_container
from localcloud.run.resources import (
    CREATOR_ANNOTATION,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    LOCATION_LABEL,
    MODIFIER_ANNOTATION,
    UPDATED_LABEL,
    ExecutionTemplate,
    JobConfig,
    TaskTemplate,
)

_OUTPUT_ONLY = [
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "selfLink",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "generateName",
    "ownerReferences",
    "clusterName",
]
_OUTPUT_LABELS = (LOCATION_LABEL, UPDATED_LABEL)
_OUTPUT_ANNOTATIONS = (CREATOR_ANNOTATION, MODIFIER_ANNOTATION)
_UNSUPPORTED_IN_JOB = ("startExecutionToken", "runExecutionToken")
_UNSUPPORTED_IN_TASK = ("volumes", "nodeSelector")


def read_job(job: Message) -> tuple[str, str, JobConfig]:
    """Read a Job; returns its name, its resourceVersion ('' for any) and its settings."""
    with job:
        job.ignore("status", "apiVersion")
        kind = job.string("kind") or "Job"
        metadata, spec = job.message("metadata"), job.message("spec")
    if kind != "Job":
        raise ApiError("UNIMPLEMENTED", f"The kind {kind!r} is not supported by localcloud.")
    if metadata is None or spec is None:
        raise invalid("A Job needs metadata and spec.")
    name, version, labels, annotations = _read_metadata(metadata)
    with spec:
        for field in _UNSUPPORTED_IN_JOB:
            spec.unsupported(field, f"JobSpec.{field}")
        template = spec.message("template")
    if template is None:
        raise invalid("JobSpec.template is required.")
    return name, version, JobConfig(_read_execution_template(template), labels, annotations)


def _read_metadata(message: Message | None) -> tuple[str, str, dict[str, str], dict[str, str]]:
    """Return name, resourceVersion, and the labels and annotations that clients can set."""
    if message is None:
        return "", "", {}, {}
    with message:
        name, version = message.string("name"), message.string("resourceVersion")
        labels, annotations = message.string_map("labels"), message.string_map("annotations")
        message.ignore(*_OUTPUT_ONLY)
    return (
        name,
        version,
        {key: value for key, value in labels.items() if key not in _OUTPUT_LABELS},
        {key: value for key, value in annotations.items() if key not in _OUTPUT_ANNOTATIONS},
    )


def _read_execution_template(message: Message) -> ExecutionTemplate:
    with message:
        _, _, labels, annotations = _read_metadata(message.message("metadata"))
        spec = message.message("spec")
    if spec is None:
        raise invalid("ExecutionTemplateSpec.spec is required.")
    with spec:
        parallelism = spec.integer("parallelism")
        task_count = spec.integer("taskCount") or 1
        template = spec.message("template")
    if template is None:
        raise invalid("ExecutionSpec.template is required.")
    with template:
        template.ignore("metadata")
        task = _read_task_spec(template.message("spec"))
    return check_template(
        ExecutionTemplate(
            task=task, labels=labels, annotations=annotations, parallelism=parallelism, task_count=task_count
        )
    )


def _read_task_spec(message: Message | None) -> TaskTemplate:
    if message is None:
        raise invalid("TaskTemplateSpec.spec is required.")
    with message:
        for field in _UNSUPPORTED_IN_TASK:
            message.unsupported(field, f"TaskSpec.{field}")
        return TaskTemplate(
            container=read_container(message.messages("containers")),
            max_retries=message.integer("maxRetries", DEFAULT_RETRIES),
            timeout_s=message.integer("timeoutSeconds") or DEFAULT_TIMEOUT_S,
            service_account=message.string("serviceAccountName"),
        )
