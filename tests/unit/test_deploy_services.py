"""Services as they are there: which are deployed again, and what happens before a revision gets traffic."""

from dataclasses import replace
from typing import Any

import pytest

from scripts.deployment.plan.cloud_state import Found, Json
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import FUNCTIONS, Installation, Limits
from scripts.deployment.resources import services
from scripts.deployment.resources.access import Binding
from scripts.deployment.resources.secrets import secrets

WANTED = Installation(
    project="acme-headwater", region="europe-west1", domain="ask.example.com", database="supabase", tag="t1"
)
VERSIONS = {secret.name: "1" for secret in secrets(WANTED)}


def lines(commands: list[Command]) -> list[str]:
    """Return commands as they are printed."""
    return [command.line() for command in commands]


def flag(command: Command, name: str) -> str:
    """Return the value of a command's flag."""
    [value] = [each.partition("=")[2] for each in command.arguments if each.startswith(f"--{name}=")]
    return value


def as_deployed(name: str, found: Found, **changes: Any) -> Json:
    """Give a service as its API tells it, once its deployment from nothing has been released."""
    [command] = [
        each for each in services.plan_services(WANTED, found) if each.arguments[:3] == ("run", "deploy", name)
    ]
    variables = dict(part.split("=", 1) for part in flag(command, "set-env-vars").split(","))
    references = dict(part.split("=", 1) for part in flag(command, "set-secrets").split(","))
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
    annotations = {
        "autoscaling.knative.dev/maxScale": flag(command, "max-instances"),
        "run.googleapis.com/startup-cpu-boost": "true",
    }
    spec = {
        "containers": [container],
        "serviceAccountName": flag(command, "service-account"),
        "containerConcurrency": int(flag(command, "concurrency")),
        "timeoutSeconds": int(flag(command, "timeout")[:-1]),
    }
    traffic = [{"revisionName": f"{name}-00001-abc", "percent": 100, "latestRevision": True}]
    return {
        "metadata": {"name": name, "annotations": {"run.googleapis.com/ingress": "all"}},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": spec}},
        "status": {
            "latestCreatedRevisionName": f"{name}-00001-abc",
            "latestReadyRevisionName": f"{name}-00001-abc",
            "conditions": [{"type": "Ready", "status": "True"}],
            "traffic": traffic,
        },
    }


def released(**changes: Any) -> Found:
    """Give what is there after a deployment, with changes of the chat's container."""
    found = Found(project_number="1", versions=VERSIONS)
    names = [services.service_name(function) for function in FUNCTIONS]
    there = {name: as_deployed(name, found, **(changes if name == "headwater-chat" else {})) for name in names}
    bindings = {
        Binding(
            f"service/{name}",
            "roles/run.invoker",
            f"serviceAccount:headwater-{who}@acme-headwater.iam.gserviceaccount.com",
        )
        for name in names
        for who in ("worker", "invoker")
    }
    return replace(found, services=there, access=frozenset(bindings))


def test_services_as_they_should_be_are_left_alone() -> None:
    assert lines(services.plan_services(WANTED, released())) == []
    assert lines(services.plan_release(WANTED, released())) == []


def test_who_was_let_in_by_hand_stays_and_everybody_goes() -> None:
    found = released()
    somebody, everybody = (
        Binding("service/headwater-chat", "roles/run.invoker", member) for member in ("user:a@b.c", "allUsers")
    )
    opened = replace(found, access=found.access | {somebody, everybody})
    [closed] = lines(services.plan_services(WANTED, opened))
    assert closed == (
        "gcloud run services remove-iam-policy-binding headwater-chat --project=acme-headwater --region=europe-west1 "
        "--member=allUsers --role=roles/run.invoker"
    )


def test_a_service_that_somebody_changed_is_deployed_without_traffic() -> None:
    [command] = services.plan_services(WANTED, released(image="somebody/else:1"))
    assert command.arguments[:3] == ("run", "deploy", "headwater-chat")
    assert {"--no-traffic", "--tag=candidate"} <= set(command.arguments)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (replace(WANTED, tag="t2"), 3),
        (replace(WANTED, limits=Limits(chat_instances=4)), 1),
        (replace(WANTED, settings=(("CHAT_TIMEOUT_S", "60"),)), 1),
        (replace(WANTED, settings=(("LOG_LEVEL", "DEBUG"),)), 3),
    ],
)
def test_what_is_wanted_otherwise_is_deployed(wanted: Installation, count: int) -> None:
    assert len(services.plan_services(wanted, released())) == count


def test_a_new_version_of_a_secret_reaches_its_readers() -> None:
    found = replace(released(), versions={**VERSIONS, "headwater-secret-key": "2"})
    [command] = services.plan_services(WANTED, found)
    assert "SECRET_KEY=headwater-secret-key:2" in flag(command, "set-secrets").split(",")


def test_a_revision_that_is_not_ready_is_deployed_again() -> None:
    found = released()
    found.services["headwater-chat"]["status"]["conditions"][0]["status"] = "False"
    assert len(services.plan_services(WANTED, found)) == 1


def test_a_service_whose_first_revision_never_started_is_deployed_as_if_it_were_new() -> None:
    found = released()
    status = found.services["headwater-chat"]["status"]
    status["conditions"][0]["status"] = "False"
    del status["latestReadyRevisionName"]
    [command] = services.plan_services(WANTED, found)
    assert "--tag=candidate" in command.arguments
    assert "--no-traffic" not in command.arguments


def with_traffic(*shares: dict[str, Any]) -> Found:
    """Give what is there when the chat's newest revision, 2, has these shares beside 1."""
    found = released()
    status = found.services["headwater-chat"]["status"]
    status |= {"latestCreatedRevisionName": "headwater-chat-00002-abc", "traffic": list(shares)}
    return found


def test_a_candidate_is_tried_before_it_gets_traffic() -> None:
    old = {"revisionName": "headwater-chat-00001-abc", "percent": 100}
    candidate = {"revisionName": "headwater-chat-00002-abc", "tag": "candidate", "url": "https://candidate"}
    found = with_traffic(old, candidate)
    smoke, release = services.plan_release(WANTED, found)
    assert (smoke.program, smoke.arguments[-1]) == ("python3", "headwater-chat")
    assert release.arguments[:4] == ("run", "services", "update-traffic", "headwater-chat")
    assert services.candidate_url(found.services["headwater-chat"]) == "https://candidate"


def test_a_first_revision_is_tried_though_it_has_all_traffic() -> None:
    newest = {"revisionName": "headwater-chat-00002-abc"}
    found = with_traffic({**newest, "percent": 100}, {**newest, "tag": "candidate", "url": "https://candidate"})
    assert len(services.plan_release(WANTED, found)) == 2


def test_a_revision_without_traffic_and_without_a_tag_gets_one_to_be_tried_by() -> None:
    found = with_traffic({"revisionName": "headwater-chat-00001-abc", "percent": 100})
    tag, smoke, _ = services.plan_release(WANTED, found)
    assert flag(tag, "update-tags") == "candidate=headwater-chat-00002-abc"
    assert smoke.program == "python3"
