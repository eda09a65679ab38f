"""The Cloud Run job, and the migration that it runs before a release. Plans are pure."""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources.containers import Container, desired_container, read_container

JOB = "headwater"
_TASK_TIMEOUT_S = 24 * 3600
_MAX_RETRIES = 3


def read_job(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the job, its executions and its access."""
    base = f"/apis/run.googleapis.com/v1/namespaces/{installation.project}"
    job, executions, policies = read_concurrently(
        [
            partial(google.get, f"{installation.region}-run", f"{base}/jobs/{JOB}"),
            partial(
                google.get,
                f"{installation.region}-run",
                f"{base}/executions",
                labelSelector=f"run.googleapis.com/job={JOB}",
                limit=200,
            ),
            partial(read_access, google, installation, _bindings(installation)),
        ]
    )
    return replace(state, job=job, executions=tuple((executions or {}).get("items", [])), access=policies)


def plan_job(installation: Installation, state: CloudState) -> list[Command]:
    """Deploy the job if it differs. Then migrate, unless this release already migrated this database for this model."""
    common: dict[str, Any] = {"target": f"job/{JOB}", "project": installation.project, "region": installation.region}
    commands = []
    if state.job is None or not is_current(installation, state, state.job):
        commands.append(
            gcloud(
                "run",
                "jobs",
                "deploy",
                JOB,
                **common,
                **desired_container("job", installation, state).flags(),
                tasks=1,
                max_retries=_MAX_RETRIES,
                task_timeout=f"{_TASK_TIMEOUT_S}s",
            )
        )
    if not has_migrated(installation, state):
        commands.append(gcloud("run", "jobs", "execute", JOB, **common, args="migrate", wait=True, minutes="1 to 2"))
    return commands + missing(installation, _bindings(installation), state.access)


def is_current(installation: Installation, state: CloudState, job: Json) -> bool:
    """Return whether the job runs as desired."""
    template = job["spec"]["template"]
    task = template["spec"]["template"]["spec"]
    return (
        read_container(task, template["metadata"]) == desired_container("job", installation, state)
        and int(task.get("maxRetries", 3)) == _MAX_RETRIES
        and int(task.get("timeoutSeconds", 600)) == _TASK_TIMEOUT_S
    )


def has_migrated(installation: Installation, state: CloudState) -> bool:
    """Return whether this release migrated this database, and the latest migration registered the embedding model.

    A downgrade (`migrate` with arguments) invalidates earlier migrations, even if it failed.
    """
    desired, migrated = desired_container("job", installation, state), list[Container]()
    for execution in sorted(state.executions, key=lambda execution: str(execution["metadata"]["creationTimestamp"])):
        task = execution["spec"]["template"]["spec"]
        container, arguments = read_container(task, execution["metadata"]), list(task["containers"][0].get("args", []))
        if arguments[:1] != ["migrate"] or _database(container) != _database(desired):
            continue
        if len(arguments) > 1:
            migrated.clear()
        elif int(execution.get("status", {}).get("succeededCount", 0)) > 0:
            migrated.append(container)
    has_run = any((each.labels, each.image) == (desired.labels, desired.image) for each in migrated)
    return has_run and _model(migrated[-1]) == _model(desired)


def _database(container: Container) -> list[str | None]:
    """Return what identifies the database and the role of its functions."""
    urls = [dict(container.secrets).get(name) for name in ("DATABASE_URL", "DATABASE_ADMIN_URL")]
    return [*urls, dict(container.variables).get("DATABASE_ROLE")]


def _model(container: Container) -> list[str | None]:
    return [dict(container.variables).get(name) for name in ("EMBEDDING_MODEL", "EMBEDDING_DIM")]


def _bindings(installation: Installation) -> list[Binding]:
    # `roles/run.invoker` doesn't allow overriding arguments and the number of tasks, which every execution needs.
    return [Binding(f"job/{JOB}", "roles/run.jobsExecutorWithOverrides", account(installation, "collection"))]
