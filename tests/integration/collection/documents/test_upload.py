"""Documents uploaded manually: processed like files, and not changed by collecting."""

import shutil
from pathlib import Path

import pytest

from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import Interrupted, die_everywhere
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [notes](notes.md).\n",
    "install.md": "# Install\n\nScrew it to the wall.\n",
}
NOTES = "# Notes\n\nMind the valve. See the [pump](pump.md).\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.write(PAGES)
    return repository


@pytest.fixture
def path(pipeline: Pipeline, repository: Repository) -> str:
    """Collect the repository. Return the source's path in the API."""
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    return f"/api/sources/{source.id}"


def test_upload_is_processed_like_a_collected_file(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, path: str
) -> None:
    added = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    run = pipeline.finish(added)
    assert (run.kind, run.state, run.total, run.counts.added) == ("upload", "succeeded", 1, 1)
    assert (run.counts.chunks, run.counts.embedded, run.counts.reused) == (1, 1, 0)
    document = client.get(f"/api/documents/{added['document_id']}")
    assert (document["title"], document["text"], document["held"]) == ("Notes", NOTES, "added")
    assert pipeline.links() == [("notes.md", "pump.md"), ("pump.md", "notes.md")]
    uploaded = pipeline.contents()
    pipeline.rows("delete from documents where key = 'notes.md' returning 1")
    repository.write({"notes.md": NOTES})
    pipeline.finish(client.post(f"{path}/collect"))
    collected = pipeline.contents()
    assert uploaded[1:] == collected[1:]  # chunks, vectors, relations


def test_collect_neither_removes_nor_replaces_an_upload(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, path: str
) -> None:
    pipeline.finish(client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES}))
    repository.write({"install.md": None})
    run = pipeline.finish(client.post(f"{path}/collect"))
    assert (run.counts.removed, run.counts.unchanged) == (1, 1)
    repository.write({"notes.md": "# Other\n"})
    run = pipeline.finish(client.post(f"{path}/collect"))
    assert [warning.key for warning in run.warnings] == ["notes.md"]
    [document] = client.get("/api/documents?limit=1")["documents"]
    assert (document["key"], document["title"], document["held"]) == ("notes.md", "Notes", "added")


def test_upload_is_replaced_deleted_and_restored(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, path: str
) -> None:
    added = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    pipeline.finish(added)
    changed = client.put(f"{path}/documents", {"key": "notes.md", "text": "# New\n\nShort.\n", "title": "Mine"})
    run = pipeline.finish(changed)
    assert (changed["document_id"], run.counts.changed, run.counts.embedded) == (added["document_id"], 1, 1)
    document = f"/api/documents/{added['document_id']}"
    assert client.get(document)["title"] == "Mine"
    assert pipeline.rows(
        "select count(*) from chunks c join documents d on d.id = document_id where held = 'added'"
    ) == [(1,)]
    client.delete(document)
    client.delete(document, 409)
    pipeline.drain()
    [last_run] = client.get("/api/runs?limit=1")["runs"]
    assert (last_run["kind"], last_run["state"], last_run["counts"]["removed"]) == ("upload", "succeeded", 1)
    assert pipeline.links() == [("pump.md", None)]
    assert client.post(f"{document}/restore", status=200)["held"] == "added"
    pipeline.drain()
    assert pipeline.links() == [("pump.md", "notes.md")]
    client.delete(document)
    pipeline.drain()
    repository.write({"notes.md": "# The source's\n"})
    assert pipeline.finish(client.post(f"{path}/collect")).counts.added == 1
    assert (client.get(document)["title"], client.get(document)["held"]) == ("The source's", None)
    assert "comes from the source" in client.delete(document, 409)["detail"]


def test_uploads_join_the_open_run_of_the_first(pipeline: Pipeline, client: CollectionClient, path: str) -> None:
    first = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})

    def join() -> None:  # after the run's `finish` step has read its items
        for key, text in (
            ("more.md", "# More\n\nSee [notes](notes.md).\n"),
            ("notes.md", NOTES + "\nAnd [more](more.md).\n"),
        ):
            assert client.put(f"{path}/documents", {"key": key, "text": text})["run_id"] == first["run_id"]

    pipeline.step("collection", lambda handler: Interrupted(handler, "computed", join))
    run = pipeline.finish(first)
    assert (run.state, run.total, run.counts.added + run.counts.changed) == ("succeeded", 2, 2)
    expected = {("more.md", "notes.md"), ("notes.md", "pump.md"), ("notes.md", "more.md"), ("pump.md", "notes.md")}
    assert set(pipeline.links()) == expected
    chunks_without_vector = (
        "select count(*) from chunks c where not exists (select 1 from vectors v where v.input_hash = c.input_hash)"
    )
    assert pipeline.rows(chunks_without_vector) == [(0,)]


def test_links_resolve_to_an_upload_changed_before_its_run(
    pipeline: Pipeline, client: CollectionClient, path: str
) -> None:
    pipeline.finish(
        client.put(f"{path}/documents", {"key": "before.md", "text": "# Before\n\nSee [notes](notes.md).\n"})
    )
    client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    run = pipeline.finish(client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES + "\nMore.\n"}))
    assert (run.total, run.counts.added, run.counts.changed) == (1, 1, 0)
    assert ("before.md", "notes.md") in pipeline.links()


def test_upload_succeeds_when_its_workers_die(pipeline: Pipeline, client: CollectionClient, path: str) -> None:
    added = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    die_everywhere(pipeline)
    run = pipeline.finish(added)
    assert (run.state, run.counts.added, run.counts.embedded) == ("succeeded", 1, 1)
    assert ("notes.md", "pump.md") in pipeline.links()


def test_collect_completes_an_upload_whose_run_was_cancelled(
    pipeline: Pipeline, client: CollectionClient, path: str
) -> None:
    added = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    client.post(f"/api/runs/{added['run_id']}/cancel", status=200)
    assert pipeline.links() == [("notes.md", None), ("pump.md", None)]
    run = pipeline.finish(client.post(f"{path}/collect"))
    assert (run.state, run.counts.unchanged, run.counts.embedded) == ("succeeded", 2, 1)
    assert pipeline.links() == [("notes.md", "pump.md"), ("pump.md", "notes.md")]


def test_upload_with_the_key_of_a_collected_document_is_rejected(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, path: str
) -> None:
    for held in (None, "restored"):
        pipeline.rows("update documents set held = :held where key = 'pump.md' returning 1", held=held)
        refused = client.put(f"{path}/documents", {"key": "pump.md", "text": NOTES}, 409)
        assert "comes from the source" in refused["detail"]
    assert "moves water" in pipeline.rows("select text from documents where key = 'pump.md'")[0][0]


def test_upload_and_delete_are_rejected_while_a_collect_is_open(
    pipeline: Pipeline, client: CollectionClient, path: str
) -> None:
    added = client.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    pipeline.drain()
    started = client.post(f"{path}/collect")
    for refused in (
        client.put(f"{path}/documents", {"key": "more.md", "text": "More."}, 409),
        client.delete(f"/api/documents/{added['document_id']}", 409),
    ):
        assert started["run_id"] in refused["detail"]
    assert pipeline.rows("select count(*) from documents where deleted_at is null") == [(3,)]


def test_invalid_upload_is_rejected_with_the_reason(database: FreshDatabase) -> None:
    invalid: list[tuple[dict[str, object], int, str]] = [
        ({"text": " \n"}, 422, "enter some text"),
        ({"text": "x\0y"}, 422, "NUL"),
        ({"text": "x" * 2001}, 413, "MAX_FILE_BYTES"),
        ({"title": " "}, 422, "title"),
        ({"media_type": "application/pdf"}, 422, "application/pdf"),
        ({"key": "a.pdf"}, 422, "application/pdf"),
        ({"key": ""}, 422, "key"),
        ({"key": "../a.md"}, 422, "key"),
        ({"key": "/a.md"}, 422, "key"),
        ({"key": "a\0.md"}, 422, "key"),
        ({"key": "a" * 1001}, 422, "key"),
        ({"unknown": 1}, 422, "unknown"),
    ]
    with running_pipeline(database, max_file_bytes=2000) as pipeline:
        source = pipeline.add_source("https://git.example/a/b")
        for change, status, word in invalid:
            body = {"key": "a.md", "text": "Text.", **change}
            refused = CollectionClient(pipeline.database, pipeline.settings).put(
                f"/api/sources/{source.id}/documents", body, status
            )
            assert word in refused["detail"], change
        assert pipeline.rows("select count(*) from runs") == [(0,)]


def test_upload_of_two_megabytes_is_stored(pipeline: Pipeline, client: CollectionClient, path: str) -> None:
    text = "# Täglich\n\n" + "Über den Wassern fließt es. " * 60_000
    added = client.put(f"{path}/documents", {"key": "long.md", "text": text})
    assert client.get(f"/api/documents/{added['document_id']}")["text"] == text
