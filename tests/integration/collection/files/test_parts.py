"""Uploads in parts: begin, send, ask, complete, repeat, give up; what a client can do wrong, and two tenants."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.files import parts
from functions.collection.files.expiry import delete_expired_uploads
from functions.collection.files.parts import PART_BYTES
from functions.collection.sources.sources import NewSource, Source, create_source
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, running_pipeline

TEXT = b"# Large\n\nText." + b" " * 8_500_000
"""In two parts. Little to parse."""


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def pipeline(database: FreshDatabase, blobs: Path) -> Iterator[Pipeline]:
    limits = {"max_repo_bytes": 30_000_000, "max_uploaded_file_bytes": 20_000_000}
    with running_pipeline(database, blob_url=blobs.as_uri(), **limits) as pipeline:
        yield pipeline


@pytest.fixture
def source(pipeline: Pipeline) -> Source:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return create_source(tx, pipeline.workspace_id, NewSource("uploads", "Manuals", {}), pipeline.settings)


class PartUploader:
    def __init__(self, client: CollectionClient, source: Source) -> None:
        self.client = client
        self.path = f"/api/sources/{source.id}/uploads"

    def begin(self, content: bytes = TEXT, path: str = "a.txt", status: int = 201, **changes: Any) -> Any:
        body = {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}
        return self.client.post(self.path, body, status)

    def send(self, part: Any, content: bytes = TEXT, status: int = 204) -> Any:
        piece = content[part["offset"] : part["offset"] + part["bytes"]]
        headers = {"Authorization": self.client.client.environ_base["HTTP_AUTHORIZATION"]}
        response = self.client.server.test_client().put(part["url"], data=piece, headers=headers)
        assert response.status_code == status, response.text
        return response.json if response.data else None

    def complete(self, upload: Any, status: int = 202) -> Any:
        return self.client.post(f"/api/uploads/{upload['id']}/complete", status=status)

    def get(self, upload: Any, status: int = 200) -> Any:
        return self.client.get(f"/api/uploads/{upload['id']}", status)


@pytest.fixture
def uploader(client: CollectionClient, source: Source) -> PartUploader:
    return PartUploader(client, source)


def blob_sizes(blobs: Path) -> list[int]:
    return sorted(path.stat().st_size for path in blobs.rglob("*") if path.is_file())


def test_large_file_is_sent_in_parts_and_collected(pipeline: Pipeline, uploader: PartUploader, blobs: Path) -> None:
    upload = uploader.begin()
    sizes = [part["bytes"] for part in upload["missing"]]
    assert (upload["parts"], upload["received"], sizes) == (2, [], [PART_BYTES, len(TEXT) - PART_BYTES])
    uploader.send(upload["missing"][1])
    assert uploader.get(upload)["received"] == [2]
    assert "missing" in uploader.complete(upload, status=409)["detail"]
    again = uploader.begin()  # as after the page was closed
    assert (again["id"], again["received"], [part["number"] for part in again["missing"]]) == (upload["id"], [2], [1])
    uploader.send(again["missing"][0])
    changed = uploader.complete(upload)
    assert (changed["file"]["bytes"], changed["file"]["sha256"]) == (len(TEXT), upload["sha256"])
    assert uploader.complete(upload)["file"] == changed["file"]  # the answer was lost
    assert uploader.get(upload)["missing"] == []
    assert blob_sizes(blobs) == [len(TEXT)]
    run = pipeline.finish(changed)
    assert (run.state, run.counts.added) == ("succeeded", 1)


def test_concurrent_completions_store_one_version(
    pipeline: Pipeline, uploader: PartUploader, source: Source, blobs: Path
) -> None:
    upload = uploader.begin()
    for part in upload["missing"]:
        uploader.send(part)
    clients = [PartUploader(CollectionClient(pipeline.database, pipeline.settings), source) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        files = list(threads.map(lambda client: client.complete(upload)["file"]["id"], clients))
    assert len(set(files)) == 1
    assert blob_sizes(blobs) == [len(TEXT)]
    assert pipeline.rows("select count(*) from uploaded_files") == [(1,)]


def test_damaged_content_is_refused_and_sent_again(uploader: PartUploader, blobs: Path) -> None:
    upload = uploader.begin()
    for part in upload["missing"]:
        uploader.send(part, TEXT.replace(b"Text", b"Lost"))
    assert "SHA-256" in uploader.complete(upload, status=422)["detail"]
    assert blob_sizes(blobs) == []
    assert uploader.get(upload)["received"] == []
    for part in upload["missing"]:
        uploader.send(part)
    uploader.complete(upload)


def test_part_of_another_size_or_number_is_refused(uploader: PartUploader, blobs: Path) -> None:
    upload = uploader.begin()
    first = upload["missing"][0]
    for wrong in ({**first, "bytes": 10}, {**first, "bytes": first["bytes"] + 1}, {**first, "bytes": 0}):
        assert "Part 1 has 8,000,000 bytes" in uploader.send(wrong, status=422)["detail"]
    for number in ("0", "3", "99999999999999999999"):
        uploader.send({**first, "url": first["url"][:-1] + number}, status=404)
    assert blob_sizes(blobs) == []


def test_deleted_upload_leaves_nothing(uploader: PartUploader, blobs: Path, pipeline: Pipeline) -> None:
    upload = uploader.begin()
    uploader.send(upload["missing"][0])
    uploader.client.delete(f"/api/uploads/{upload['id']}")
    uploader.get(upload, status=404)
    uploader.complete(upload, status=404)
    uploader.send(upload["missing"][0], status=404)
    assert blob_sizes(blobs) == []
    assert pipeline.rows("select count(*) from file_uploads") == [(0,)]


def test_tick_deletes_uploads_that_were_given_up(uploader: PartUploader, blobs: Path, pipeline: Pipeline) -> None:
    kept, given_up = uploader.begin(path="kept.txt"), uploader.begin(path="given-up.txt")
    for upload in (kept, given_up):
        uploader.send(upload["missing"][1])
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        statement = sa.text("update file_uploads set expires_at = now() - interval '1 s' where path = 'given-up.txt'")
        tx.execute(statement)
    uploader.get(given_up, status=404)
    assert delete_expired_uploads(pipeline.database, pipeline.settings) == 1
    assert delete_expired_uploads(pipeline.database, pipeline.settings) == 0
    assert len(blob_sizes(blobs)) == 1
    assert uploader.get(kept)["received"] == [2]


def test_sizes_and_numbers_are_limited(uploader: PartUploader, pipeline: Pipeline, source: Source) -> None:
    assert "MAX_UPLOADED_FILE_BYTES" in uploader.begin(status=413, bytes=20_000_001)["detail"]
    uploader.begin(path="b.txt", bytes=20_000_000)
    assert "MAX_REPO_BYTES" in uploader.begin(path="c.txt", status=413, bytes=20_000_000)["detail"]
    for wrong in (
        {"bytes": 0},
        {"bytes": -1},
        {"bytes": 2**60},
        {"sha256": "A" * 64},
        {"sha256": ""},
        {"path": "../a"},
    ):
        uploader.begin(status=422, **wrong)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        rows = """insert into file_uploads (id, workspace_id, source_id, path, bytes, sha256, expires_at)
            select gen_random_uuid(), :w, :s, n || '.txt', 1, '', now() + interval '1 h'
            from generate_series(1, :n) n"""
        tx.execute(sa.text(rows), {"w": pipeline.workspace_id, "s": source.id, "n": parts.MAX_OPEN})
    assert "100 files" in uploader.begin(status=429)["detail"]


def test_completed_file_does_not_exceed_the_room_that_others_left(
    uploader: PartUploader, pipeline: Pipeline, source: Source, blobs: Path
) -> None:
    upload = uploader.begin()
    for part in upload["missing"]:
        uploader.send(part)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        row = """insert into uploaded_files (id, workspace_id, source_id, path, bytes, sha256)
            values (gen_random_uuid(), :w, :s, 'b.txt', 29000000, '')"""
        tx.execute(sa.text(row), {"w": pipeline.workspace_id, "s": source.id})
    assert "MAX_REPO_BYTES" in uploader.complete(upload, status=413)["detail"]
    assert blob_sizes(blobs) == [len(TEXT) - PART_BYTES, PART_BYTES]  # the parts stay
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(sa.text("delete from uploaded_files"))
    assert uploader.complete(upload)["file"]["bytes"] == len(TEXT)


def test_source_of_another_kind_takes_no_upload(pipeline: Pipeline, client: CollectionClient) -> None:
    git = pipeline.add_source("https://g.example/a")
    assert "uploads" in PartUploader(client, git).begin(status=409)["detail"]
