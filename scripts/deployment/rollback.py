"""Roll back: send traffic to an earlier revision, or to all revisions of an earlier release.

A revision's name rolls back one service. A release's image tag rolls back all three services, with the settings of
that release, and the job's image. The job keeps its current settings, since Cloud Run keeps no revisions of a job. The
database schema stays: the previous release works with it (expand/contract migrations).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, connect, read_concurrently
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.cloud_state import Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.services import service_name


def roll_back(installation: Installation, name: str, *, only_print: bool) -> int:
    """Roll back, or print the commands for it. Raises DeploymentError if the revision or release is not available."""
    google = connect(installation.project)
    commands = plan(installation, name, *read_concurrently([partial(_revisions, google, installation)]))
    if only_print:
        print(*(command.line() for command in commands), sep="\n")
    else:
        Runner(Values(installation), partial(print, flush=True)).run(commands)
    return 0


def plan(installation: Installation, name: str, revisions: Sequence[Json]) -> list[Command]:
    """Return the commands for a rollback.

    Raises DeploymentError unless a ready revision has this name, or every service has a ready revision of this release.
    """
    ready = [each for each in revisions if _is_ready(each)]
    revision = next((each for each in ready if each["metadata"]["name"] == name), None)
    if revision:
        return [_send_traffic(installation, _service(revision), name)]
    release = {service: _of_release(ready, service, name) for service in map(service_name, FUNCTIONS)}
    if not any(release.values()):
        known = sorted({each["metadata"]["name"] for each in ready} | {_tag(each) for each in ready})
        raise DeploymentError(
            f"there is no ready revision or release named {name}", f"choose one of {', '.join(known) or 'none'}"
        )
    if missing := [service for service, revision in release.items() if not revision]:
        raise DeploymentError(
            f"release {name} has no ready revision of {', '.join(missing)}; nothing was changed",
            "choose another release, or roll back services one by one: scripts/deploy --to REVISION",
        )
    commands = [_send_traffic(installation, service, revision) for service, revision in release.items()]
    image = {"image": installation.image("job", name)}
    return [*commands, gcloud("run", "jobs", "update", JOB, target="job", **_flags(installation), **image)]


def _of_release(ready: Sequence[Json], service: str, tag: str) -> str:
    """Return the name of a service's newest revision of a release, '' if there is none."""
    revisions = [each for each in ready if _service(each) == service and _tag(each) == tag]
    newest = max(revisions, key=lambda each: str(each["metadata"]["creationTimestamp"]), default=None)
    return str(newest["metadata"]["name"]) if newest else ""


def _send_traffic(installation: Installation, service: str, revision: str) -> Command:
    words = ("run", "services", "update-traffic", service)
    return gcloud(*words, target=service, **_flags(installation), to_revisions=f"{revision}=100")


def _flags(installation: Installation) -> dict[str, Any]:
    return {"project": installation.project, "region": installation.region}


def _revisions(google: GoogleCloud, installation: Installation) -> Sequence[Json]:
    path = f"/apis/serving.knative.dev/v1/namespaces/{installation.project}/revisions"
    return list((google.get(f"{installation.region}-run", path, limit=500) or {}).get("items", []))


def _service(revision: Json) -> str:
    return str(revision["metadata"].get("labels", {}).get("serving.knative.dev/service", ""))


def _tag(revision: Json) -> str:
    return str(revision["spec"]["containers"][0]["image"].rpartition(":")[2])


def _is_ready(revision: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in revision.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"
