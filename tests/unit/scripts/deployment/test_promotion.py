"""Promoting the release of one environment to another."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.deployment.cloud import programs
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.cloud_state import CloudState, WorkerVersion
from scripts.deployment.promotion import check_worker, find_release
from scripts.deployment.resources.containers import desired_container
from scripts.deployment.resources.images import TARGETS, plan_images
from scripts.deployment.resources.worker import source_parts
from tests.harness.deployment import SUPABASE, flag

STAGING = replace(SUPABASE, project="acme-staging", region="us-east1", environment="staging")
IMAGES = {
    STAGING.image(target, "v7"): f"us-east1-docker.pkg.dev/acme-staging/headwater/{target}@sha256:{number * 64}"
    for target, number in zip(TARGETS, "12345", strict=True)
}


def service(function: str, *, release: str = "v7", percent: int = 100, **changes: Any) -> Any:
    """Return a service of staging whose newest revision has this share of the traffic."""
    image = IMAGES.get(STAGING.image(function, "v7"))
    labels = {"release": release, "schema": "0004"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}
    traffic = [{"revisionName": "new", "percent": percent}, {"revisionName": "old", "percent": 100 - percent}]
    status = {"latestCreatedRevisionName": "new", "traffic": [*traffic, *changes.get("tags", [])]}
    return {"spec": {"template": template}, "status": status}


def state(**services: Any) -> CloudState:
    chosen = {function: services.get(function, service(function)) for function in ("chat", "collection", "embedding")}
    return CloudState(
        services={f"headwater-{name}": each for name, each in chosen.items() if each},
        images=services.get("images", IMAGES),
    )


def test_release_is_deployed_by_the_digests_that_staging_serves() -> None:
    promoted = find_release(SUPABASE, STAGING, state())
    assert (promoted.tag, promoted.schema, promoted.project) == ("v7", "0004", "acme-headwater")
    assert desired_container("job", promoted, CloudState()).image == (
        f"europe-west1-docker.pkg.dev/acme-headwater/headwater/job@sha256:{'4' * 64}"
    )
    assert desired_container("chat", promoted, CloudState()).labels == (("release", "v7"), ("schema", "0004"))


def test_images_are_copied_with_the_right_to_read_them_unless_they_are_there() -> None:
    promoted = find_release(SUPABASE, STAGING, state())
    grant, copy = plan_images(promoted, CloudState())
    assert grant.arguments[:3] == ("artifacts", "repositories", "add-iam-policy-binding")
    assert (flag(grant, "project"), flag(grant, "location")) == ("acme-staging", "us-east1")
    assert flag(grant, "member") == "serviceAccount:headwater-build@acme-headwater.iam.gserviceaccount.com"
    assert len(plan_images(replace(promoted, can_read_promoted=True), CloudState())) == 1
    assert "--no-source" in copy.arguments
    assert (flag(copy, "project"), flag(copy, "region")) == ("acme-headwater", "europe-west1")
    copied = {
        promoted.image(target, "v7"): desired_container(target, promoted, CloudState()).image for target in TARGETS
    }
    assert plan_images(promoted, CloudState(images=copied)) == []
    assert len(plan_images(promoted, CloudState(images=copied | {promoted.image("job", "v7"): "another"}))) == 2


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (state(chat=service("chat", percent=90)), "headwater-chat doesn't serve its newest revision only"),
        (
            state(chat=service("chat", tags=[{"revisionName": "new", "tag": "candidate"}])),
            "headwater-chat doesn't serve",
        ),
        (state(collection={}), "headwater-collection doesn't serve"),
        (state(embedding=service("embedding", release="v6")), "its services serve v6, v7"),
        (state(embedding=service("embedding", release="")), "its services serve no release, v7"),
        (state(images={}), "images of its release v7 were deleted or replaced"),
        (state(images=IMAGES | {STAGING.image("chat", "v7"): "another"}), "deleted or replaced"),
    ],
    ids=["canary", "candidate", "missing", "mixed", "unnamed", "deleted", "replaced"],
)
def test_environment_without_a_single_release_is_not_promoted(broken: CloudState, problem: str) -> None:
    with pytest.raises(DeploymentError, match=problem) as raised:
        find_release(SUPABASE, STAGING, broken)
    assert "scripts/deploy staging" in raised.value.next_step


def test_worker_must_have_been_built_from_the_same_sources() -> None:
    parts = {**source_parts(programs.ROOT), "settings": "of staging", "domain": "staging.example.com"}
    check_worker(STAGING, [WorkerVersion(id="1", release="v7", percent=100, parts=parts)])
    for version in (
        WorkerVersion(id="1", release="v7", percent=90, parts=parts),
        WorkerVersion(id="1", release="v7", percent=100, parts={**parts, "web": "older"}),
    ):
        with pytest.raises(DeploymentError, match="differs from the one that staging serves"):
            check_worker(STAGING, [version])
