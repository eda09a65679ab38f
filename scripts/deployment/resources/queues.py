"""The queues of tickets and the schedule of the tick. Plans are pure.

A ticket drains a queue over one connection; `limits.tickets` are outstanding at most, and one watchdog beside them. The
queue dispatches no more than that at once, however many were ever sent, so that steps never ask the database for more
than `(tickets + 1) × queues` connections.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation
from scripts.deployment.plan.settings import service_url
from scripts.deployment.resources import access
from scripts.deployment.resources.access import Binding, account

QUEUES = ("collection", "embedding")
SCHEDULE = "headwater-tick"
_CRON = "*/15 * * * *"
_ZONE = "Etc/UTC"
_DEADLINE_S = 60
_RETRIES = 3


def look_queues(google: Google, wanted: Installation, found: Found) -> Found:
    """Read the queues, the schedule, and who may send tickets."""
    place = f"projects/{wanted.project}/locations/{wanted.region}"
    queues, schedule, policies = at_once(
        [
            lambda: list(google.all("cloudtasks", f"/v2/{place}/queues", "queues")),
            partial(google.get, "cloudscheduler", f"/v1/{place}/jobs/{SCHEDULE}"),
            partial(access.look, google, wanted, _bindings(wanted)),
        ]
    )
    names = {each["name"].rpartition("/")[2]: each for each in queues}
    return replace(found, queues=names, schedule=schedule, access=policies)


def plan_queues(wanted: Installation, found: Found) -> list[Command]:
    """Create or update what differs; queues that `scripts/undeploy` has paused go on."""
    commands = []
    limits = _queue_limits(wanted)
    where: dict[str, Any] = {"project": wanted.project, "location": wanted.region}
    for name in QUEUES:
        there = found.queues.get(name)
        on = f"queue/{name}"
        if there is None or not _agrees(there, limits):
            verb = "create" if there is None else "update"
            flags = {flag: value for flag, (value, _, _) in limits.items()}
            commands.append(gcloud("tasks", "queues", verb, name, on=on, **where, **flags))
        if (there or {}).get("state") == "PAUSED":
            commands.append(gcloud("tasks", "queues", "resume", name, on=on, **where))
    return commands + _schedule(wanted, found, where) + access.missing(wanted, _bindings(wanted), found.access)


def _queue_limits(wanted: Installation) -> Mapping[str, tuple[str | int, str, str]]:
    """Give each flag with its value, and where the queue's JSON has it. Retrying a step is the ledger's business: a
    ticket comes back until somebody has looked at its queue."""
    return {
        "max_concurrent_dispatches": (wanted.limits.tickets + 1, "rateLimits", "maxConcurrentDispatches"),
        "max_dispatches_per_second": (10, "rateLimits", "maxDispatchesPerSecond"),
        "max_attempts": (-1, "retryConfig", "maxAttempts"),
        "min_backoff": ("1s", "retryConfig", "minBackoff"),
        "max_backoff": ("60s", "retryConfig", "maxBackoff"),
    }


def _agrees(queue: Json, limits: Mapping[str, tuple[str | int, str, str]]) -> bool:
    """Compare as texts: a rate may be 10 or 10.0, `1s` may be `1.000s`."""

    def plain(value: object) -> str:
        text = str(value)
        number = text.removesuffix("s")
        return f"{float(number):g}" + text[len(number) :]

    return all(plain(queue.get(part, {}).get(key, "0")) == plain(value) for value, part, key in limits.values())


def _schedule(wanted: Installation, found: Found, where: Mapping[str, Any]) -> list[Command]:
    """Give the command that makes the schedule as it should be, if it isn't."""
    base = service_url("collection", wanted, found.project_number)
    there = found.schedule
    target = (there or {}).get("httpTarget", {})
    token = target.get("oidcToken", {})
    is_as_wanted = there is not None and (
        (there.get("schedule"), there.get("timeZone"), there.get("attemptDeadline"), target.get("uri"))
        == (_CRON, _ZONE, f"{_DEADLINE_S}s", f"{base}/cron/tick")
        and (token.get("serviceAccountEmail"), token.get("audience")) == (wanted.account("invoker"), base)
        and int(there.get("retryConfig", {}).get("retryCount", 0)) == _RETRIES
    )
    if is_as_wanted:
        return []
    return [
        gcloud(
            "scheduler",
            "jobs",
            "create" if there is None else "update",
            "http",
            SCHEDULE,
            on=f"schedule/{SCHEDULE}",
            **where,
            schedule=_CRON,
            time_zone=_ZONE,
            uri=f"{base}/cron/tick",
            http_method="post",
            oidc_service_account_email=wanted.account("invoker"),
            oidc_token_audience=base,
            attempt_deadline=f"{_DEADLINE_S}s",
            max_retry_attempts=_RETRIES,
        )
    ]


def _bindings(wanted: Installation) -> list[Binding]:
    """Who sends tickets, signed by the invoker: to each queue those whose next step may be in it, and the job, which
    leaves a watchdog in the collection's."""
    senders: dict[str, tuple[str, ...]] = dict.fromkeys(QUEUES, ("collection", "embedding"))
    senders["collection"] += ("job",)
    enqueue, act = "roles/cloudtasks.enqueuer", "roles/iam.serviceAccountUser"
    invoker = f"account/{wanted.account('invoker')}"
    return [
        *(Binding(f"queue/{queue}", enqueue, account(wanted, name)) for queue in QUEUES for name in senders[queue]),
        *(Binding(invoker, act, account(wanted, name)) for name in ("collection", "embedding", "job")),
    ]
