"""The alert policies, the budget and their recipients."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.installation import Limits
from scripts.deployment.resources import alarms
from tests.harness.deployment import CLOUDSQL, SUPABASE, lines

OWNER_CHANNEL = "projects/p/notificationChannels/1"
TEAM_CHANNEL = "projects/p/notificationChannels/7"
FILES = list(alarms.read_policies())
FAILED_RUNS = FILES.index(f"{alarms.POLICIES}/failed-runs.json")


def state_with(recipients: list[str], conditions: list[Json] | None = None, **changes: Any) -> CloudState:
    """Return a state with the owner's channel, and an alert policy and a budget that have these recipients."""
    channel = {"name": OWNER_CHANNEL, "labels": {"email_address": "owner@example.com"}}
    policies = [
        {**policy, "name": f"projects/p/alertPolicies/{n}", "notificationChannels": recipients}
        for n, policy in enumerate(alarms.read_policies().values())
    ]
    if conditions is not None:
        policies[FAILED_RUNS]["conditions"] = conditions
    budget = {
        "name": "billingAccounts/b/budgets/3",
        "displayName": "Headwater acme-headwater",
        "amount": {"specifiedAmount": {"units": "50", "currencyCode": "EUR"}},
        "notificationsRule": {"monitoringNotificationChannels": recipients},
    }
    state = CloudState(
        channels=(channel,),
        policies=tuple(policies),
        budgets=(budget,),
    )
    return replace(state, **changes)


def planned(state: CloudState, owner: str = "owner@example.com") -> list[str]:
    return lines(alarms.plan_alarms(replace(CLOUDSQL, owner=owner), state))


@pytest.mark.parametrize("recipient", [OWNER_CHANNEL, "projects/424242/notificationChannels/1"])
def test_matching_alarms_are_left_alone(recipient: str) -> None:
    state = state_with([recipient])
    assert alarms.plan_channel(CLOUDSQL, state) == []
    assert planned(state) == []


def test_policy_with_another_filter_is_updated() -> None:
    [update] = planned(state_with([OWNER_CHANNEL], [{"conditionMatchedLog": {"filter": "another"}}]))
    assert update.startswith(f"gcloud alpha monitoring policies update projects/p/alertPolicies/{FAILED_RUNS} ")


def test_budget_with_another_amount_is_updated() -> None:
    installation = replace(CLOUDSQL, limits=Limits(budget="75.50EUR"))
    [update] = lines(alarms.plan_alarms(installation, state_with([OWNER_CHANNEL])))
    assert update == "gcloud billing budgets update billingAccounts/b/budgets/3 --budget-amount=75.50EUR"


def test_owner_is_added_to_existing_recipients() -> None:
    assert planned(state_with([TEAM_CHANNEL])) == [
        *(
            f"gcloud alpha monitoring policies update projects/p/alertPolicies/{n} --project=acme-headwater "
            f"--add-notification-channels={OWNER_CHANNEL}"
            for n in range(len(FILES))
        ),
        "gcloud billing budgets update billingAccounts/b/budgets/3 "
        f"--notifications-rule-monitoring-notification-channels={TEAM_CHANNEL},{OWNER_CHANNEL}",
    ]


@pytest.mark.parametrize(
    ("owner", "recipients"), [("owner@example.com", f"{TEAM_CHANNEL},{OWNER_CHANNEL}"), ("", TEAM_CHANNEL)]
)
def test_replaced_policy_keeps_its_recipients(owner: str, recipients: str) -> None:
    updates = planned(state_with([TEAM_CHANNEL], [{"conditionMatchedLog": {"filter": "another"}}]), owner)
    [update] = [each for each in updates if f"alertPolicies/{FAILED_RUNS} " in each]
    assert "--policy-from-file=" in update
    assert update.endswith(f"--set-notification-channels={recipients}")


def test_conditions_added_in_the_console_stay() -> None:
    [ours] = alarms.read_policies()[FILES[FAILED_RUNS]]["conditions"]
    conditions = [{"conditionThreshold": {"filter": "another"}}, ours, {"conditionMatchedLog": {"filter": "a third"}}]
    assert planned(state_with([TEAM_CHANNEL], conditions), "") == []


def test_alarms_without_a_channel_have_no_recipients() -> None:
    *created, budget = planned(state_with([], channels=(), policies=(), budgets=()))
    assert [f"--policy-from-file={file}" in command for file, command in zip(FILES, created, strict=True)]
    assert all("policies create" in command for command in created)
    assert "budgets create" in budget
    assert "CHANNEL" not in "".join(created) + budget
    assert planned(state_with([TEAM_CHANNEL], channels=())) == []


def test_installation_without_owner_and_budget_gets_alarms_without_recipients() -> None:
    assert alarms.plan_channel(SUPABASE, CloudState()) == []
    created = lines(alarms.plan_alarms(SUPABASE, CloudState()))
    assert len(created) == len(FILES)
    assert not any("notification-channels" in command for command in created)
