"""What scripts/undeploy deletes, in which order, and how it asks for confirmation."""

from dataclasses import replace

import pytest

from scripts.deployment import undeploy
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.cloud_state import CloudState
from tests.harness.deployment import CLOUDSQL

DEPLOYED = CloudState(
    accounts=frozenset({CLOUDSQL.account("chat"), "person@acme-headwater.iam.gserviceaccount.com"}),
    repository={},
    bucket={},
    sql_instance={},
    secrets={"headwater-secret-key": {}, "unrelated": {}},
    services={"headwater-chat": {}, "unrelated": {}},
    job={},
    queues={"collection": {"state": "RUNNING"}, "embedding": {"state": "PAUSED"}, "unrelated": {}},
    schedule={},
    has_worker=True,
)


def planned(state: CloudState = DEPLOYED, *, with_data: bool = False) -> list[str]:
    groups = undeploy.plan(CLOUDSQL, state, with_data=with_data)
    return [command.line().partition(" --")[0] for group in groups for command in group]


def test_running_resources_are_deleted_and_queues_paused_and_purged() -> None:
    assert planned() == [
        "wrangler delete",
        "gcloud scheduler jobs delete headwater-tick",
        "gcloud tasks queues pause collection",
        "gcloud tasks queues purge collection",
        "gcloud tasks queues purge embedding",
        "gcloud run services delete headwater-chat",
        "gcloud run jobs delete headwater",
        "gcloud iam service-accounts delete headwater-chat@acme-headwater.iam.gserviceaccount.com",
        "gcloud artifacts repositories delete headwater",
    ]


def test_callers_are_deleted_before_services_and_services_before_their_accounts() -> None:
    groups = undeploy.plan(CLOUDSQL, DEPLOYED, with_data=True)
    assert [{command.line().partition(" ")[2].split()[0] for command in group} for group in groups] == [
        {"delete", "scheduler", "tasks"},
        {"run"},
        {"iam", "artifacts"},
        {"storage", "sql", "secrets"},
    ]


def test_paused_queue_is_purged_again_while_its_callees_exist() -> None:
    paused = {"collection": {"state": "PAUSED"}}
    assert planned(CloudState(queues=paused, job={}))[0] == "gcloud tasks queues purge collection"
    assert planned(CloudState(queues=paused)) == []


def test_data_is_deleted_only_with_data() -> None:
    assert planned(with_data=True)[len(planned()) :] == [
        "gcloud storage rm gs://acme-headwater-headwater",
        "gcloud sql instances patch headwater",
        "gcloud sql instances delete headwater",
        "gcloud secrets delete headwater-secret-key",
    ]


def test_secrets_that_are_no_longer_configured_are_deleted_with_the_data() -> None:
    left = ("headwater-cloudflare-api-token", "headwater-groq-api-key")
    state = CloudState(secrets={name: {} for name in (*left, "groq-api-key")})
    assert planned(state, with_data=True) == [f"gcloud secrets delete {name}" for name in left]
    assert planned(state) == []


def test_nothing_left_plans_nothing() -> None:
    assert planned(CloudState(queues={"collection": {"state": "PAUSED"}}), with_data=True) == []
    assert planned(replace(DEPLOYED, has_worker=False))[0].startswith("gcloud scheduler")


def test_confirmation_must_equal_the_project_id() -> None:
    assert undeploy.is_confirmed(CLOUDSQL, "acme-headwater", with_data=False)
    assert not undeploy.is_confirmed(CLOUDSQL, "acme", with_data=False)
    with pytest.raises(DeploymentError, match="there is no terminal"):
        undeploy.is_confirmed(CLOUDSQL, "", with_data=False, prompt=None)
    assert undeploy.is_confirmed(CLOUDSQL, "", with_data=True, prompt=lambda question: "acme-headwater ")
    assert not undeploy.is_confirmed(CLOUDSQL, "", with_data=True, prompt=lambda question: "yes")
