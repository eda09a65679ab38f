"""Webhooks: deliveries start a run, or queue one; repetitions and forgeries change nothing."""

import datetime as dt
import hashlib
import hmac
import json
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from functions.collection.sources.sources import Source
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

PUSH = {"ref": "refs/heads/main", "repository": {"default_branch": "main"}}


class Sender:
    """A Git server that reports pushes as GitHub does."""

    def __init__(self, client: CollectionClient, source: Source) -> None:
        self.client = client
        self.source = source
        webhook = client.post(f"/api/sources/{source.id}/webhook", status=201)
        self.path, self.secret = webhook["path"], webhook["secret"]
        self.number = 0

    def send(self, event: str = "push", status: int = 202, secret: str | None = None, **fields: Any) -> Any:
        """Send a push that differs from all others by its number."""
        self.number += 1
        return self.send_body(json.dumps({**PUSH, "n": self.number, **fields}).encode(), event, status, secret)

    def send_body(self, body: bytes, event: str = "push", status: int = 202, secret: str | None = None) -> Any:
        digest = hmac.new((secret or self.secret).encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": event}
        response = self.client.server.test_client().post(self.path, data=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode()) as pipeline:
        yield pipeline


@pytest.fixture
def source(pipeline: Pipeline, repository: Repository) -> Source:
    repository.write({"pump.md": "# Pump\n\nText.\n"})
    return pipeline.add_source(repository.url)


@pytest.fixture
def sender(client: CollectionClient, source: Source) -> Sender:
    return Sender(client, source)


def runs(pipeline: Pipeline) -> list[Any]:
    return pipeline.rows("select trigger, state from runs order by created_at")


def test_pushes_before_the_listing_are_in_the_same_run(pipeline: Pipeline, sender: Sender) -> None:
    sender.send()
    sender.send()
    pipeline.drain()
    assert runs(pipeline) == [("webhook", "succeeded")]


def test_push_is_collected(pipeline: Pipeline, sender: Sender) -> None:
    answer = sender.send()
    assert answer["result"] == "started"
    pipeline.drain()
    assert runs(pipeline) == [("webhook", "succeeded")]
    assert pipeline.read(uuid.UUID(answer["run_id"])).counts.added == 1


def test_hundred_pushes_during_a_run_are_one_more_run(
    pipeline: Pipeline, sender: Sender, repository: Repository
) -> None:
    first = sender.send()
    pipeline.step("collection")
    repository.write({"pump.md": "# Pump\n\nOther.\n"})
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: sender.send(), range(100)))
    assert {(answer["result"], answer["run_id"]) for answer in answers} == {("queued", first["run_id"])}
    pipeline.drain()
    assert runs(pipeline) == [("webhook", "succeeded")] * 2
    assert pipeline.rows("select text from documents") == [("# Pump\n\nOther.\n",)]


@pytest.mark.parametrize("how", ["cancelled", "partial", "dry run"])
def test_queued_run_follows_however_the_open_run_ends(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, sender: Sender, how: str
) -> None:
    path = f"/api/sources/{sender.source.id}/collect"
    run_id = client.post(f"{path}?dry_run={str(how == 'dry run').lower()}")["run_id"]
    pipeline.step("collection")
    assert sender.send()["result"] == "queued"
    if how == "cancelled":
        client.post(f"/api/runs/{run_id}/cancel", status=200)
    elif how == "partial":
        shutil.rmtree(repository.folder)
    pipeline.drain()
    assert [trigger for trigger, _ in runs(pipeline)] == ["api", "webhook"]


def test_paused_source_is_not_collected(pipeline: Pipeline, client: CollectionClient, sender: Sender) -> None:
    sender.send()
    assert sender.send()["result"] == "queued"
    client.patch(f"/api/sources/{sender.source.id}", {"paused": True})
    assert sender.send() == {"result": "paused", "run_id": None}
    pipeline.drain()
    assert len(runs(pipeline)) == 1
    client.patch(f"/api/sources/{sender.source.id}", {"paused": False})
    assert sender.send()["result"] == "started"


def test_repeated_delivery_starts_nothing_until_it_is_forgotten(pipeline: Pipeline, sender: Sender) -> None:
    body = json.dumps(PUSH).encode()
    assert sender.send_body(body)["result"] == "started"
    pipeline.drain()
    assert sender.send_body(body)["result"] == "duplicate"
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(sa.text("update webhook_deliveries set received_at = now() - interval '25 hours'"))
    assert sender.send_body(body)["result"] == "started"


def test_same_delivery_at_once_starts_one_run(pipeline: Pipeline, sender: Sender) -> None:
    body = json.dumps(PUSH).encode()
    with ThreadPoolExecutor(8) as threads:
        results = [answer["result"] for answer in threads.map(lambda _: sender.send_body(body), range(16))]
    assert sorted(results) == ["duplicate"] * 15 + ["started"]


@pytest.mark.parametrize(
    ("event", "fields", "result"),
    [
        ("ping", {}, "ping"),
        ("push", {"ref": "refs/heads/other"}, "unrelated"),
        ("push", {"ref": "refs/tags/v1"}, "unrelated"),
        ("release", {"ref": ""}, "started"),
    ],
)
def test_event_that_changes_nothing_starts_nothing(
    pipeline: Pipeline, sender: Sender, event: str, fields: dict[str, Any], result: str
) -> None:
    assert sender.send(event, **fields)["result"] == result
    assert len(runs(pipeline)) == (result == "started")


def test_forged_delivery_is_refused(pipeline: Pipeline, client: CollectionClient, sender: Sender) -> None:
    assert "secret" in sender.send(status=401, secret="other")["detail"]
    old = sender.secret
    new = Sender(client, sender.source)
    sender.send(status=401, secret=old)
    new.send()
    assert len(runs(pipeline)) == 1


def test_large_delivery_is_refused(sender: Sender) -> None:
    sender.send_body(b" " * 1_000_001, status=413)


def test_removed_webhook_and_unknown_source_are_not_found(client: CollectionClient, sender: Sender) -> None:
    client.delete(f"/api/sources/{sender.source.id}/webhook")
    removed = sender.send(status=404)["detail"]
    sender.path = f"/api/hooks/{uuid.uuid4()}"
    assert sender.send(status=404)["detail"] == removed
    client.post(f"/api/sources/{uuid.uuid4()}/webhook", status=404)
    client.delete(f"/api/sources/{uuid.uuid4()}/webhook", status=404)


def test_source_tells_its_webhook_and_never_the_secret(client: CollectionClient, sender: Sender) -> None:
    path = f"/api/sources/{sender.source.id}"
    assert client.get(path)["webhook"] == {"received_at": None}
    sender.send()
    shown = client.get(path)
    received_at = dt.datetime.fromisoformat(shown["webhook"]["received_at"])
    assert abs(dt.datetime.now(dt.UTC) - received_at) < dt.timedelta(minutes=5)
    assert sender.secret not in json.dumps([shown, client.get("/api/audit-log")])
    client.delete(f"{path}/webhook")
    assert client.get(path)["webhook"] is None


def test_changes_of_webhooks_are_in_the_audit_log(client: CollectionClient, sender: Sender) -> None:
    client.delete(f"/api/sources/{sender.source.id}/webhook")
    actions = [entry["action"] for entry in client.get("/api/audit-log")["entries"]]
    assert actions[:2] == ["source.webhook_removed", "source.webhook_created"]


def test_everything_is_fetched_again(pipeline: Pipeline, client: CollectionClient, source: Source) -> None:
    pipeline.collect(source)
    before = pipeline.contents()
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(sa.text("update documents set text = 'damaged'"))
    path = f"/api/sources/{source.id}/collect"
    assert pipeline.finish(client.post(path)).counts.changed == 0
    run = pipeline.finish(client.post(f"{path}?everything=true"))
    assert (run.state, run.counts.changed, run.counts.embedded) == ("succeeded", 1, 0)
    assert pipeline.contents() == before
    client.post(path)
    client.post(f"{path}?everything=true", status=409)
