"""Parses what both Cloud Run APIs share: containers, environment variables, limits, job names. Pure.

Unsupported fields that would change what runs are rejected by name. Fields that only say where or with which resources
it runs are stored or ignored, and documented as without effect.
"""

import re

from localcloud.rest.protojson import Message
from localcloud.rest.router import ApiError, invalid
from localcloud.run.resources import Container, ExecutionTemplate, Secret, TaskTemplate

MAX_TASKS = 10_000
MAX_RETRIES = 10
MAX_TIMEOUT_S = 7 * 24 * 3600

_JOB_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_UNSUPPORTED = [
    "sourceCode",
    "volumeMounts",
    "workingDir",
    "livenessProbe",
    "startupProbe",
    "readinessProbe",
    "dependsOn",
    "baseImageUri",
    "envFrom",
    "securityContext",
]


def check_job_id(job_id: str) -> None:
    """Check the name of a new job."""
    if not _JOB_ID.fullmatch(job_id):
        raise invalid(
            f"Job name {job_id!r} must use only lowercase alphanumeric characters and dashes, cannot begin or end with "
            "a dash, must begin with a letter, and cannot be longer than 63 characters."
        )


def read_container(containers: list[Message]) -> Container:
    """Read the only container of a task."""
    if len(containers) > 1:
        raise ApiError("UNIMPLEMENTED", "A job with several containers is not supported by localcloud.")
    if not containers:
        raise invalid("A job needs a container.")
    with containers[0] as message:
        message.ignore("ports", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "buildInfo")
        for name in _UNSUPPORTED:
            message.unsupported(name, f"Container.{name}")
        environment, secrets = read_variables(message)
        container = Container(
            image=message.string("image"),
            name=message.string("name"),
            command=tuple(message.strings("command")),
            args=tuple(message.strings("args")),
            environment=environment,
            secrets=secrets,
            limits=_read_limits(message.message("resources")),
        )
    if not container.image:
        raise invalid("Container.image is required.")
    return container


def read_variables(container: Message) -> tuple[dict[str, str], dict[str, Secret]]:
    """Return a container's variables with values, and those with secrets. Of duplicate names, the last one counts."""
    environment: dict[str, str] = {}
    secrets: dict[str, Secret] = {}
    for variable in container.messages("env"):
        with variable:
            name, value = variable.string("name"), variable.string("value")
            secret = _read_secret(variable)
        if not name or "=" in name or "\0" in name + value:
            raise invalid(f"Invalid environment variable: {name[:80]!r}")
        environment.pop(name, None)
        secrets.pop(name, None)
        if secret is None:
            environment[name] = value
        else:
            secrets[name] = secret
    return environment, secrets


def _read_secret(variable: Message) -> Secret | None:
    """Read the secret of a variable: `valueSource` in the v2 API, `valueFrom` in v1."""
    reference = variable.message("valueSource") or variable.message("valueFrom")
    if reference is None:
        return None
    with reference:
        reference.unsupported("configMapKeyRef", "EnvVar.valueFrom.configMapKeyRef")
        key = reference.message("secretKeyRef")
    if key is None:
        raise invalid("EnvVar: secretKeyRef is required.")
    with key:
        key.ignore("optional", "localObjectReference")
        secret = Secret(key.string("secret") or key.string("name"), key.string("version") or key.string("key"))
    if not secret.name:
        raise invalid("EnvVar: secretKeyRef has no secret name.")
    return Secret(secret.name, secret.version or "latest")


def _read_limits(message: Message | None) -> dict[str, str]:
    if message is None:
        return {}
    with message:
        message.ignore("requests", "cpuIdle", "startupCpuBoost")
        return message.string_map("limits")


def check_template(template: ExecutionTemplate) -> ExecutionTemplate:
    """Check the limits of a template and return it."""
    task: TaskTemplate = template.task
    if not 1 <= template.task_count <= MAX_TASKS:
        raise invalid(f"The task count must be between 1 and {MAX_TASKS}.")
    if template.parallelism < 0:
        raise invalid("The parallelism cannot be negative.")
    if not 0 <= task.max_retries <= MAX_RETRIES:
        raise invalid(f"The number of retries must be between 0 and {MAX_RETRIES}.")
    if not 1 <= task.timeout_s <= MAX_TIMEOUT_S:
        raise invalid(f"The task timeout must be between 1s and {MAX_TIMEOUT_S}s.")
    return template
