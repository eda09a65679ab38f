"""Uploaded files: upload, replace, delete, restore and read them; what becomes of their documents and blobs."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from functions.chat.retrieval.search import Search
from functions.collection.files.files import MAX_VERSIONS
from functions.collection.sources.sources import NewSource, Source, create_source, delete_source
from headwater.embedding.constant import ConstantEmbedder
from tests.fakes.wordpress_export import export, item
from tests.harness.collection_app import CollectionClient, NoTickets
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT
from tests.harness.pipeline import Pipeline, running_pipeline

DOCUMENTS = ROOT / "tests" / "data" / "documents"


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def pipeline(database: FreshDatabase, blobs: Path) -> Iterator[Pipeline]:
    with running_pipeline(
        database, blob_url=blobs.as_uri(), max_repo_bytes=10_000, max_uploaded_file_bytes=5_000
    ) as pipeline:
        yield pipeline


@pytest.fixture
def source(pipeline: Pipeline) -> Source:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return create_source(tx, pipeline.workspace_id, NewSource("uploads", "Manuals", {}), pipeline.settings)


class Uploader:
    def __init__(self, client: CollectionClient, source: Source) -> None:
        self.client = client
        self.path = f"/api/sources/{source.id}/files"

    def put(self, path: str, content: bytes, status: int = 202) -> Any:
        response = self.client.server.test_client().put(
            f"{self.path}?path={quote(path)}", data=content, headers=self.headers
        )
        assert response.status_code == status, response.text
        return response.json

    def content(self, file_id: str, status: int = 200) -> Any:
        response = self.client.server.test_client().get(f"/api/files/{file_id}/content", headers=self.headers)
        assert response.status_code == status, response.text
        return response

    def delete(self, path: str, status: int = 202) -> Any:
        return self.client.delete(f"{self.path}?path={quote(path)}", status)

    def paths(self) -> list[str]:
        return [file["path"] for file in self.client.get(self.path)["files"]]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": self.client.client.environ_base["HTTP_AUTHORIZATION"]}


@pytest.fixture
def uploader(client: CollectionClient, source: Source) -> Uploader:
    return Uploader(client, source)


def blob_names(blobs: Path) -> set[str]:
    return {path.name for path in blobs.rglob("*") if path.is_file()}


def texts(pipeline: Pipeline) -> list[Any]:
    return pipeline.rows("select key, text from documents where deleted_at is null order by key")


def test_uploaded_file_becomes_a_document(pipeline: Pipeline, uploader: Uploader) -> None:
    changed = uploader.put("manuals/Pumpe ü.md", b"# Pump\n\nText.\n")
    run = pipeline.finish(changed)
    assert (run.state, run.counts.added, run.counts.embedded) == ("succeeded", 1, 1)
    assert texts(pipeline) == [("manuals/Pumpe ü.md", "# Pump\n\nText.\n")]
    file = changed["file"]
    assert (file["path"], file["bytes"], file["replaced_at"]) == ("manuals/Pumpe ü.md", 14, None)
    shown = uploader.content(file["id"])
    assert shown.data == b"# Pump\n\nText.\n"
    assert shown.headers["Content-Disposition"] == "inline; filename=\"Pumpe u.md\"; filename*=UTF-8''Pumpe%20%C3%BC.md"


def test_posts_of_an_export_are_documents(pipeline: Pipeline, uploader: Uploader) -> None:
    classic = "The flange.\n\n[gallery]It has <b>80 mm</b>."
    kept = item("Old", "Stays as it is.", "https://x.y/2023/old/")
    first = export(item("Flange", classic, "https://x.y/2024/flange/", post_date_gmt="2024-05-06 08:00:00"), kept)
    run = pipeline.finish(uploader.put("site.xml", first))
    assert (run.state, run.counts.added, run.counts.failed) == ("succeeded", 2, 0)
    [flange, _] = pipeline.rows("select key, title, url, text, front_matter from documents order by key desc")
    assert flange[:3] == ("site.xml/2024/flange", "Flange", "https://x.y/2024/flange/")
    assert "It has 80 mm." in flange[3]
    about = {"author": "ann", "date": "2024-05-06T08:00:00Z", "keywords": "Pumps, yard"}
    assert {name: flange[4].get(name) for name in about} == about
    run = pipeline.finish(uploader.put("site.xml", export(item("New", "Text.", "https://x.y/new"), kept)))
    assert (run.counts.added, run.counts.changed, run.counts.unchanged, run.counts.removed) == (1, 0, 1, 1)
    assert [key for key, _ in texts(pipeline)] == ["site.xml/2023/old", "site.xml/new"]


def test_many_uploads_at_once_are_all_collected(pipeline: Pipeline, uploader: Uploader) -> None:
    first = uploader.put("0.md", b"# 0")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: uploader.put(f"{n}.md", f"# {n}".encode()), range(1, 40)))
    assert {answer["run_id"] for answer in answers} == {first["run_id"]}
    pipeline.drain()
    assert len(texts(pipeline)) == 40
    assert pipeline.rows("select state from runs") == [("succeeded",)]


def test_file_at_the_same_path_is_replaced_and_can_be_restored(pipeline: Pipeline, uploader: Uploader) -> None:
    old = uploader.put("a.md", b"# Old")["file"]
    pipeline.drain()
    new = uploader.put("a.md", b"# New")["file"]
    pipeline.drain()
    assert texts(pipeline) == [("a.md", "# New")]
    versions = uploader.client.get(f"{uploader.path}?versions=true")["files"]
    assert [version["id"] for version in versions] == [old["id"]]
    assert uploader.content(old["id"]).data == b"# Old"
    uploader.client.post(f"/api/files/{old['id']}/restore")
    pipeline.drain()
    assert texts(pipeline) == [("a.md", "# Old")]
    assert [v["id"] for v in uploader.client.get(f"{uploader.path}?versions=true")["files"]] == [new["id"]]


def test_same_bytes_change_nothing(pipeline: Pipeline, uploader: Uploader, blobs: Path) -> None:
    first = uploader.put("a.md", b"# A")["file"]
    pipeline.drain()
    assert uploader.put("a.md", b"# A")["file"] == first
    assert blob_names(blobs) == {uuid.UUID(first["id"]).hex}
    pipeline.drain()
    assert pipeline.rows("select count(*) from run_items where action <> 'added'") == [(0,)]


def test_deleted_files_are_removed_however_many(pipeline: Pipeline, uploader: Uploader) -> None:
    for n in range(30):
        uploader.put(f"old/{n}.md", f"# {n}".encode())
    uploader.put("older.md", b"# Older")
    pipeline.drain()
    assert uploader.delete("old/")["deleted"] == 30
    pipeline.drain()
    assert texts(pipeline) == [("older.md", "# Older")]
    assert pipeline.rows("select pending_removals from sources") == [([],)]
    uploader.delete("old/", status=404)
    uploader.delete("old/1.md", status=404)
    [deleted] = uploader.client.get(f"{uploader.path}?versions=true&path=old/7")["files"]
    uploader.client.post(f"/api/files/{deleted['id']}/restore")
    pipeline.drain()
    assert [key for key, _ in texts(pipeline)] == ["old/7.md", "older.md"]


def test_expired_versions_are_deleted_with_their_content(pipeline: Pipeline, uploader: Uploader, blobs: Path) -> None:
    old = uploader.put("a.md", b"# Old")["file"]
    uploader.put("a.md", b"# New")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        tx.execute(
            sa.text("update uploaded_files set replaced_at = now() - interval '31 days' where replaced_at < now()")
        )
    uploader.put("b.md", b"# B")
    assert len(blob_names(blobs)) == 2
    uploader.content(old["id"], status=404)
    uploader.client.post(f"/api/files/{old['id']}/restore", status=404)


def test_deleted_source_takes_its_files_along(pipeline: Pipeline, uploader: Uploader, blobs: Path) -> None:
    uploader.put("a.md", b"# A")
    uploader.client.delete(uploader.path.removesuffix("/files"))
    assert blob_names(blobs) == set()
    assert pipeline.rows("select count(*) from uploaded_files") == [(0,)]


def test_pages_have_every_file_and_version_once(uploader: Uploader) -> None:
    names = ["a b.md", "a.md", "a/b.md", "b.md", "Ü.md"]
    for name in names:
        uploader.put(name, b"# 1")
        uploader.put(name, b"# 2")
    for versions in ("false", "true"):
        found, after = [], ""
        while after is not None:
            page = uploader.client.get(f"{uploader.path}?limit=2&versions={versions}&after={quote(after)}")
            found += [file["path"] for file in page["files"]]
            after = page["next"]
        assert sorted(found) == sorted(names)


@pytest.mark.parametrize("path", ["", " a.md", "/a.md", "a//b.md", "../a.md", "a/./b.md", "a\x00.md", "x" * 1001])
def test_invalid_path_is_refused(uploader: Uploader, path: str) -> None:
    assert uploader.put(path, b"# A", status=422)["detail"].startswith("path: ")
    assert uploader.paths() == []


def test_file_that_is_too_large_or_empty_is_refused(uploader: Uploader, blobs: Path) -> None:
    assert "5,000" in uploader.put("a.md", b"x" * 5_001, status=413)["detail"]
    assert "empty" in uploader.put("a.md", b"", status=422)["detail"]
    uploader.put("a.md", b"x" * 5_000)
    uploader.put("b.md", b"y" * 5_000)
    assert "10,000" in uploader.put("c.md", b"z", status=413)["detail"]
    assert len(blob_names(blobs)) == 2


def test_source_takes_a_limited_number_of_files(pipeline: Pipeline, uploader: Uploader, source: Source) -> None:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        files = """insert into uploaded_files (id, workspace_id, source_id, path, bytes, sha256)
            select gen_random_uuid(), :w, :s, n || '.md', 0, '' from generate_series(1, :n) n"""
        tx.execute(sa.text(files), {"w": pipeline.workspace_id, "s": source.id, "n": MAX_VERSIONS})
    assert "50,000" in uploader.put("a.md", b"# A", status=409)["detail"]


def test_content_is_deleted_if_the_source_is_deleted_during_the_upload(
    pipeline: Pipeline, source: Source, blobs: Path
) -> None:
    class DeletingTickets(NoTickets):
        def arm_watchdog(self) -> None:
            with pipeline.database.transaction(pipeline.workspace_id) as tx:
                delete_source(tx, pipeline.workspace_id, source.id)

    tickets = DeletingTickets(pipeline.database, pipeline.settings)
    uploader = Uploader(CollectionClient(pipeline.database, pipeline.settings, tickets), source)
    uploader.put("a.md", b"# A", status=404)
    assert blob_names(blobs) == set()


def test_other_sources_and_unknown_files_are_refused(
    pipeline: Pipeline, uploader: Uploader, client: CollectionClient
) -> None:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        git = create_source(
            tx, pipeline.workspace_id, NewSource("git", "Docs", {"url": "https://g.example/a"}), pipeline.settings
        )
    assert "uploads" in Uploader(client, git).put("a.md", b"# A", status=409)["detail"]
    uploader.path = f"/api/sources/{uuid.uuid4()}/files"
    uploader.put("a.md", b"# A", status=404)
    uploader.delete("a.md", status=404)
    uploader.content(str(uuid.uuid4()), status=404)


def test_paused_source_keeps_files_until_it_is_resumed(pipeline: Pipeline, uploader: Uploader) -> None:
    source = uploader.path.removesuffix("/files")
    uploader.client.patch(source, {"paused": True})
    assert uploader.put("a.md", b"# A")["run_id"] is None
    uploader.client.patch(source, {"paused": False})
    pipeline.finish(uploader.client.post(f"{source}/collect"))
    assert texts(pipeline) == [("a.md", "# A")]


def test_file_that_cannot_be_read_is_an_item_with_the_reason(pipeline: Pipeline, uploader: Uploader) -> None:
    run = pipeline.finish(uploader.put("a.bin", b"\x00\x01"))
    assert (run.state, run.counts.failed) == ("partial", 1)


def test_content_that_is_missing_is_an_item_with_the_reason(
    pipeline: Pipeline, uploader: Uploader, blobs: Path
) -> None:
    answer = uploader.put("a.md", b"# A")
    next(path for path in blobs.rglob("*") if path.is_file()).unlink()
    run = pipeline.finish(answer)
    assert run.counts.failed == 1
    assert "Upload it again" in pipeline.rows("select reason from run_items")[0][0]
    assert "Upload the file again" in uploader.content(answer["file"]["id"], status=404).json["detail"]


def test_passages_of_a_pdf_have_their_page(database: FreshDatabase, blobs: Path) -> None:
    with running_pipeline(database, blob_url=blobs.as_uri()) as pipeline:
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            new = NewSource("uploads", "Manuals", {})
            source = create_source(tx, pipeline.workspace_id, new, pipeline.settings)
        client = CollectionClient(pipeline.database, pipeline.settings)
        uploader = Uploader(client, source)
        file = uploader.put("handbook.pdf", (DOCUMENTS / "handbook.chromium.pdf").read_bytes())["file"]
        pipeline.drain()
        [[document_id]] = pipeline.rows("select cast(id as text) from documents")
        document = client.get(f"/api/documents/{document_id}")
        assert document["file_id"] == file["id"]
        assert len(document["pages"]) > 1
        search = Search(pipeline.database, lambda _: ConstantEmbedder())
        found = search(pipeline.workspace_id, "handbook", 20)
        pages = {passage.page for passage in found}
        for passage in found:
            assert passage.page == max(1, sum(start <= passage.start for start in document["pages"]))
        assert len(pages) > 1
        assert None not in pages
        uploader.put("note.md", b"# Note about the handbook")
        pipeline.drain()
        [note] = [one for one in search(pipeline.workspace_id, "note", 20) if one.key == "note.md"]
        assert note.page is None
