"""The first owner's API key."""

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.resources.owner import plan_owner
from tests.harness.deployment import SUPABASE


def test_owner_key_is_created_once() -> None:
    assert len(plan_owner(SUPABASE, CloudState())) == 2
    labelled = {"headwater-secret-key": {"labels": {"owner-key": "made"}}}
    assert plan_owner(SUPABASE, CloudState(secrets=labelled)) == []
