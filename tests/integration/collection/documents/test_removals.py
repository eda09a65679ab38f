"""Removal of documents: by a collect, withheld until accepted, refused; and what removed documents leave behind."""

import shutil
from typing import Any

import pytest

from functions.chat.retrieval.search import Search
from functions.collection.runs.read import Run
from headwater.embedding.constant import ConstantEmbedder
from tests.harness.collection_app import CollectionClient
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\ntext of page {n}\n" for n in range(30)}
SMALL: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [install](install.md).\n",
    "install.md": "# Install\n\nScrew it to the wall. Back to the [pump](pump.md).\n",
}


def search_keys(pipeline: Pipeline, query: str) -> set[str]:
    """Return the keys of the documents that a search finds."""
    search = Search(pipeline.database, lambda name: ConstantEmbedder())
    return {passage.key for passage in search(pipeline.workspace_id, query, 10)}


def collect_fewer(pipeline: Pipeline, repository: Repository, keep: int) -> Run:
    """Collect thirty pages, then a commit with only the first `keep` of them and a new one."""
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({**dict.fromkeys(list(PAGES)[keep:]), "new.md": "# New\n\nnew\n"})
    return pipeline.collect(source)


def test_removed_document_keeps_its_chunks_but_is_not_found(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    assert search_keys(pipeline, "screw wall") == {"install.md", "pump.md"}
    repository.write({"install.md": None})
    pipeline.collect(source)
    chunks = "select count(*) from chunks c join documents d on d.id = c.document_id where d.key = 'install.md'"
    assert pipeline.rows(chunks) == [(1,)]
    assert pipeline.links() == [("install.md", "pump.md"), ("pump.md", None)]
    assert search_keys(pipeline, "screw wall") == {"pump.md"}
    pipeline.rows("delete from vectors returning 1")
    pipeline.rows("update sources set embedded_model_id = null returning 1")
    assert pipeline.collect(source).counts.embedded == 1


def test_removed_document_that_returns_changed_has_only_new_chunks(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"install.md": None})
    pipeline.collect(source)
    repository.write({"install.md": "# Install\n\nGlue it.\n"})
    pipeline.collect(source)
    texts = pipeline.rows("""select substr(d.text, start_offset + 1, end_offset - start_offset)
        from chunks c join documents d on d.id = c.document_id where d.key = 'install.md'""")
    assert ["Glue it." in text for (text,) in texts] == [True]
    assert pipeline.links() == [("pump.md", "install.md")]


def test_restored_document_stays_until_the_source_lists_it_again(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set held = 'restored' where key = 'install.md' returning 1")
    repository.write({"install.md": None})
    assert pipeline.collect(source).counts.removed == 0
    repository.write({"install.md": SMALL["install.md"]})
    assert pipeline.collect(source).counts.unchanged == 2
    assert pipeline.rows("select distinct held from documents") == [(None,)]
    repository.write({"install.md": None})
    assert pipeline.collect(source).counts.removed == 1


def test_uploaded_documents_do_not_count_towards_withholding(pipeline: Pipeline, repository: Repository) -> None:
    pages: dict[str, str | bytes | None] = {f"d{n:02}.md": f"# Page {n}\n\ntext of page {n}\n" for n in range(45)}
    repository.write(pages)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set held = 'added' where key < 'd15' returning 1")
    repository.write(dict.fromkeys(list(pages)[:35]))  # 20 of the source's 30 documents; with the uploads, 20 of 45
    run = pipeline.collect(source)
    assert (run.pending_removals, run.counts.removed) == (20, 0)
    assert len(pipeline.live_keys()) == 45


def test_file_with_the_key_of_an_upload_is_skipped_with_a_warning(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    upload = "update documents set held = 'added', text = 'mine', fingerprint = 'f' where key = 'pump.md' returning 1"
    pipeline.rows(upload)
    for _ in range(2):
        run = pipeline.collect(source)
        assert (run.state, run.counts.changed, run.counts.unchanged) == ("succeeded", 0, 2)
        assert [(warning.key, "uploaded manually" in warning.reason) for warning in run.warnings] == [("pump.md", True)]
    assert pipeline.rows("select text from documents where key = 'pump.md'") == [("mine",)]


def test_listing_with_the_missing_documents_clears_withheld_removals(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    run = collect_fewer(pipeline, repository, keep=1)
    pending = "select jsonb_array_length(pending_removals), pending_run_id from sources"
    assert (run.state, run.pending_removals) == ("partial", 29)
    assert pipeline.rows(pending) == [(29, run.id)]
    repository.write({key: PAGES[key] for key in list(PAGES)[:29]})
    again = pipeline.finish(client.post(f"/api/sources/{run.source_id}/collect"))
    assert (again.state, again.pending_removals, again.counts.removed) == ("succeeded", 0, 1)
    assert pipeline.rows(pending) == [(0, None)]


def test_withheld_removals_are_listed_page_by_page(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    run = collect_fewer(pipeline, repository, keep=1)
    path = f"/api/sources/{run.source_id}/removals"
    assert client.get(f"/api/sources/{run.source_id}")["pending_removals"] == 29
    first = client.get(f"{path}?limit=20")
    assert (first["run_id"], first["total"], first["stored"]) == (str(run.id), 29, 31)
    [document_id] = pipeline.rows("select id from documents where key = 'd01.md'")[0]
    assert first["removals"][0] == {
        "key": "d01.md",
        "document_id": str(document_id),
        "title": "Page 1",
        "url": None,
    }
    rest = client.get(f"{path}?limit=20&after={first['next']}")
    keys = [removal["key"] for removal in first["removals"] + rest["removals"]]
    assert (keys, rest["next"]) == (list(PAGES)[1:], None)


def test_accepted_removals_are_a_run_and_can_be_restored(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    withheld = collect_fewer(pipeline, repository, keep=1)
    path = f"/api/sources/{withheld.source_id}"
    started = client.post(f"{path}/removals/accept", {"run_id": str(withheld.id)})
    assert client.post(f"{path}/removals/accept", {"run_id": str(withheld.id)}, 409)["detail"].startswith(
        "Another run of this source is open"
    )
    run = pipeline.finish(started)
    assert (run.kind, run.state, run.counts.removed, run.total) == ("removal", "succeeded", 29, 29)
    assert pipeline.live_keys() == ["d00.md", "new.md"]
    empty: dict[str, Any] = {"run_id": None, "total": 0, "stored": 2, "removals": [], "next": None}
    assert client.get(f"{path}/removals") == empty
    assert client.get(path)["pending_removals"] == 0
    client.post(f"{path}/removals/accept", {"run_id": str(withheld.id)}, 409)
    again = pipeline.finish(client.post(f"{path}/collect"))
    assert (again.state, again.counts.removed, again.counts.unchanged) == ("succeeded", 0, 2)
    deleted = client.get("/api/documents?deleted=true&limit=1")["documents"][0]
    client.post(f"/api/documents/{deleted['id']}/restore", status=200)
    pipeline.drain()
    assert pipeline.live_keys() == ["d00.md", "d01.md", "new.md"]


def test_links_to_removed_documents_lose_their_target(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({**PAGES, "index.md": "# Index\n\nSee [one](d01.md) and [none](d00.md).\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write(dict.fromkeys(list(PAGES)[1:]))
    run = pipeline.collect(source)
    assert {target for _, target in pipeline.links()} == {"d00.md", "d01.md"}
    pipeline.finish(client.post(f"/api/sources/{source.id}/removals/accept", {"run_id": str(run.id)}))
    assert {target for _, target in pipeline.links()} == {"d00.md", None}


def test_refused_removals_stay_until_the_source_lists_them_again(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    withheld = collect_fewer(pipeline, repository, keep=1)
    path = f"/api/sources/{withheld.source_id}"
    assert client.post(f"{path}/removals/refuse", {"run_id": str(withheld.id)}, 200) == {"kept": 29}
    client.post(f"{path}/removals/refuse", {"run_id": str(withheld.id)}, 409)
    assert client.get(f"{path}/removals")["total"] == 0
    run = pipeline.finish(client.post(f"{path}/collect"))
    assert (run.state, run.pending_removals, run.counts.removed) == ("succeeded", 0, 0)
    assert len(pipeline.live_keys()) == 31
    assert {document["held"] for document in client.get("/api/documents?limit=200")["documents"]} == {None, "restored"}
    assert len(client.get("/api/documents?held=restored&limit=200")["documents"]) == 29
    assert client.get("/api/documents?held=added")["documents"] == []


def test_decision_about_an_older_listing_is_rejected(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    run = collect_fewer(pipeline, repository, keep=3)
    repository.write({"d02.md": None})
    path = f"/api/sources/{run.source_id}"
    later = pipeline.finish(client.post(f"{path}/collect"))
    for decision in ("accept", "refuse"):
        refused = client.post(f"{path}/removals/{decision}", {"run_id": str(run.id)}, 409)
        assert str(later.id) in refused["detail"]
    assert len(pipeline.live_keys()) == 31
    client.post(f"{path}/removals/accept", {"run_id": str(later.id)})


def test_decisions_and_restores_are_rejected_while_a_collect_is_open(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    run = collect_fewer(pipeline, repository, keep=1)
    path, decision = f"/api/sources/{run.source_id}", {"run_id": str(run.id)}
    pipeline.rows("update documents set deleted_at = now() where key = 'd00.md' returning 1")
    [[document_id]] = pipeline.rows("select id from documents where key = 'd00.md'")
    started = client.post(f"{path}/collect")
    for action in (f"{path}/removals/accept", f"{path}/removals/refuse", f"/api/documents/{document_id}/restore"):
        refused = client.post(action, decision, 409)
        assert started["run_id"] in refused["detail"]
        assert "cancel" in refused["detail"]
    assert client.post(f"{path}/collect") == started
    client.post(f"{path}/collect?dry_run=true", status=409)
    assert len(pipeline.live_keys()) == 30


@pytest.mark.parametrize("kind", ["removal", "restore", "upload", "dry_run"])
def test_run_of_any_kind_succeeds_when_its_workers_die(
    pipeline: Pipeline, client: CollectionClient, repository: Repository, kind: str
) -> None:
    withheld = collect_fewer(pipeline, repository, keep=1)
    path = f"/api/sources/{withheld.source_id}"
    if kind == "removal":
        client.post(f"{path}/removals/accept", {"run_id": str(withheld.id)})
    elif kind == "dry_run":
        client.post(f"{path}/collect?dry_run=true")
    else:
        held = "added" if kind == "upload" else None
        [[id_]] = pipeline.rows("update documents set held = :h where key = 'd01.md' returning id", h=held)
        client.delete(f"/api/documents/{id_}") if kind == "upload" else pipeline.rows(
            "update documents set deleted_at = now() where id = :i returning 1", i=id_
        )
        if kind == "restore":
            client.post(f"/api/documents/{id_}/restore", status=200)
    [[run_id]] = pipeline.rows("select id from runs where state = 'running'")
    die_everywhere(pipeline)
    run = pipeline.read(run_id)
    assert (run.kind, run.state) == (kind, "succeeded")
    expected = {"removal": 2, "restore": 31, "upload": 30, "dry_run": 31}
    assert len(pipeline.live_keys()) == expected[kind]
