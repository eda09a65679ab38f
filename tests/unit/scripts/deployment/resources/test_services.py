"""When services are deployed again, and what a release does before a revision gets traffic."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.deployment.plan.access import Binding
from scripts.deployment.plan.cloud_state import CloudState, Json
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import Canary, Installation, Limits
from scripts.deployment.resources import services
from scripts.deployment.resources.containers import desired_container
from tests.harness.deployment import SUPABASE, VERSIONS, all_commands, flag, lines


def optional_flag(command: Command, name: str) -> str:
    """Return the value of a command's flag, '' if it has none."""
    return next((each.partition("=")[2] for each in command.arguments if each.startswith(f"--{name}=")), "")


def as_deployed(name: str, state: CloudState, **changes: Any) -> Json:
    """Return a service in the form of its API, as after a first deployment and release."""
    [command] = [
        each for each in services.plan_services(SUPABASE, state) if each.arguments[:3] == ("run", "deploy", name)
    ]
    settings = optional_flag(command, "set-env-vars")
    variables = dict(part.split("=", 1) for part in settings.split(",")) if settings else {}
    secrets = optional_flag(command, "set-secrets")
    references = dict(part.split("=", 1) for part in secrets.split(",")) if secrets else {}
    environment: list[Any] = [{"name": key, "value": value} for key, value in variables.items()]
    for key, reference in references.items():
        secret, _, version = reference.partition(":")
        environment.append({"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": version}}})
    container = {
        "image": flag(command, "image"),
        "env": environment,
        "resources": {"limits": {"cpu": f"{flag(command, 'cpu')}000m", "memory": flag(command, "memory")}},
        "startupProbe": {"httpGet": {"path": "/heartbeat"}},
        **changes,
    }
    labels = dict(part.split("=") for part in flag(command, "labels").split(","))
    annotations = {
        "autoscaling.knative.dev/maxScale": flag(command, "max-instances"),
        "run.googleapis.com/startup-cpu-boost": "true",
    }
    if name == "headwater-sandbox":
        annotations["run.googleapis.com/execution-environment"] = flag(command, "execution-environment")
    spec = {
        "containers": [container],
        "serviceAccountName": flag(command, "service-account"),
        "containerConcurrency": int(flag(command, "concurrency")),
        "timeoutSeconds": int(flag(command, "timeout")[:-1]),
    }
    traffic = [{"revisionName": f"{name}-00001-abc", "percent": 100, "latestRevision": True}]
    return {
        "metadata": {"name": name, "annotations": {"run.googleapis.com/ingress": "all"}},
        "spec": {"template": {"metadata": {"annotations": annotations, "labels": labels}, "spec": spec}},
        "status": {
            "latestCreatedRevisionName": f"{name}-00001-abc",
            "latestReadyRevisionName": f"{name}-00001-abc",
            "conditions": [{"type": "Ready", "status": "True"}],
            "traffic": traffic,
        },
    }


def released(**changes: Any) -> CloudState:
    """Return the state after a deployment, with changes to the chat's container."""
    state = CloudState(project_number="1", versions=VERSIONS)
    names = [services.service_name(name) for name in SUPABASE.services]
    existing = {name: as_deployed(name, state, **(changes if name == "headwater-chat" else {})) for name in names}
    bindings = {
        Binding(
            f"service/{name}",
            "roles/run.invoker",
            f"serviceAccount:headwater-{who}@acme-headwater.iam.gserviceaccount.com",
        )
        for name in names
        for who in (("chat",) if name == "headwater-sandbox" else ("worker", "invoker"))
    }
    return replace(state, services=existing, access=frozenset(bindings))


def test_matching_services_are_left_alone() -> None:
    assert lines(services.plan_services(SUPABASE, released())) == []
    assert lines(services.plan_release(SUPABASE, released())) == []


def test_public_access_is_removed_and_other_grants_stay() -> None:
    state = released()
    person, everyone = (
        Binding("service/headwater-chat", "roles/run.invoker", member) for member in ("user:a@b.c", "allUsers")
    )
    opened = replace(state, access=state.access | {person, everyone})
    [closed] = lines(services.plan_services(SUPABASE, opened))
    assert closed == (
        "gcloud run services remove-iam-policy-binding headwater-chat --project=acme-headwater --region=europe-west1 "
        "--member=allUsers --role=roles/run.invoker"
    )


def test_public_access_is_removed_before_a_deployment_which_removes_it_too() -> None:
    state = released(image="another/image:1")
    everyone = Binding("service/headwater-chat", "roles/run.invoker", "allUsers")
    planned = services.plan_services(SUPABASE, replace(state, access=state.access | {everyone}))
    assert [command.arguments[2] for command in planned] == ["remove-iam-policy-binding", "headwater-chat"]
    assert len({command.target for command in planned}) == 1


def test_changed_service_is_deployed_without_traffic() -> None:
    [command] = services.plan_services(SUPABASE, released(image="another/image:1"))
    assert command.arguments[:3] == ("run", "deploy", "headwater-chat")
    assert {"--no-traffic", "--tag=candidate"} <= set(command.arguments)


@pytest.mark.parametrize(
    ("installation", "count"),
    [
        (replace(SUPABASE, tag="t2"), 4),
        (replace(SUPABASE, limits=Limits(chat_instances=4)), 1),
        (replace(SUPABASE, settings=(("CHAT_TIMEOUT_S", "60"),)), 1),
        (replace(SUPABASE, settings=(("LOG_LEVEL", "DEBUG"),)), 3),
    ],
)
def test_changed_installation_deploys_the_affected_services(installation: Installation, count: int) -> None:
    assert len(services.plan_services(installation, released())) == count


def test_services_name_their_images_by_digest_once_they_are_pushed() -> None:
    digests = {
        SUPABASE.image(each, "t1"): f"{SUPABASE.image(each, 't1')[:-3]}@sha256:{'1' * 64}" for each in SUPABASE.services
    }
    state = replace(released(), images=digests)
    deployed = services.plan_services(SUPABASE, state)
    assert [flag(command, "image") for command in deployed] == list(digests.values())
    assert {flag(command, "labels") for command in deployed} == {"release=t1,schema=0005"}


def test_new_version_of_a_secret_deploys_its_readers() -> None:
    state = replace(released(), versions={**VERSIONS, "headwater-secret-key": "2"})
    commands = services.plan_services(SUPABASE, state)
    assert len(commands) == 2  # chat and collection
    assert all("SECRET_KEY=headwater-secret-key:2" in flag(each, "set-secrets").split(",") for each in commands)


def test_service_that_is_not_ready_is_deployed_again() -> None:
    state = released()
    state.services["headwater-chat"]["status"]["conditions"][0]["status"] = "False"
    assert len(services.plan_services(SUPABASE, state)) == 1


def test_service_without_a_ready_revision_is_deployed_with_traffic() -> None:
    state = released()
    status = state.services["headwater-chat"]["status"]
    status["conditions"][0]["status"] = "False"
    del status["latestReadyRevisionName"]
    [command] = services.plan_services(SUPABASE, state)
    assert "--tag=candidate" in command.arguments
    assert "--no-traffic" not in command.arguments


def with_traffic(*shares: dict[str, Any]) -> CloudState:
    """Return the state in which the chat's newest revision is number 2, and traffic has these shares."""
    state = released()
    status = state.services["headwater-chat"]["status"]
    status |= {"latestCreatedRevisionName": "headwater-chat-00002-abc", "traffic": list(shares)}
    return state


def test_candidate_is_smoke_tested_before_it_gets_traffic() -> None:
    old = {"revisionName": "headwater-chat-00001-abc", "percent": 100}
    candidate = {"revisionName": "headwater-chat-00002-abc", "tag": "candidate", "url": "https://candidate"}
    state = with_traffic(old, candidate)
    smoke, release = services.plan_release(SUPABASE, state)
    assert (smoke.program, smoke.arguments[-1]) == ("python3", "headwater-chat")
    assert release.arguments[:4] == ("run", "services", "update-traffic", "headwater-chat")
    assert (services.candidate(state.services["headwater-chat"]) or {})["url"] == "https://candidate"


def test_first_revision_is_smoke_tested_although_it_has_all_traffic() -> None:
    newest = {"revisionName": "headwater-chat-00002-abc"}
    state = with_traffic({**newest, "percent": 100}, {**newest, "tag": "candidate", "url": "https://candidate"})
    assert len(services.plan_release(SUPABASE, state)) == 2


def test_revision_without_traffic_and_tag_gets_the_candidate_tag() -> None:
    state = with_traffic({"revisionName": "headwater-chat-00001-abc", "percent": 100})
    tag, smoke, _ = services.plan_release(SUPABASE, state)
    assert flag(tag, "update-tags") == "candidate=headwater-chat-00002-abc"
    assert smoke.program == "python3"


def test_canary_gets_a_part_of_the_traffic_until_it_was_watched() -> None:
    installation = replace(SUPABASE, canary=Canary(percent=10, minutes=5))
    old, new = "headwater-chat-00001-abc", "headwater-chat-00002-abc"
    candidate = {"revisionName": new, "tag": "candidate", "url": "https://candidate"}
    for shares in (
        [{"revisionName": old, "percent": 100}],
        [{"revisionName": old, "percent": 90}, {"revisionName": new, "percent": 10}],
    ):
        smoke, split, watch, release = services.plan_release(installation, with_traffic(*shares, candidate))
        assert "scripts.deployment.smoke" in smoke.arguments
        assert flag(split, "to-revisions") == f"{new}=10,{old}=90"
        assert watch.arguments[1] == "scripts.deployment.canary"
        assert watch.arguments[-2:] == ("--minutes=5", "headwater-chat")
        assert [flag(each, "to-revisions") for each in watch.undo] == [f"{old}=100"]
        assert "--to-latest" in release.arguments


def test_first_revision_is_released_without_a_canary() -> None:
    installation = replace(SUPABASE, canary=Canary(percent=10))
    newest = {"revisionName": "headwater-chat-00002-abc"}
    state = with_traffic({**newest, "percent": 100}, {**newest, "tag": "candidate", "url": "https://candidate"})
    assert len(services.plan_release(installation, state)) == 2
    assert len(services.plan_release(installation, CloudState())) == 5


def test_canary_of_a_third_revision_shares_the_traffic_with_the_one_that_has_most() -> None:
    revisions = [{"revisionName": f"headwater-chat-0000{number}-abc"} for number in (0, 1)]
    state = with_traffic({**revisions[0], "percent": 5}, {**revisions[1], "percent": 95})
    planned = services.plan_release(replace(SUPABASE, canary=Canary(percent=1)), state)
    assert flag(planned[2], "to-revisions") == "headwater-chat-00002-abc=1,headwater-chat-00001-abc=99"


def test_sandbox_has_no_settings_or_secrets_and_only_chat_calls_it() -> None:
    planned = services.plan_services(SUPABASE, CloudState(project_number="1"))
    [sandbox] = [each for each in planned if each.arguments[:3] == ("run", "deploy", "headwater-sandbox")]
    assert {"--clear-env-vars", "--clear-secrets"} <= set(sandbox.arguments)
    assert flag(sandbox, "service-account") == "headwater-sandbox@acme-headwater.iam.gserviceaccount.com"
    assert (flag(sandbox, "concurrency"), flag(sandbox, "execution-environment")) == ("1", "gen2")
    assert {"--no-allow-unauthenticated", "--max-instances=2"} <= set(sandbox.arguments)
    assert not [word for word in sandbox.arguments if "vpc" in word or "network" in word or "cloudsql" in word]
    granted = [line for line in lines(planned) if "add-iam-policy-binding headwater-sandbox" in line]
    assert [line.partition("--member=")[2].partition("@")[0] for line in granted] == ["serviceAccount:headwater-chat"]
    every = [command.line() for command in all_commands(SUPABASE)]
    roles = [line for line in every if "add-iam-policy-binding" in line and "serviceAccount:headwater-sandbox@" in line]
    assert roles == []
    chat = dict(desired_container("chat", SUPABASE, CloudState(project_number="1")).variables)
    assert chat["SANDBOX_URL"] == "https://headwater-sandbox-1.europe-west1.run.app"


def test_installation_without_a_sandbox() -> None:
    installation = replace(SUPABASE, limits=Limits(sandbox_instances=0))
    planned = lines(services.plan_services(installation, CloudState(project_number="1")))
    assert not [line for line in planned if "sandbox" in line.casefold()]
