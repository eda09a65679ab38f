"""What is taken away: everything that runs, nothing that holds data unless that is asked for, and no queue's name."""

from dataclasses import replace

import pytest

from scripts.deployment import undeploy
from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.installation import Installation

WANTED = Installation(
    project="acme-headwater", region="europe-west1", domain="ask.example.com", database="cloudsql", tag="t1"
)
THERE = Found(
    accounts=frozenset({WANTED.account("chat"), "somebody@acme-headwater.iam.gserviceaccount.com"}),
    repository={},
    bucket={},
    sql_instance={},
    secrets={"headwater-secret-key": {}, "somebodys": {}},
    services={"headwater-chat": {}, "somebodys": {}},
    job={},
    queues={"collection": {"state": "RUNNING"}, "embedding": {"state": "PAUSED"}, "somebodys": {}},
    schedule={},
    worker_version="t",
)


def planned(found: Found = THERE, *, with_data: bool = False) -> list[str]:
    groups = undeploy.plan(WANTED, found, with_data=with_data)
    return [command.line().partition(" --")[0] for group in groups for command in group]


def test_what_runs_goes_and_queues_are_paused_and_emptied() -> None:
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


def test_what_calls_goes_before_what_is_called_and_that_before_what_it_runs_as() -> None:
    groups = undeploy.plan(WANTED, THERE, with_data=True)
    assert [{command.line().partition(" ")[2].split()[0] for command in group} for group in groups] == [
        {"delete", "scheduler", "tasks"},
        {"run"},
        {"iam", "artifacts"},
        {"storage", "sql", "secrets"},
    ]


def test_a_paused_queue_is_emptied_once_more_while_what_it_wakes_is_there() -> None:
    paused = {"collection": {"state": "PAUSED"}}
    assert planned(Found(queues=paused, job={}))[0] == "gcloud tasks queues purge collection"
    assert planned(Found(queues=paused)) == []


def test_data_goes_only_when_that_is_asked_for() -> None:
    assert planned(with_data=True)[len(planned()) :] == [
        "gcloud storage rm gs://acme-headwater-headwater",
        "gcloud sql instances patch headwater",
        "gcloud sql instances delete headwater",
        "gcloud secrets delete headwater-secret-key",
    ]


def test_secrets_that_are_not_wanted_any_more_go_with_the_data() -> None:
    left = ("headwater-cloudflare-api-token", "headwater-groq-api-key")
    there = Found(secrets={name: {} for name in (*left, "groq-api-key")})
    assert planned(there, with_data=True) == [f"gcloud secrets delete {name}" for name in left]
    assert planned(there) == []


def test_where_nothing_is_left_nothing_is_done() -> None:
    assert planned(Found(queues={"collection": {"state": "PAUSED"}}), with_data=True) == []
    assert planned(replace(THERE, worker_version=""))[0].startswith("gcloud scheduler")


def test_only_the_projects_own_name_confirms() -> None:
    assert undeploy.is_meant(WANTED, "acme-headwater", with_data=False)
    assert not undeploy.is_meant(WANTED, "acme", with_data=False)
    with pytest.raises(DeploymentError, match="nobody is here to ask"):
        undeploy.is_meant(WANTED, "", with_data=False, answers=None)
    assert undeploy.is_meant(WANTED, "", with_data=True, answers=lambda question: "acme-headwater ")
    assert not undeploy.is_meant(WANTED, "", with_data=True, answers=lambda question: "yes")
