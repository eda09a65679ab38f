"""Notification channel, alert policies and budget: e-mail when something fails or the month's costs near the budget.

Most alert policies match log entries, such as `run.ended` with severity ERROR, rather than a metric: a policy on a new
metric can't be created for up to ten minutes, and the e-mail of a log policy names the run. Recipients that were added
in the console are kept. Plans are pure.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.read_cloud import GoogleCloud, read_concurrently
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation

POLICIES = "scripts/deployment/resources/alert-policies"
_TITLE = "Headwater"


def read_policies() -> dict[str, Json]:
    """Read the alert policies of the checkout, by file."""
    files = sorted((programs.ROOT / POLICIES).glob("*.json"))
    return {f"{POLICIES}/{file.name}": json.loads(file.read_text()) for file in files}


def read_alarms(google: GoogleCloud, installation: Installation, state: CloudState) -> CloudState:
    """Read notification channels, alert policies and the billing account's budgets."""
    base = f"/v3/projects/{installation.project}"
    reads = [
        lambda: tuple(google.all("monitoring", f"{base}/notificationChannels", "notificationChannels")),
        lambda: tuple(google.all("monitoring", f"{base}/alertPolicies", "alertPolicies")),
    ]
    if installation.limits.budget:
        budgets = f"/v1/billingAccounts/{state.billing_account}/budgets"
        reads.append(lambda: tuple(google.all("billingbudgets", budgets, "budgets")))
    channels, policies, *rest = read_concurrently(reads)
    return replace(state, channels=channels, policies=policies, budgets=rest[0] if rest else ())


def plan_channel(installation: Installation, state: CloudState) -> list[Command]:
    """Create the e-mail channel of the owner."""
    if not installation.owner or (state.channels is not None and _channel(installation, state)):
        return []
    labels = f"email_address={installation.owner}"
    return [
        gcloud(
            "beta",
            "monitoring",
            "channels",
            "create",
            target="channel",
            project=installation.project,
            display_name=_TITLE,
            type="email",
            channel_labels=labels,
        )
    ]


def plan_alarms(installation: Installation, state: CloudState) -> list[Command]:
    """Create or update the alert policies and the budget."""
    channel = _channel(installation, state)
    updates = [_alarm(installation, state, channel, file, policy) for file, policy in read_policies().items()]
    return [command for each in updates for command in each] + _budget(installation, state, channel)


def _alarm(installation: Installation, state: CloudState, channel: str, file: str, policy: Json) -> list[Command]:
    words = ("alpha", "monitoring", "policies")
    flags: dict[str, Any] = {"target": "alarm", "project": installation.project}
    existing = next((each for each in state.policies if each.get("displayName") == policy["displayName"]), None)
    if existing is None:
        return [gcloud(*words, "create", **flags, policy_from_file=file, notification_channels=channel or None)]
    recipients = existing.get("notificationChannels", [])
    added = [channel] if _is_new(channel, recipients) else []
    if not _filters(policy) <= _filters(existing):  # the file replaces the whole policy, channels too
        flags |= {"policy_from_file": file, "set_notification_channels": ",".join([*recipients, *added]) or None}
    elif added:
        flags |= {"add_notification_channels": channel}
    else:
        return []
    return [gcloud(*words, "update", existing["name"], **flags)]


def _budget(installation: Installation, state: CloudState, channel: str) -> list[Command]:
    if not installation.limits.budget:
        return []
    title = f"{_TITLE} {installation.project}"
    words = ("billing", "budgets")
    existing = next((each for each in state.budgets if each.get("displayName") == title), None)
    if existing is None:
        return [
            gcloud(
                *words,
                "create",
                target="budget",
                billing_account=state.billing_account,
                display_name=title,
                budget_amount=installation.limits.budget,
                filter_projects=f"projects/{installation.project}",
                threshold_rule="percent=0.9",
                notifications_rule_monitoring_notification_channels=channel or None,
            )
        ]
    flags: dict[str, Any] = {}
    if _amount(existing) != installation.limits.budget.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        flags["budget_amount"] = installation.limits.budget
    recipients = existing.get("notificationsRule", {}).get("monitoringNotificationChannels", [])
    if _is_new(channel, recipients):
        flags["notifications_rule_monitoring_notification_channels"] = ",".join([*recipients, channel])
    return [gcloud(*words, "update", existing["name"], target="budget", **flags)] if flags else []


def _channel(installation: Installation, state: CloudState) -> str:
    """Return the name of the owner's channel, '' if there is none, a placeholder if channels have not been read."""
    if state.channels is None:
        return "CHANNEL" if installation.owner else ""
    by_address = {each.get("labels", {}).get("email_address"): each["name"] for each in reversed(state.channels)}
    return str(by_address.get(installation.owner, ""))


def _is_new(channel: str, recipients: Sequence[str]) -> bool:
    """Compare channels by ID: the APIs write the project as its ID or as its number."""
    return bool(channel) and channel.rpartition("/")[2] not in {each.rpartition("/")[2] for each in recipients}


def _filters(policy: Json) -> set[str]:
    """Return the filters of a policy's conditions."""
    kinds = ("conditionMatchedLog", "conditionThreshold")
    matched = [each.get(kind, {}) for each in policy.get("conditions", []) for kind in kinds]
    return {str(each["filter"]) for each in matched if "filter" in each}


def _amount(budget: Json) -> str:
    """Format a budget's amount as in deploy.toml: `50`, `0.5`, `12.25`."""
    amount = budget.get("amount", {}).get("specifiedAmount", {})
    cents = round(int(amount.get("nanos", 0)) / 1e7)
    units = str(amount.get("units", "0"))
    return f"{units}.{cents:02d}".rstrip("0").rstrip(".") if cents else units
