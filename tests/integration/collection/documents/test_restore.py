"""Restoring deleted documents."""

import shutil
import uuid

import pytest

from functions.chat.retrieval.search import Search
from functions.collection.runs.end import end_run
from headwater.embedding.constant import ConstantEmbedder
from headwater.queue import ledger
from tests.harness.collection_app import CollectionClient
from tests.harness.dying_workers import Interrupted
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

SMALL: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [install](install.md).\n",
    "install.md": "# Install\n\nScrew it to the wall. Back to the [pump](pump.md).\n",
}


def search_keys(pipeline: Pipeline, query: str) -> set[str]:
    """Return the keys of the documents that a search finds."""
    search = Search(pipeline.database, lambda name: ConstantEmbedder())
    return {passage.key for passage in search(pipeline.workspace_id, query, 10)}


def test_restore_is_immediate_and_needs_no_embedding(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    before = pipeline.contents()
    repository.write({"install.md": None})
    pipeline.collect(source)
    [deleted] = client.get("/api/documents?deleted=true")["documents"]
    assert (deleted["key"], deleted["held"], deleted["deleted_at"] is not None) == ("install.md", None, True)
    restored = client.post(f"/api/documents/{deleted['id']}/restore", status=200)
    assert (restored["deleted_at"], restored["held"], "Screw" in restored["text"]) == (None, "restored", True)
    assert "install.md" in search_keys(pipeline, "screw wall")
    client.post(f"/api/documents/{deleted['id']}/restore", status=409)
    pipeline.drain()
    [run] = client.get("/api/runs?limit=1")["runs"]
    assert (run["kind"], run["state"], run["counts"]["added"], run["counts"]["embedded"]) == (
        ("restore", "succeeded", 1, 0)
    )
    assert pipeline.contents() == before
    assert pipeline.collect(source).counts.removed == 0
    client.post(f"/api/documents/{uuid.uuid4()}/restore", status=404)


def test_missing_vectors_of_a_restored_document_are_embedded(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"install.md": None})
    pipeline.collect(source)
    pipeline.rows("delete from vectors returning 1")
    pipeline.rows("update sources set embedded_model_id = null returning 1")
    pipeline.collect(source)
    [deleted] = client.get("/api/documents?deleted=true")["documents"]
    client.post(f"/api/documents/{deleted['id']}/restore", status=200)
    pipeline.drain()
    assert client.get("/api/runs?limit=1")["runs"][0]["counts"]["embedded"] == 1
    assert pipeline.rows("select count(*) from vectors") == [(2,)]


def test_second_restore_joins_the_open_run(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    expected = pipeline.contents()
    repository.write({"install.md": None, "pump.md": None})
    pipeline.collect(source)
    first, second = client.get("/api/documents?deleted=true")["documents"]
    client.post(f"/api/documents/{first['id']}/restore", status=200)

    def join() -> None:  # after the run's `finish` step has read its items
        client.post(f"/api/documents/{second['id']}/restore", status=200)

    pipeline.step("collection", lambda handler: Interrupted(handler, "computed", join))
    pipeline.drain()
    [run] = client.get("/api/runs?limit=1")["runs"]
    assert (run["kind"], run["state"], run["total"], run["counts"]["added"]) == ("restore", "succeeded", 2, 2)
    assert pipeline.contents() == expected


def test_restore_does_not_wait_while_its_run_is_cancelled(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set deleted_at = now() returning 1")
    first, second = client.get("/api/documents?deleted=true")["documents"]
    client.post(f"/api/documents/{first['id']}/restore", status=200)
    [run] = client.get("/api/runs?limit=1")["runs"]
    with pipeline.database.transaction(pipeline.workspace_id) as cancelling:
        ledger.cancel(cancelling, uuid.UUID(run["id"]))
        client.post(f"/api/documents/{second['id']}/restore", status=200)
        end_run(cancelling, uuid.UUID(run["id"]), "cancelled")
    assert client.get(f"/api/runs/{run['id']}")["state"] == "cancelled"
    assert pipeline.live_keys() == sorted(SMALL)
