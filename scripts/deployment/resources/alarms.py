"""Who is told what: an e-mail when a run fails, and when the month costs more than was meant. Plans are pure.

The alarm reads the logs themselves (`run.ended`, as an error) rather than a metric of them: a policy on a metric
can't be made until the metric is known, which takes up to ten minutes, and this one's e-mail says which run it was.
Whom somebody has told in the console is told still.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.read_cloud import Google, at_once
from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command, gcloud
from scripts.deployment.plan.installation import Installation

POLICY_FILE = "scripts/deployment/resources/failed-runs.json"
_TITLE = "Headwater"


def read_policy() -> Json:
    """Read the alarm's policy from the checkout."""
    policy: Json = json.loads((programs.ROOT / POLICY_FILE).read_text())
    return policy


def look_alarms(google: Google, wanted: Installation, found: Found) -> Found:
    """Read who is told, of what, and the budgets of the account that pays."""
    base = f"/v3/projects/{wanted.project}"
    reads = [
        lambda: tuple(google.all("monitoring", f"{base}/notificationChannels", "notificationChannels")),
        lambda: tuple(google.all("monitoring", f"{base}/alertPolicies", "alertPolicies")),
    ]
    if wanted.limits.budget:
        budgets = f"/v1/billingAccounts/{found.billing_account}/budgets"
        reads.append(lambda: tuple(google.all("billingbudgets", budgets, "budgets")))
    channels, policies, *rest = at_once(reads)
    return replace(found, channels=channels, policies=policies, budgets=rest[0] if rest else ())


def plan_channel(wanted: Installation, found: Found) -> list[Command]:
    """Make the owner's address one that alarms can be sent to."""
    if not wanted.owner or (found.channels is not None and _channel(wanted, found)):
        return []
    labels = f"email_address={wanted.owner}"
    return [
        gcloud(
            "beta",
            "monitoring",
            "channels",
            "create",
            on="channel",
            project=wanted.project,
            display_name=_TITLE,
            type="email",
            channel_labels=labels,
        )
    ]


def plan_alarms(wanted: Installation, found: Found) -> list[Command]:
    """Make the alarm and the budget, or bring them up to date."""
    channel = _channel(wanted, found)
    return _alarm(wanted, found, channel) + _budget(wanted, found, channel)


def _alarm(wanted: Installation, found: Found, channel: str) -> list[Command]:
    words = ("alpha", "monitoring", "policies")
    flags: dict[str, Any] = {"on": "alarm", "project": wanted.project}
    policy = read_policy()
    there = next((each for each in found.policies if each.get("displayName") == policy["displayName"]), None)
    if there is None:
        return [gcloud(*words, "create", **flags, policy_from_file=POLICY_FILE, notification_channels=channel or None)]
    told = there.get("notificationChannels", [])
    lacking = [channel] if _lacks(told, channel) else []
    if not _filters(policy) <= _filters(there):  # the file replaces everything, channels too
        flags |= {"policy_from_file": POLICY_FILE, "set_notification_channels": ",".join([*told, *lacking]) or None}
    elif lacking:
        flags |= {"add_notification_channels": channel}
    else:
        return []
    return [gcloud(*words, "update", there["name"], **flags)]


def _budget(wanted: Installation, found: Found, channel: str) -> list[Command]:
    if not wanted.limits.budget:
        return []
    title = f"{_TITLE} {wanted.project}"
    words, on = ("billing", "budgets"), {"on": "budget"}
    there = next((each for each in found.budgets if each.get("displayName") == title), None)
    if there is None:
        return [
            gcloud(
                *words,
                "create",
                **on,
                billing_account=found.billing_account,
                display_name=title,
                budget_amount=wanted.limits.budget,
                filter_projects=f"projects/{wanted.project}",
                threshold_rule="percent=0.9",
                notifications_rule_monitoring_notification_channels=channel or None,
            )
        ]
    flags: dict[str, Any] = {}
    if _amount(there) != wanted.limits.budget.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        flags["budget_amount"] = wanted.limits.budget
    told = there.get("notificationsRule", {}).get("monitoringNotificationChannels", [])
    if _lacks(told, channel):
        flags["notifications_rule_monitoring_notification_channels"] = ",".join([*told, channel])
    return [gcloud(*words, "update", there["name"], **on, **flags)] if flags else []


def _channel(wanted: Installation, found: Found) -> str:
    """Give the name of the channel to the owner, '' without one; a word for it before anybody has looked."""
    if found.channels is None:
        return "CHANNEL" if wanted.owner else ""
    mine = [each for each in found.channels if each.get("labels", {}).get("email_address") == wanted.owner]
    return str(mine[0]["name"]) if mine else ""


def _lacks(told: Sequence[str], channel: str) -> bool:
    """Tell whether a channel isn't told yet; its project may stand there by its name or by its number."""
    return bool(channel) and channel.rpartition("/")[2] not in {each.rpartition("/")[2] for each in told}


def _filters(policy: Json) -> set[str]:
    """Give what a policy looks for in the logs."""
    matched = [each.get("conditionMatchedLog", {}) for each in policy.get("conditions", [])]
    return {str(each["filter"]) for each in matched if "filter" in each}


def _amount(budget: Json) -> str:
    """Write a budget's amount as it is configured: `50`, `0.5`, `12.25`."""
    money = budget.get("amount", {}).get("specifiedAmount", {})
    cents = round(int(money.get("nanos", 0)) / 1e7)
    units = str(money.get("units", "0"))
    return f"{units}.{cents:02d}".rstrip("0").rstrip(".") if cents else units
