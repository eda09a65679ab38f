"""The Cloud Run job, and the migration that it runs before anything is served. Plans are pure."""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account
from scripts.deployment.resources.containers import Container, read_container, wanted_container

JOB = "headwater"
_TASK_TIMEOUT_S = 24 * 3600
_MAX_RETRIES = 3


def look_job(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the job, its executions, and who may start it."""
    base = f"/apis/run.googleapis.com/v1/namespaces/{wanted.project}"
    job, executions, policies = at_once(
        [
            partial(google.get, f"{wanted.region}-run", f"{base}/jobs/{JOB}"),
            partial(
                google.get,
                f"{wanted.region}-run",
                f"{base}/executions",
                labelSelector=f"run.googleapis.com/job={JOB}",
                limit=200,
            ),
            partial(access.look, google, wanted, _bindings(wanted)),
        ]
    )
    return replace(found, job=job, executions=tuple((executions or {}).get("items", [])), access=policies)


def plan_job(wanted: Installation, found: Found) -> list[Command]:
    """Deploy the job if it differs; then migrate, unless that image has migrated this database for this model."""
    where: dict[str, Any] = {"on": f"job/{JOB}", "project": wanted.project, "region": wanted.region}
    commands = []
    if found.job is None or not is_as_wanted(wanted, found, found.job):
        commands.append(
            gcloud(
                "run",
                "jobs",
                "deploy",
                JOB,
                **where,
                **wanted_container("job", wanted, found).flags(),
                tasks=1,
                max_retries=_MAX_RETRIES,
                task_timeout=f"{_TASK_TIMEOUT_S}s",
            )
        )
    if not has_migrated(wanted, found):
        commands.append(gcloud("run", "jobs", "execute", JOB, **where, args="migrate", wait=True, minutes="1 to 2"))
    return commands + access.missing(wanted, _bindings(wanted), found.access)


def is_as_wanted(wanted: Installation, found: Found, job: Json) -> bool:
    """Tell whether a job needs no deployment."""
    template = job["spec"]["template"]
    task = template["spec"]["template"]["spec"]
    return (
        read_container(task, template["metadata"].get("annotations", {})) == wanted_container("job", wanted, found)
        and int(task.get("maxRetries", 3)) == _MAX_RETRIES
        and int(task.get("timeoutSeconds", 600)) == _TASK_TIMEOUT_S
    )


def has_migrated(wanted: Installation, found: Found) -> bool:
    """Tell whether this image has migrated this database, and the last that did so registered the embedding model.

    Only what ran after the last undoing of migrations counts; one that failed may have undone some.
    """
    needed, ran = wanted_container("job", wanted, found), list[Container]()
    for execution in sorted(found.executions, key=lambda execution: str(execution["metadata"]["creationTimestamp"])):
        task = execution["spec"]["template"]["spec"]
        container, arguments = read_container(task, {}), list(task["containers"][0].get("args", []))
        if arguments[:1] != ["migrate"] or _database(container) != _database(needed):
            continue
        if len(arguments) > 1:
            ran.clear()
        elif int(execution.get("status", {}).get("succeededCount", 0)) > 0:
            ran.append(container)
    return any(each.image == needed.image for each in ran) and _model(ran[-1]) == _model(needed)


def _database(container: Container) -> list[str | None]:
    return [dict(container.secrets).get(name) for name in ("DATABASE_URL", "DATABASE_ADMIN_URL")]


def _model(container: Container) -> list[str | None]:
    return [dict(container.variables).get(name) for name in ("EMBEDDING_MODEL", "EMBEDDING_DIM")]


def _bindings(wanted: Installation) -> list[Binding]:
    # `run.invoker` may not pass arguments, and with them say how much of a run the job takes on.
    return [Binding(f"job/{JOB}", "roles/run.jobsExecutorWithOverrides", account(wanted, "collection"))]
