"""The three Cloud Run services: deployed without traffic, smoke-tested, then released. Plans are pure.

What a service has is compared with what is wanted setting by setting, so that nothing is deployed that wouldn't change.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, Installation
from scripts.deployment.plan.settings import THREADS, TIMEOUTS_S
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account
from scripts.deployment.resources.containers import read_container, wanted_container

CANDIDATE = "candidate"
"""The tag under which a revision that has no traffic yet can be reached."""

_RUN = "run.googleapis.com"
_SCALING = "autoscaling.knative.dev"
# Within the four minutes that Cloud Run gives an instance to start.
_PROBE = {"httpGet.path": "/heartbeat", "httpGet.port": "8080", "periodSeconds": "1", "failureThreshold": "240"}


def service_name(function: str) -> str:
    """Give a function's service."""
    return f"headwater-{function}"


def look_services(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the services and who may call them."""
    path = f"/apis/serving.knative.dev/v1/namespaces/{wanted.project}/services"
    services, policies = at_once(
        [
            partial(google.get, f"{wanted.region}-run", path, limit=200),
            partial(access.look, google, wanted, _bindings(wanted)),
        ]
    )
    items = (services or {}).get("items", [])
    return replace(found, services={each["metadata"]["name"]: each for each in items}, access=policies)


def plan_services(wanted: Installation, found: Found) -> list[Command]:
    """Deploy each service that differs; let in who calls it, and nobody else.

    It gets no traffic yet, unless no revision of it was ever ready: the traffic has nowhere else to go then.
    """
    commands = []
    for function in FUNCTIONS:
        there = found.services.get(service_name(function))
        if there is not None and _is_ready(there) and _settings(there) == _wanted(function, wanted, found):
            continue
        commands.append(_deploy(function, wanted, found, has_served=bool(_newest_ready(there))))
    return commands + access.missing(wanted, _bindings(wanted), found.access) + _closed(wanted, found)


def plan_release(wanted: Installation, found: Found) -> list[Command]:
    """Try each new revision, then send all traffic to it. One that bears the candidate's tag hasn't been tried."""
    names = [service_name(function) for function in FUNCTIONS]
    late = [name for name in names if name not in found.services or not is_released(found.services[name])]
    if not late:
        return []
    where: dict[str, Any] = {"on": "release", "project": wanted.project, "region": wanted.region}
    words = ("run", "services", "update-traffic")
    tag = [
        gcloud(*words, name, **where, update_tags=f"{CANDIDATE}={_newest(found.services[name])}")
        for name in late
        if name in found.services and not _candidate(found.services[name])
    ]
    flags = (f"--project={wanted.project}", f"--region={wanted.region}")
    smoke = Command(program="python3", arguments=("-m", "scripts.deployment.smoke", *flags, *late), target="release")
    return [*tag, smoke, *(gcloud(*words, name, **where, to_latest=True, remove_tags=CANDIDATE) for name in late)]


def is_released(service: Json) -> bool:
    """Tell whether a service's newest revision has all traffic, and is no candidate."""
    shares = [each.get("revisionName") for each in _traffic(service) if each.get("percent")]
    return shares == [_newest(service)] and not _candidate(service)


def candidate_url(service: Json) -> str:
    """Give the URL of the revision that has not been tried yet, '' without one."""
    candidate = _candidate(service)
    return str(candidate.get("url", "")) if candidate else ""


def _candidate(service: Json) -> Json | None:
    mine = [each for each in _traffic(service) if each.get("tag") == CANDIDATE]
    return next((each for each in mine if each.get("revisionName") == _newest(service)), None)


def _traffic(service: Json) -> list[Json]:
    return list(service.get("status", {}).get("traffic", []))


def _newest(service: Json) -> str:
    return str(service.get("status", {}).get("latestCreatedRevisionName", ""))


def _newest_ready(service: Json | None) -> str:
    return str((service or {}).get("status", {}).get("latestReadyRevisionName", ""))


def _deploy(function: str, wanted: Installation, found: Found, *, has_served: bool) -> Command:
    settings = _wanted(function, wanted, found)
    traffic = {"traffic": False} if has_served else {}
    name = service_name(function)
    return gcloud(
        "run",
        "deploy",
        name,
        on=f"service/{name}",
        project=wanted.project,
        region=wanted.region,
        **settings["container"].flags(),
        concurrency=settings["concurrency"],
        timeout=f"{settings['timeout_s']}s",
        max_instances=settings["max_instances"],
        min_instances=0,
        cpu_boost=True,
        ingress="all",
        allow_unauthenticated=False,
        startup_probe=pairs(_PROBE),
        tag=CANDIDATE,
        **traffic,
    )


def _wanted(function: str, wanted: Installation, found: Found) -> Mapping[str, Any]:
    return {
        "container": wanted_container(function, wanted, found),
        "concurrency": THREADS[function],
        "timeout_s": TIMEOUTS_S[function],
        "max_instances": wanted.instances(function),
        "boost": True,
        "ingress": "all",
        "probe": _PROBE["httpGet.path"],
    }


def _settings(service: Json) -> Mapping[str, Any]:
    """Read a service's settings in the form of `_wanted`."""
    template = service["spec"]["template"]
    annotations, spec = template["metadata"].get("annotations", {}), template["spec"]
    probe = spec["containers"][0].get("startupProbe", {})
    return {
        "container": read_container(spec, annotations),
        "concurrency": spec.get("containerConcurrency"),
        "timeout_s": spec.get("timeoutSeconds"),
        "max_instances": int(annotations.get(f"{_SCALING}/maxScale", 0)),
        "boost": annotations.get(f"{_RUN}/startup-cpu-boost", "").lower() == "true",
        "ingress": service["metadata"].get("annotations", {}).get(f"{_RUN}/ingress", "all"),
        "probe": probe.get("httpGet", {}).get("path", ""),
    }


def _closed(wanted: Installation, found: Found) -> list[Command]:
    """Take back what lets everybody in: functions believe what Cloud Run says of a caller, which then isn't checked."""
    names = {f"service/{service_name(function)}": service_name(function) for function in FUNCTIONS}
    words = ("run", "services", "remove-iam-policy-binding")
    return [
        gcloud(
            *words,
            names[each.resource],
            on=each.resource,
            project=wanted.project,
            region=wanted.region,
            member=each.member,
            role=each.role,
        )
        for each in sorted(found.access)
        if each.resource in names and each.member in ("allUsers", "allAuthenticatedUsers")
    ]


def _is_ready(service: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in service.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def _bindings(wanted: Installation) -> list[Binding]:
    """The Worker calls all; Cloud Tasks and Cloud Scheduler, as the invoker, those with steps."""
    callers = [("worker", function) for function in FUNCTIONS]
    callers += [("invoker", function) for function in ("collection", "embedding")]
    return [
        Binding(f"service/{service_name(function)}", "roles/run.invoker", account(wanted, caller))
        for caller, function in callers
    ]
