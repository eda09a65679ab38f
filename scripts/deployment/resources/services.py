"""The Cloud Run services of the functions and the sandbox: deployed without traffic, smoke-tested, then released.

Plans are pure. A service is deployed only if one of its settings differs from the desired one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud, pairs
from scripts.deployment.plan.installation import FUNCTIONS, SANDBOX, Installation
from scripts.deployment.plan.settings import TIMEOUTS_S, concurrency
from scripts.deployment.resources.containers import desired_container, read_container

CANDIDATE = "candidate"
"""Traffic tag of a new revision, which makes it reachable before it gets traffic."""

_RUN = "run.googleapis.com"
_SCALING = "autoscaling.knative.dev"
# 240 s: Cloud Run's limit for the start of an instance.
_PROBE = {"httpGet.path": "/heartbeat", "httpGet.port": "8080", "periodSeconds": "1", "failureThreshold": "240"}


def service_name(function: str) -> str:
    """Return the name of a function's service."""
    return f"headwater-{function}"


def read_services(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the services and their access."""
    path = f"/apis/serving.knative.dev/v1/namespaces/{installation.project}/services"
    services, policies = read_concurrently(
        [
            partial(google.get, f"{installation.region}-run", path, limit=200),
            partial(read_access, google, installation, _bindings(installation)),
        ]
    )
    items = (services or {}).get("items", [])
    return replace(state, services={each["metadata"]["name"]: each for each in items}, access=policies)


def plan_services(installation: Installation, state: CloudState) -> list[Command]:
    """Deploy each service that differs, grant access to its callers and remove public access.

    The new revision gets no traffic yet, unless the service never had a ready revision.
    """
    # Public access first: `run deploy --no-allow-unauthenticated` removes it too, and removing it twice fails.
    commands = _close(installation, state)
    for function in installation.services:
        existing = state.services.get(service_name(function))
        if (
            existing is not None
            and _is_ready(existing)
            and _settings(existing) == _desired_settings(function, installation, state)
        ):
            continue
        commands.append(_deploy(function, installation, state, has_served=bool(_newest_ready(existing))))
    return commands + missing(installation, _bindings(installation), state.access)


def plan_release(installation: Installation, state: CloudState) -> list[Command]:
    """Smoke-test each new revision, then send all traffic to it, with `[canary]` a part of it first.

    The candidate tag marks untested revisions.
    """
    names = [service_name(function) for function in installation.services]
    unreleased = [name for name in names if name not in state.services or not is_released(state.services[name])]
    if not unreleased:
        return []
    tag = [
        _traffic_command(installation, name, update_tags=f"{CANDIDATE}={_newest(state.services[name])}")
        for name in unreleased
        if name in state.services
        and (candidate(state.services[name]) or {}).get("revisionName") != _newest(state.services[name])
    ]
    release = [_traffic_command(installation, name, to_latest=True, remove_tags=CANDIDATE) for name in unreleased]
    return [*tag, smoke_test(installation, unreleased), *_canary(installation, state, unreleased), *release]


def _canary(installation: Installation, state: CloudState, names: Sequence[str]) -> list[Command]:
    """Send a part of the traffic to new revisions and watch them. If they fail, all of it returns to the old ones."""
    percent = installation.canary.percent
    services = {name: state.services[name] for name in names if name in state.services}
    old = {name: revision for name, service in services.items() if (revision := _serving_before(service))}
    if not percent or not old:
        return []
    split = [
        _traffic_command(
            installation, name, to_revisions=f"{_newest(services[name])}={percent},{revision}={100 - percent}"
        )
        for name, revision in old.items()
    ]
    back = tuple(_traffic_command(installation, name, to_revisions=f"{old[name]}=100") for name in old)
    flags = (f"--project={installation.project}", f"--region={installation.region}")
    arguments = ("-m", "scripts.deployment.canary", *flags, f"--minutes={installation.canary.minutes}", *old)
    minutes = str(installation.canary.minutes)
    watch = Command(program="python3", arguments=arguments, target="release", minutes=minutes, undo=back)
    return [*split, watch]


def _traffic_command(installation: Installation, name: str, **flags: Any) -> Command:
    common = {"project": installation.project, "region": installation.region}
    return gcloud("run", "services", "update-traffic", name, target="release", **common, **flags)


def _serving_before(service: Json) -> str:
    """Return the revision with the most traffic other than the newest one, '' if there is none."""
    others = {revision: percent for revision, percent in shares(service).items() if revision != _newest(service)}
    return max(others, key=lambda revision: others[revision], default="")


def smoke_test(installation: Installation, names: Sequence[str]) -> Command:
    """Return the command that tests the candidate revisions of services."""
    flags = (f"--project={installation.project}", f"--region={installation.region}")
    arguments = ("-m", "scripts.deployment.smoke", *flags, *names)
    return Command(program="python3", arguments=arguments, target="release")


def is_released(service: Json) -> bool:
    """Return whether a service's newest revision has all traffic, and no revision is a candidate."""
    return shares(service) == {_newest(service): 100} and candidate(service) is None


def shares(service: Json) -> dict[str, int]:
    """Return the percentage of each revision that gets traffic."""
    found: Counter[str] = Counter()
    for each in _traffic(service):
        found[str(each.get("revisionName"))] += int(each.get("percent", 0))
    return {revision: percent for revision, percent in found.items() if percent}


def candidate(service: Json) -> Json | None:
    """Return the traffic target with the candidate tag, which has a URL of its own."""
    return next((each for each in _traffic(service) if each.get("tag") == CANDIDATE), None)


def _traffic(service: Json) -> list[Json]:
    return list(service.get("status", {}).get("traffic", []))


def _newest(service: Json) -> str:
    return str(service.get("status", {}).get("latestCreatedRevisionName", ""))


def _newest_ready(service: Json | None) -> str:
    return str((service or {}).get("status", {}).get("latestReadyRevisionName", ""))


def _deploy(function: str, installation: Installation, state: CloudState, *, has_served: bool) -> Command:
    settings = _desired_settings(function, installation, state)
    traffic = {"traffic": False} if has_served else {}
    name = service_name(function)
    return gcloud(
        "run",
        "deploy",
        name,
        target=f"service/{name}",
        project=installation.project,
        region=installation.region,
        **settings["container"].flags(),
        concurrency=settings["concurrency"],
        timeout=f"{settings['timeout_s']}s",
        max_instances=settings["max_instances"],
        min_instances=0,
        cpu_boost=True,
        # The sandbox makes namespaces, which the first generation doesn't have.
        execution_environment=settings["execution_environment"] or None,
        ingress="all",
        allow_unauthenticated=False,
        startup_probe=pairs(_PROBE),
        tag=CANDIDATE,
        **traffic,
    )


def _desired_settings(function: str, installation: Installation, state: CloudState) -> Mapping[str, Any]:
    return {
        "container": desired_container(function, installation, state),
        "concurrency": concurrency(function, installation),
        "timeout_s": TIMEOUTS_S[function],
        "max_instances": installation.instances(function),
        "boost": True,
        "execution_environment": "gen2" if function == SANDBOX else "",
        "ingress": "all",
        "probe": _PROBE["httpGet.path"],
    }


def _settings(service: Json) -> Mapping[str, Any]:
    """Read a service's settings in the form of `_desired_settings`."""
    template = service["spec"]["template"]
    annotations, spec = template["metadata"].get("annotations", {}), template["spec"]
    probe = spec["containers"][0].get("startupProbe", {})
    is_sandbox = service["metadata"]["name"] == service_name(SANDBOX)
    return {
        "container": read_container(spec, template["metadata"]),
        "concurrency": spec.get("containerConcurrency"),
        "timeout_s": spec.get("timeoutSeconds"),
        "max_instances": int(annotations.get(f"{_SCALING}/maxScale", 0)),
        "execution_environment": annotations.get(f"{_RUN}/execution-environment", "") if is_sandbox else "",
        "boost": annotations.get(f"{_RUN}/startup-cpu-boost", "").lower() == "true",
        "ingress": service["metadata"].get("annotations", {}).get(f"{_RUN}/ingress", "all"),
        "probe": probe.get("httpGet", {}).get("path", ""),
    }


def _close(installation: Installation, state: CloudState) -> list[Command]:
    """Remove public access: functions trust the caller's identity, which Cloud Run checks only on closed services."""
    names = {f"service/{service_name(function)}": service_name(function) for function in installation.services}
    words = ("run", "services", "remove-iam-policy-binding")
    return [
        gcloud(
            *words,
            names[each.resource],
            target=each.resource,
            project=installation.project,
            region=installation.region,
            member=each.member,
            role=each.role,
        )
        for each in sorted(state.access)
        if each.resource in names and each.member in ("allUsers", "allAuthenticatedUsers")
    ]


def _is_ready(service: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in service.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def _bindings(installation: Installation) -> list[Binding]:
    """The Worker, and Cloud Tasks and Cloud Scheduler as the invoker, call the functions; chat calls the sandbox."""
    callers = [(caller, function) for caller in ("worker", "invoker") for function in FUNCTIONS]
    callers += [("chat", SANDBOX)] if SANDBOX in installation.services else []
    return [
        Binding(f"service/{service_name(function)}", "roles/run.invoker", account(installation, caller))
        for caller, function in callers
    ]
