"""Rolling back to a revision, to a release, or to the previous release."""

from dataclasses import replace

import pytest

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.cloud_state import CloudState, Json, WorkerVersion
from scripts.deployment.rollback import PREVIOUS, find_target, notes, plan
from tests.harness.deployment import SUPABASE, flag, lines

SERVICES = ("headwater-chat", "headwater-collection", "headwater-embedding")
SCHEMAS = {"t0": "0004", "t1": "0005", "t2": "0005"}


def digest(service: str, tag: str) -> str:
    """Return the digest reference of a release's image."""
    target = service.removeprefix("headwater-")
    return f"{SUPABASE.image(target, tag).rpartition(':')[0]}@sha256:{tag[1] * 64}"


def revision(service: str, number: int, tag: str, ready: str = "True") -> Json:
    """Return a revision in the form of its API: its image is named by digest."""
    return {
        "metadata": {
            "name": f"{service}-{number:05d}-abc",
            "labels": {"serving.knative.dev/service": service, "release": tag, "schema": SCHEMAS[tag]},
            "creationTimestamp": f"2026-11-25T10:00:{number:02d}Z",
        },
        "spec": {"containers": [{"image": digest(service, tag)}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def service(name: str, **percents: int) -> Json:
    """Return a service with traffic to revisions: `n4=100` sends all of it to number 4."""
    traffic = [
        {"revisionName": f"{name}-{int(number[1:]):05d}-abc", "percent": percent}
        for number, percent in percents.items()
    ]
    return {"metadata": {"name": name}, "status": {"traffic": traffic}}


REVISIONS = tuple(
    revision(service, number, tag, ready)
    for service in SERVICES
    for number, tag, ready in (
        (1, "t0", "True"),
        (2, "t0", "True"),
        (3, "t0", "False"),
        (4, "t1", "True"),
        (5, "t2", "True"),
    )
)
STATE = CloudState(
    revisions=REVISIONS,
    services={name: service(name, n5=100) for name in SERVICES},
    images={SUPABASE.image("job", tag): digest("job", tag) for tag in SCHEMAS},
    digests=frozenset(digest(name, tag) for name in (*SERVICES, "job") for tag in SCHEMAS),
    job={"spec": {"template": {"metadata": {"labels": {"release": "t2"}}}}},
)


def names(state: CloudState, name: str) -> list[str]:
    return [each["metadata"]["name"].removeprefix("headwater-") for each in find_target(state, name)]


def planned(state: CloudState, name: str) -> list[str]:
    return lines([command for group in plan(SUPABASE, state, find_target(state, name)) for command in group])


def serving(**percents: int) -> CloudState:
    """Return the state in which each service has this traffic."""
    return replace(STATE, services={name: service(name, **percents) for name in SERVICES})


def test_revision_name_rolls_back_one_service_and_no_job() -> None:
    tag, smoke, send = planned(STATE, "headwater-chat-00001-abc")
    assert tag.endswith(
        "headwater-chat --project=acme-headwater --region=europe-west1 --update-tags=candidate=headwater-chat-00001-abc"
    )
    assert smoke.endswith("scripts.deployment.smoke --project=acme-headwater --region=europe-west1 headwater-chat")
    assert "--to-revisions=headwater-chat-00001-abc=100 --remove-tags=candidate" in send


def test_release_rolls_back_all_services_to_their_newest_ready_revision_and_the_job() -> None:
    assert names(STATE, "t0") == ["chat-00002-abc", "collection-00002-abc", "embedding-00002-abc"]
    groups = plan(SUPABASE, STATE, find_target(STATE, "t0"))
    assert [len(group) for group in groups] == [3, 1, 4]
    job = groups[-1][-1]
    assert flag(job, "image") == digest("job", "t0")
    assert flag(job, "update-labels") == "release=t0,schema=0004"


def test_previous_release_precedes_the_one_that_serves_even_twice_in_a_row() -> None:
    assert names(STATE, PREVIOUS)[0] == "chat-00004-abc"
    assert names(serving(n4=100), PREVIOUS)[0] == "chat-00002-abc"
    with pytest.raises(DeploymentError, match="no complete release before t0"):
        find_target(serving(n2=100), PREVIOUS)


def test_previous_release_of_a_canary_is_the_one_with_the_other_traffic() -> None:
    assert names(serving(n4=90, n5=10), PREVIOUS)[0] == "chat-00004-abc"
    assert names(serving(n2=90, n5=10), PREVIOUS)[0] == "chat-00002-abc"


def test_incomplete_release_is_not_the_previous_one() -> None:
    without = tuple(each for each in REVISIONS if each["metadata"]["name"] != "headwater-collection-00004-abc")
    assert names(replace(STATE, revisions=without), PREVIOUS)[0] == "chat-00002-abc"


def test_interrupted_rollback_continues_with_the_services_that_are_left() -> None:
    half = replace(STATE, services={**STATE.services, SERVICES[0]: service(SERVICES[0], n4=100)})
    again = planned(half, "t1")
    assert [line for line in again if "headwater-chat " in line] == []
    assert sum("--to-revisions" in line for line in again) == 2


def test_rollback_to_what_serves_does_nothing() -> None:
    assert planned(STATE, "t2") == []


def test_incomplete_release_is_refused_naming_the_services_without_a_ready_revision() -> None:
    without = tuple(each for each in REVISIONS if not each["metadata"]["name"].startswith("headwater-collection-"))
    broken = (revision("headwater-collection", 1, "t0", ready="False"), *without)
    for revisions in (without, broken):
        with pytest.raises(DeploymentError, match="of headwater-collection; nothing was changed"):
            find_target(replace(STATE, revisions=revisions), "t0")


def test_unknown_name_is_refused_with_the_available_ones() -> None:
    with pytest.raises(DeploymentError) as raised:
        find_target(STATE, "t9")
    assert raised.value.next_step.startswith("choose one of t2, t1, t0, headwater-chat-00001-abc")


@pytest.mark.parametrize("target", ["headwater-chat", "job"])
def test_release_whose_image_was_deleted_is_refused_before_anything_changes(target: str) -> None:
    state = replace(
        STATE,
        digests=STATE.digests - {digest(target, "t0")},
        images={tagged: uri for tagged, uri in STATE.images.items() if uri != digest(target, "t0")},
    )
    with pytest.raises(DeploymentError, match=r"image of .* was deleted; nothing was changed") as raised:
        plan(SUPABASE, state, find_target(state, "t0"))
    assert "scripts/deploy --tag=t0" in raised.value.next_step
    assert planned(state, "t1") != []


def test_image_from_another_repository_is_not_checked() -> None:
    elsewhere = revision("headwater-chat", 6, "t2")
    elsewhere["spec"]["containers"][0]["image"] = f"example.com/chat@sha256:{'0' * 64}"
    state = replace(STATE, revisions=(*REVISIONS, elsewhere))
    assert names(state, "headwater-chat-00006-abc") == ["chat-00006-abc"]


def test_notes_say_that_the_schema_stays_if_a_migration_was_in_between() -> None:
    assert notes(STATE, find_target(STATE, "t1")) == [
        "rolling back to release t1: headwater-chat-00004-abc, headwater-collection-00004-abc, "
        "headwater-embedding-00004-abc"
    ]
    [_, schema] = notes(STATE, find_target(STATE, "t0"))
    assert "stays at schema 0005; this release was built for 0004" in schema


def worker(*releases: str, serving: int = 0) -> CloudState:
    """Return the state with versions of the Worker, the newest first, of which one has all traffic."""
    versions = (
        WorkerVersion(id=f"v{number}", release=release, percent=100 if number == serving else 0, parts={})
        for number, release in enumerate(releases)
    )
    return replace(STATE, worker_versions=tuple(versions))


def test_worker_returns_to_its_newest_version_of_the_release() -> None:
    *_, last = planned(worker("t2", "t1", "t1", "t0"), "t1")
    assert last.startswith("wrangler versions deploy ")
    assert last.endswith(" v1@100% --yes")
    assert not any("wrangler" in line for line in planned(worker("t2", "t1", serving=1), "t1"))


def test_worker_without_a_version_of_the_release_stays_and_the_notes_say_so() -> None:
    state = worker("t2", "t1")
    assert not any("wrangler" in line for line in planned(state, "t0"))
    assert notes(state, find_target(state, "t0"))[-1] == (
        "the Worker stays at t2: none of its ten newest versions is of release t0"
    )


def test_rollback_of_one_service_leaves_the_worker() -> None:
    assert not any("wrangler" in line for line in planned(worker("t2", "t0"), "headwater-chat-00001-abc"))
