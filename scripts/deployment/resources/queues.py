"""The Cloud Tasks queues for tickets, and the Cloud Scheduler job of the tick. Plans are pure.

A ticket drains a queue over one connection. At most `limits.tickets` are outstanding per queue, plus one watchdog. The
queue dispatches no more than that concurrently, however many tasks it holds, so that steps use at most
`(tickets + 1) × queues` connections.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_access import read_access
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.access import Binding, account, missing
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.plan.settings import service_url

QUEUES = ("chat", "collection", "embedding")
SCHEDULE = "headwater-tick"
_CRON = "*/15 * * * *"
_ZONE = "Etc/UTC"
_DEADLINE_S = 60
_RETRIES = 3


def read_queues(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read the queues, the schedule, and their access."""
    place = f"projects/{installation.project}/locations/{installation.region}"
    queues, schedule, policies = read_concurrently(
        [
            lambda: list(google.all("cloudtasks", f"/v2/{place}/queues", "queues")),
            partial(google.get, "cloudscheduler", f"/v1/{place}/jobs/{SCHEDULE}"),
            partial(read_access, google, installation, _bindings(installation)),
        ]
    )
    names = {each["name"].rpartition("/")[2]: each for each in queues}
    return replace(state, queues=names, schedule=schedule, access=policies)


def plan_queues(installation: Installation, state: CloudState) -> list[Command]:
    """Create or update what differs, and resume queues that `scripts/undeploy` paused."""
    commands = []
    limits = _queue_limits(installation)
    common: dict[str, Any] = {"project": installation.project, "location": installation.region}
    for name in QUEUES:
        existing = state.queues.get(name)
        target = f"queue/{name}"
        if existing is None or not _has_limits(existing, limits):
            verb = "create" if existing is None else "update"
            flags = {flag: value for flag, (value, _, _) in limits.items()}
            commands.append(gcloud("tasks", "queues", verb, name, target=target, **common, **flags))
        if (existing or {}).get("state") == "PAUSED":
            commands.append(gcloud("tasks", "queues", "resume", name, target=target, **common))
    return (
        commands + _schedule(installation, state, common) + missing(installation, _bindings(installation), state.access)
    )


def _queue_limits(installation: Installation) -> Mapping[str, tuple[str | int, str, str]]:
    """Return each flag with its value and its place in the queue's JSON.

    Attempts are unlimited: the ledger decides about retries of steps, a ticket only has to reach its queue.
    """
    return {
        "max_concurrent_dispatches": (installation.limits.tickets + 1, "rateLimits", "maxConcurrentDispatches"),
        "max_dispatches_per_second": (10, "rateLimits", "maxDispatchesPerSecond"),
        "max_attempts": (-1, "retryConfig", "maxAttempts"),
        "min_backoff": ("1s", "retryConfig", "minBackoff"),
        "max_backoff": ("60s", "retryConfig", "maxBackoff"),
    }


def _has_limits(queue: Json, limits: Mapping[str, tuple[str | int, str, str]]) -> bool:
    """Compare normalised texts: the API may return 10 or 10.0, `1s` or `1.000s`."""

    def plain(value: object) -> str:
        text = str(value)
        number = text.removesuffix("s")
        return f"{float(number):g}" + text[len(number) :]

    return all(plain(queue.get(part, {}).get(key, "0")) == plain(value) for value, part, key in limits.values())


def _schedule(installation: Installation, state: CloudState, common: Mapping[str, Any]) -> list[Command]:
    """Return the command that creates or updates the schedule, if it differs."""
    base = service_url("collection", installation, state.project_number)
    existing = state.schedule
    target = (existing or {}).get("httpTarget", {})
    token = target.get("oidcToken", {})
    is_current = existing is not None and (
        (existing.get("schedule"), existing.get("timeZone"), existing.get("attemptDeadline"), target.get("uri"))
        == (_CRON, _ZONE, f"{_DEADLINE_S}s", f"{base}/cron/tick")
        and (token.get("serviceAccountEmail"), token.get("audience")) == (installation.account("invoker"), base)
        and int(existing.get("retryConfig", {}).get("retryCount", 0)) == _RETRIES
    )
    if is_current:
        return []
    return [
        gcloud(
            "scheduler",
            "jobs",
            "create" if existing is None else "update",
            "http",
            SCHEDULE,
            target=f"schedule/{SCHEDULE}",
            **common,
            schedule=_CRON,
            time_zone=_ZONE,
            uri=f"{base}/cron/tick",
            http_method="post",
            oidc_service_account_email=installation.account("invoker"),
            oidc_token_audience=base,
            attempt_deadline=f"{_DEADLINE_S}s",
            max_retry_attempts=_RETRIES,
        )
    ]


def _bindings(installation: Installation) -> list[Binding]:
    """Let functions send tickets, signed as the invoker, to each other's queues, and the job to `collection`.

    The tick, in `collection`, also finds answers that have lost their writer.
    """
    senders: dict[str, tuple[str, ...]] = {
        "chat": ("chat", "collection"),
        "collection": ("collection", "embedding", "job"),
        "embedding": ("collection", "embedding"),
    }
    enqueue, act = "roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser"
    invoker = f"account/{installation.account('invoker')}"
    return [
        *(
            Binding(f"queue/{queue}", enqueue, account(installation, name))
            for queue in QUEUES
            for name in senders[queue]
        ),
        *(Binding(invoker, act, account(installation, name)) for name in (*QUEUES, "job")),
    ]
