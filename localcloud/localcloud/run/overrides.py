"""RunJobRequest.Overrides: changes to a job for one execution. Pure.

Arguments, task count and timeout are replaced; environment variables are merged:
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run#Overrides.
"""

from dataclasses import dataclass, replace

from localcloud.rest.protojson import Message
from localcloud.rest.router import invalid
from localcloud.run.parse import check_template, read_variables
from localcloud.run.resources import Container, ExecutionTemplate, Secret


@dataclass(frozen=True, slots=True)
class ContainerOverride:
    """Changes to a container. `name`: '' for the only one."""

    name: str
    args: tuple[str, ...]
    clear_args: bool
    environment: dict[str, str]
    secrets: dict[str, Secret]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Changes to an execution. A value of 0 changes nothing."""

    containers: tuple[ContainerOverride, ...] = ()
    task_count: int = 0
    timeout_s: int = 0


def read_overrides(message: Message | None) -> Overrides:
    """Read the Overrides message of either API: `timeout` is a duration in v2, `timeoutSeconds` a number in v1."""
    if message is None:
        return Overrides()
    with message:
        return Overrides(
            containers=tuple(_read_container(item) for item in message.messages("containerOverrides")),
            task_count=message.integer("taskCount"),
            timeout_s=message.integer("timeoutSeconds") or int(message.duration_s("timeout")),
        )


def _read_container(message: Message) -> ContainerOverride:
    with message:
        environment, secrets = read_variables(message)
        override = ContainerOverride(
            name=message.string("name"),
            args=tuple(message.strings("args")),
            clear_args=message.boolean("clearArgs"),
            environment=environment,
            secrets=secrets,
        )
    if override.clear_args and override.args:
        raise invalid("ContainerOverride.args must be empty when clearArgs is set.")
    return override


def apply(overrides: Overrides, template: ExecutionTemplate) -> ExecutionTemplate:
    """Return the template with overrides applied. Errors: ApiError."""
    container = template.task.container
    for override in overrides.containers:
        if override.name not in ("", container.name):
            raise invalid(f"The job has no container named {override.name!r}.")
        container = _apply_to_container(override, container)
    task = replace(template.task, container=container, timeout_s=overrides.timeout_s or template.task.timeout_s)
    return check_template(replace(template, task=task, task_count=overrides.task_count or template.task_count))


def _apply_to_container(override: ContainerOverride, container: Container) -> Container:
    args = () if override.clear_args else override.args or container.args
    variables = {name: value for name, value in container.environment.items() if name not in override.secrets}
    secrets = {name: secret for name, secret in container.secrets.items() if name not in override.environment}
    return replace(
        container,
        args=args,
        environment={**variables, **override.environment},
        secrets={**secrets, **override.secrets},
    )
