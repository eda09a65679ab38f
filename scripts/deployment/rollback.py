"""Roll back: send traffic to an earlier revision, or to all parts of an earlier release.

A release is a label: Cloud Run names a revision's image by digest, never by tag. A release returns with its settings:
one revision of each service, and a version of the Worker. The job gets the release's image and keeps its settings,
since Cloud Run keeps no revisions of a job. The database schema stays. The revisions are smoke-tested before they get
traffic. Plans are pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.cloud.read_cloud import GoogleCloud, connect, read_concurrently
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import FUNCTIONS, RELEASE_LABEL, SANDBOX, SCHEMA_LABEL, Installation
from scripts.deployment.resources.containers import label_of
from scripts.deployment.resources.images import read_images
from scripts.deployment.resources.job import JOB, read_job
from scripts.deployment.resources.services import CANDIDATE, read_services, service_name, shares, smoke_test
from scripts.deployment.resources.worker import read_versions, send_traffic

PREVIOUS = ""
"""Instead of a name: the newest complete release before the one that serves."""

_SERVICES = tuple(map(service_name, FUNCTIONS))
_OPTIONAL = (service_name(SANDBOX),)
"""Services that a release need not have."""

_SERVICE_LABEL = "serving.knative.dev/service"


def roll_back(installation: Installation, name: str, *, only_print: bool, with_worker: bool) -> int:
    """Roll back, or print the commands for it. Raises DeploymentError if the revision or release is not available."""
    google = connect(installation.project)
    state = _read(google, installation)
    revisions = find_target(state, name)
    if with_worker and _is_complete(revisions):
        programs.build_edge()
        state = replace(state, worker_versions=read_versions(installation))
    groups = plan(installation, state, revisions)
    for note in notes(state, revisions):
        print(note, flush=True)
    runner = Runner(Values(installation), partial(print, flush=True))
    for group in groups:
        if only_print:
            print(*(command.line() for command in group), sep="\n")
        else:
            runner.run(group)
    return 0


def _read(google: GoogleCloud, installation: Installation) -> CloudState:
    path = f"/apis/serving.knative.dev/v1/namespaces/{installation.project}/revisions"
    read = partial(google.get, f"{installation.region}-run", path, limit=500)
    state = read_images(google, installation, read_job(google, installation, CloudState()))
    revisions, services = read_concurrently([read, partial(read_services, google, installation, state)])
    return replace(state, services=services.services, revisions=tuple((revisions or {}).get("items", [])))


def find_target(state: CloudState, name: str) -> list[Json]:
    """Return the revisions to send traffic to: one by its name, or those of a release.

    Raises DeploymentError if there is none, the release lacks a ready revision of a service, or an image was deleted.
    """
    named = [each for each in _ready(state.revisions) if _name(each) == name]
    found = named or _of_release(state, name or _previous_release(state))
    lacking = [service for service in _SERVICES if service not in map(_service, found)]
    if not found:
        names = [*_releases(state), *sorted(map(_name, _ready(state.revisions)))]
        raise DeploymentError(
            f"there is no ready revision or release named {name}", f"choose one of {', '.join(names) or 'none'}"
        )
    if lacking and not named:
        raise DeploymentError(
            f"release {name} has no ready revision of {', '.join(lacking)}; nothing was changed",
            "choose another release, or roll back services one by one: scripts/deploy --to REVISION",
        )
    _check_images(state, found)
    return found


def plan(installation: Installation, state: CloudState, revisions: Sequence[Json]) -> list[list[Command]]:
    """Return the commands in groups, to be run in order. Services that already serve the revision are left alone."""
    targets = {_service(each): _name(each) for each in revisions}
    moved = {name: target for name, target in targets.items() if _shares(state, name) != {target: 100}}
    words, flags = ("run", "services", "update-traffic"), _flags(installation)
    tag = [
        gcloud(*words, name, target=name, **flags, update_tags=f"{CANDIDATE}={target}")
        for name, target in moved.items()
    ]
    send = [
        gcloud(*words, name, target=name, **flags, to_revisions=f"{target}=100", remove_tags=CANDIDATE)
        for name, target in moved.items()
    ]
    rest: list[Command] = []
    if _is_complete(revisions):
        rest = [*_job(installation, state, revisions), *_worker(installation, state, revisions)]
    groups = [tag, [smoke_test(installation, list(moved))] if moved else [], [*send, *rest]]
    return [group for group in groups if group]


def notes(state: CloudState, revisions: Sequence[Json]) -> list[str]:
    """Say what is rolled back, and what stays."""
    names = ", ".join(map(_name, revisions))
    lines = [f"rolling back to release {_release(revisions[0]) or 'without a name'}: {names}"]
    schema, newest = label_of(revisions[0]["metadata"], SCHEMA_LABEL), _newest_schema(state)
    if schema < newest:
        lines.append(
            f"the database stays at schema {newest}; this release was built for {schema or 'an earlier one'}. "
            "Earlier code runs on a later schema (docs/operations.md, Undo a migration); the smoke test checks it"
        )
    serving = [each.release for each in state.worker_versions if each.percent]
    release = _release(revisions[0])
    if serving and release not in {each.release for each in state.worker_versions}:
        lines.append(
            f"the Worker stays at {', '.join(serving)}: none of its ten newest versions is of release {release}"
        )
    return lines


def _worker(installation: Installation, state: CloudState, revisions: Sequence[Json]) -> list[Command]:
    """Return the command that sends the Worker's traffic to the newest version of the revisions' release."""
    release = _release(revisions[0])
    version = next((each for each in state.worker_versions if release and each.release == release), None)
    if version is None or version.percent == 100:
        return []
    return [send_traffic(installation, f"{version.id}@100%")]


def _job(installation: Installation, state: CloudState, revisions: Sequence[Json]) -> list[Command]:
    """Return the command that gives the job the image of the revisions' release."""
    release, schema = (label_of(revisions[0]["metadata"], name) for name in (RELEASE_LABEL, SCHEMA_LABEL))
    image = state.images.get(installation.image("job", release))
    if image is None:
        raise DeploymentError(
            f"the job's image of release {release} was deleted; nothing was changed", _rebuild(release)
        )
    template = (state.job or {}).get("spec", {}).get("template", {})
    if label_of(template.get("metadata", {}), RELEASE_LABEL) == release:
        return []
    labels = f"{RELEASE_LABEL}={release},{SCHEMA_LABEL}={schema}"
    words = ("run", "jobs", "update", JOB)
    return [gcloud(*words, target="job", **_flags(installation), image=image, update_labels=labels)]


def _previous_release(state: CloudState) -> str:
    """Return the newest complete release before the newest one that has traffic.

    If several releases have traffic, because of a canary or an interrupted rollback, it is the second one of these.
    """
    releases = _releases(state)
    serving = {_release(each) for each in state.revisions if _shares(state, _service(each)).get(_name(each))}
    newest, *others = [each for each in releases if each in serving] or [""]
    earlier = others or releases[releases.index(newest) + 1 if newest else 0 :]
    for release in earlier:
        if _is_complete(_of_release(state, release)):
            return release
    raise DeploymentError(
        f"there is no complete release before {newest or 'this one'}",
        "roll back services one by one: scripts/deploy --to REVISION",
    )


def _releases(state: CloudState) -> list[str]:
    """Return the releases that have ready revisions, the newest first."""
    newest: dict[str, str] = {}
    for each in _ready(state.revisions):
        if release := _release(each):
            newest[release] = max(newest.get(release, ""), _created(each))
    return sorted(newest, key=lambda release: newest[release], reverse=True)


def _of_release(state: CloudState, release: str) -> list[Json]:
    """Return each service's newest ready revision of a release."""
    found = []
    for service in (*_SERVICES, *_OPTIONAL):
        ready = [each for each in _ready(state.revisions) if (_service(each), _release(each)) == (service, release)]
        found += sorted(ready, key=_created)[-1:]
    return found


def _is_complete(revisions: Iterable[Json]) -> bool:
    """Return whether there is a revision of each service that a release must have."""
    return set(_SERVICES) <= set(map(_service, revisions))


def _check_images(state: CloudState, revisions: Sequence[Json]) -> None:
    """Raise DeploymentError if the image of a revision was deleted: Cloud Run can't start instances of it."""
    repositories = {each.partition("@")[0] for each in state.digests}
    for each in revisions:
        image = each.get("status", {}).get("imageDigest") or each["spec"]["containers"][0]["image"]
        if image.partition("@")[0] in repositories and image not in state.digests:
            raise DeploymentError(
                f"the image of {_name(each)} was deleted; nothing was changed", _rebuild(_release(each) or "RELEASE")
            )


def _rebuild(release: str) -> str:
    return (
        "choose a newer release, or check out the commit of this one and deploy it: "
        f"scripts/deploy --tag={release} (images older than 30 days are deleted, except the newest ten)"
    )


def _flags(installation: Installation) -> dict[str, Any]:
    return {"project": installation.project, "region": installation.region}


def _shares(state: CloudState, service: str) -> dict[str, int]:
    return shares(state.services.get(service, {}))


def _newest_schema(state: CloudState) -> str:
    """Return the newest schema of a release that was deployed, as far as revisions and executions show."""
    resources = [*state.revisions, *state.executions]
    return max((label_of(each["metadata"], SCHEMA_LABEL) for each in resources), default="")


def _ready(revisions: Iterable[Json]) -> list[Json]:
    return [each for each in revisions if _is_ready(each)]


def _name(revision: Json) -> str:
    return str(revision["metadata"]["name"])


def _service(revision: Json) -> str:
    return label_of(revision["metadata"], _SERVICE_LABEL)


def _release(revision: Json) -> str:
    return label_of(revision["metadata"], RELEASE_LABEL)


def _created(revision: Json) -> str:
    return str(revision["metadata"]["creationTimestamp"])


def _is_ready(revision: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in revision.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"
