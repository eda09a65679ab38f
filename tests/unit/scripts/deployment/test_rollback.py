"""Rolling back to a revision or to a release."""

import pytest

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.cloud_state import Json
from scripts.deployment.rollback import plan
from tests.harness.deployment import SUPABASE


def revision(service: str, number: int, tag: str, ready: str = "True") -> Json:
    """Return a revision in the form of its API."""
    return {
        "metadata": {
            "name": f"{service}-{number:05d}-abc",
            "labels": {"serving.knative.dev/service": service},
            "creationTimestamp": f"2026-11-25T10:00:{number:02d}Z",
        },
        "spec": {"containers": [{"image": f"registry/{service}:{tag}"}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


REVISIONS = [
    revision(service, number, tag, ready)
    for service in ("headwater-chat", "headwater-collection", "headwater-embedding")
    for number, tag, ready in ((1, "t0", "True"), (2, "t0", "True"), (3, "t0", "False"), (4, "t1", "True"))
]


def test_revision_name_rolls_back_one_service() -> None:
    [command] = plan(SUPABASE, "headwater-chat-00001-abc", REVISIONS)
    assert command.arguments[:4] == ("run", "services", "update-traffic", "headwater-chat")
    assert "--to-revisions=headwater-chat-00001-abc=100" in command.arguments


def test_release_tag_rolls_back_all_services_to_their_newest_ready_revision() -> None:
    *services, job = [command.line() for command in plan(SUPABASE, "t0", REVISIONS)]
    assert [line.rpartition("=")[0].rpartition("=")[2] for line in services] == [
        "headwater-chat-00002-abc",
        "headwater-collection-00002-abc",
        "headwater-embedding-00002-abc",
    ]
    assert job.endswith("--image=europe-west1-docker.pkg.dev/acme-headwater/headwater/job:t0")


def test_incomplete_release_is_refused_naming_the_services_without_a_ready_revision() -> None:
    without = [each for each in REVISIONS if not each["metadata"]["name"].startswith("headwater-collection-")]
    broken = [revision("headwater-collection", 1, "t0", ready="False"), *without]
    for revisions in (without, broken):
        with pytest.raises(DeploymentError, match="of headwater-collection; nothing was changed"):
            plan(SUPABASE, "t0", revisions)


def test_unknown_name_is_refused_with_the_available_ones() -> None:
    with pytest.raises(DeploymentError) as raised:
        plan(SUPABASE, "t9", REVISIONS)
    assert "t0" in raised.value.next_step
