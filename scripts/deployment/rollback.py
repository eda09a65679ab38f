"""Going back: a revision's name, or the tag of a release, flows in; traffic flows where it did.

A revision goes back alone. A release's tag takes all three services back to their revisions of it, with the settings
they had then, and the job to its image, with the settings it has: Cloud Run keeps no revisions of a job. The
database's schema stays: the previous revision works with it (migrations expand, then contract).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import Google, at_once, connect
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.cloud_state import Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.resources.job import JOB
from scripts.deployment.resources.services import service_name


def to(wanted: Installation, name: str, *, only_print: bool) -> int:
    """Go back, or print the commands that would; raises DeploymentError when there is nothing to go back to."""
    google = connect(wanted.project)
    commands = plan(wanted, name, *at_once([partial(_revisions, google, wanted)]))
    if only_print:
        print(*(command.line() for command in commands), sep="\n")
    else:
        Runner(Values(wanted), partial(print, flush=True)).run(commands)
    return 0


def plan(wanted: Installation, name: str, revisions: Sequence[Json]) -> list[Command]:
    """Give the commands that send traffic back; raises DeploymentError unless such a revision is ready, or such a
    release of every service."""
    ready = [each for each in revisions if _is_ready(each)]
    [*alone] = [each for each in ready if each["metadata"]["name"] == name]
    if alone:
        return [_send(wanted, _service(alone[0]), name)]
    release = {service: _of_release(ready, service, name) for service in map(service_name, FUNCTIONS)}
    if not any(release.values()):
        known = sorted({each["metadata"]["name"] for each in ready} | {_tag(each) for each in ready})
        raise DeploymentError(
            f"no revision {name} is ready, and none of a release {name}", f"choose one of {', '.join(known) or 'none'}"
        )
    if lacking := [service for service, revision in release.items() if not revision]:
        raise DeploymentError(
            f"no revision of release {name} is ready of {', '.join(lacking)}; nothing was changed",
            "choose another release, or send services back one by one: scripts/deploy --to REVISION",
        )
    commands = [_send(wanted, service, revision) for service, revision in release.items()]
    image = {"image": wanted.image("job", name)}
    return [*commands, gcloud("run", "jobs", "update", JOB, on="job", **_where(wanted), **image)]


def _of_release(ready: Sequence[Json], service: str, tag: str) -> str:
    """Give a service's newest revision of a release, '' without one."""
    mine = [each for each in ready if _service(each) == service and _tag(each) == tag]
    newest = max(mine, key=lambda each: str(each["metadata"]["creationTimestamp"]), default=None)
    return str(newest["metadata"]["name"]) if newest else ""


def _send(wanted: Installation, service: str, revision: str) -> Command:
    words = ("run", "services", "update-traffic", service)
    return gcloud(*words, on=service, **_where(wanted), to_revisions=f"{revision}=100")


def _where(wanted: Installation) -> dict[str, Any]:
    return {"project": wanted.project, "region": wanted.region}


def _revisions(google: Google, wanted: Installation) -> Sequence[Json]:
    path = f"/apis/serving.knative.dev/v1/namespaces/{wanted.project}/revisions"
    return list((google.get(f"{wanted.region}-run", path, limit=500) or {}).get("items", []))


def _service(revision: Json) -> str:
    return str(revision["metadata"].get("labels", {}).get("serving.knative.dev/service", ""))


def _tag(revision: Json) -> str:
    return str(revision["spec"]["containers"][0]["image"].rpartition(":")[2])


def _is_ready(revision: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in revision.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"
