"""Who is told what: an e-mail when a run fails, and when the month costs more than was meant. Plans are pure.

The alarm reads the logs themselves (`run.ended`, as an error) rather than a metric of them: a policy on a metric
can't be made until the metric is known, which takes up to ten minutes, and this one's e-mail says which run it was.
"""

import json
from dataclasses import replace
from typing import Any

from scripts.deployment import programs
from scripts.deployment.commands import Command, gcloud
from scripts.deployment.found import Found, Json
from scripts.deployment.installation import Installation
from scripts.deployment.look import Google, at_once

POLICY_FILE = "scripts/deployment/failed-runs.json"
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
    if not wanted.owner or _channel(wanted, found):
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
    channel = _channel(wanted, found) or ("CHANNEL" if wanted.owner else "")
    return _alarm(wanted, found, channel) + _budget(wanted, found, channel)


def _alarm(wanted: Installation, found: Found, channel: str) -> list[Command]:
    words = ("alpha", "monitoring", "policies")
    flags: dict[str, Any] = {"on": "alarm", "project": wanted.project, "policy_from_file": POLICY_FILE}
    policy = read_policy()
    there = next((each for each in found.policies if each.get("displayName") == policy["displayName"]), None)
    if there is None:
        return [gcloud(*words, "create", **flags, notification_channels=channel or None)]
    told = not channel or channel in there.get("notificationChannels", [])
    if told and _filter(there) == _filter(policy):
        return []
    return [gcloud(*words, "update", there["name"], **flags, set_notification_channels=channel or None)]


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
    if _amount(there) == wanted.limits.budget.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        return []
    return [gcloud(*words, "update", there["name"], **on, budget_amount=wanted.limits.budget)]


def _channel(wanted: Installation, found: Found) -> str:
    """Give the name of the channel to the owner, '' without one."""
    mine = [each for each in found.channels if each.get("labels", {}).get("email_address") == wanted.owner]
    return str(mine[0]["name"]) if mine else ""


def _filter(policy: Json) -> str:
    [condition] = policy.get("conditions") or [{}]
    return str(condition.get("conditionMatchedLog", {}).get("filter", ""))


def _amount(budget: Json) -> str:
    """Write a budget's amount as it is configured: `50`, `0.5`, `12.25`."""
    money = budget.get("amount", {}).get("specifiedAmount", {})
    cents = round(int(money.get("nanos", 0)) / 1e7)
    units = str(money.get("units", "0"))
    return f"{units}.{cents:02d}".rstrip("0").rstrip(".") if cents else units
