"""The Cloud Run job, and the migration that it runs before anything is served. Plans are pure."""

from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment import access
from scripts.deployment.access import Binding, account
from scripts.deployment.commands import Command, gcloud
from scripts.deployment.containers import read_container, wanted_container
from scripts.deployment.found import Found, Json
from scripts.deployment.installation import Installation
from scripts.deployment.look import Google, at_once

JOB = "headwater"
_TASK_TIMEOUT_S = 24 * 3600
_MAX_RETRIES = 3
_DATABASE = ("DATABASE_URL", "DATABASE_ADMIN_URL")


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
    """Deploy the job if it differs; then migrate, unless that very image has on this very database."""
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
    if not any(has_migrated(wanted, found, execution) for execution in found.executions):
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


def has_migrated(wanted: Installation, found: Found, execution: Json) -> bool:
    """Tell whether an execution has brought this database to this revision."""
    task = execution["spec"]["template"]["spec"]
    ran, needed = read_container(task, {}), wanted_container("job", wanted, found)
    databases = [{name: dict(each.secrets).get(name) for name in _DATABASE} for each in (ran, needed)]
    return (
        task["containers"][0].get("args") == ["migrate"]
        and ran.image == needed.image
        and databases[0] == databases[1]
        and int(execution.get("status", {}).get("succeededCount", 0)) > 0
    )


def _bindings(wanted: Installation) -> list[Binding]:
    # `run.invoker` may not pass arguments, and with them say how much of a run the job takes on.
    return [Binding(f"job/{JOB}", "roles/run.jobsExecutorWithOverrides", account(wanted, "collection"))]
