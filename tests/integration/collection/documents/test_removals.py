"""Deletes that are safe: what a sync may remove, what it may not, and what is found of what was removed."""

import shutil
import uuid
from typing import Any

import pytest

from functions.chat.retrieval.search import Search
from functions.collection.runs.end import end_run
from functions.collection.runs.read import Run
from functions.job.execution import Execution
from headwater.embedding.constant import ConstantEmbedder
from headwater.errors import Conflict
from headwater.queue import ledger
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import Interrupted, die_everywhere
from tests.harness.pipeline import Pipeline, Repository, opened

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES = {f"d{n:02}.md": f"# Page {n}\n\ntext of page {n}\n" for n in range(30)}
SMALL: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [install](install.md).\n",
    "install.md": "# Install\n\nScrew it to the wall. Back to the [pump](pump.md).\n",
}
LINKS = "select d.key, t.key from relations l join documents d on d.id = l.document_id " + (
    "left join documents t on t.id = l.target_document_id order by 1"
)


def asking(pipeline: Pipeline) -> CollectionClient:
    return CollectionClient(pipeline.database, pipeline.settings)


def live(pipeline: Pipeline) -> list[str]:
    return [key for (key,) in pipeline.rows("select key from documents where deleted_at is null order by key")]


def found(pipeline: Pipeline, question: str) -> set[str]:
    search = Search(pipeline.database, lambda name: ConstantEmbedder())
    return {passage.key for passage in search(pipeline.workspace_id, question, 10)}


def shrink(pipeline: Pipeline, repository: Repository, keep: int) -> Run:
    """Collect thirty pages, then a commit that has the first `keep` of them only."""
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({**dict.fromkeys(list(PAGES)[keep:]), "new.md": "# New\n\nnew\n"})
    return pipeline.collect(source)


def test_a_removed_document_keeps_its_chunks_and_is_found_by_nothing(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    assert found(pipeline, "screw wall") == {"install.md", "pump.md"}
    repository.write({"install.md": None})
    pipeline.collect(source)
    chunks = "select count(*) from chunks c join documents d on d.id = c.document_id where d.key = 'install.md'"
    assert pipeline.rows(chunks) == [(1,)]
    assert pipeline.rows(LINKS) == [("install.md", "pump.md"), ("pump.md", None)]
    assert found(pipeline, "screw wall") == {"pump.md"}
    pipeline.rows("delete from vectors returning 1")
    pipeline.rows("update sources set embedded_model_id = null returning 1")
    assert pipeline.collect(source).counts.embedded == 1


def test_a_removed_document_that_comes_back_changed_has_its_new_chunks_only(
    pipeline: Pipeline, repository: Repository
) -> None:
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
    assert pipeline.rows(LINKS) == [("pump.md", "install.md")]


def test_what_was_brought_back_stays_until_the_source_lists_it_again(
    pipeline: Pipeline, repository: Repository
) -> None:
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


def test_what_no_sync_may_remove_does_not_count_for_what_is_suspicious(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(dict(PAGES))
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set held = 'added' where key < 'd08' returning 1")
    repository.write(dict.fromkeys(list(PAGES)[:28]))  # of 22 documents that are the source's, 20
    run = pipeline.collect(source)
    assert (run.pending_removals, run.counts.removed) == (20, 0)
    assert len(live(pipeline)) == 30


def test_a_file_with_the_key_of_what_was_added_by_hand_is_skipped_with_a_warning(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    mine = "update documents set held = 'added', text = 'mine', fingerprint = 'mine' where key = 'pump.md' returning 1"
    pipeline.rows(mine)
    for _ in range(2):
        run = pipeline.collect(source)
        assert (run.state, run.counts.changed, run.counts.unchanged) == ("succeeded", 0, 2)
        assert [(warning.key, "uploaded manually" in warning.reason) for warning in run.warnings] == [("pump.md", True)]
    assert pipeline.rows("select text from documents where key = 'pump.md'") == [("mine",)]


def test_a_listing_that_brings_withheld_documents_back_clears_the_question(
    pipeline: Pipeline, repository: Repository
) -> None:
    run = shrink(pipeline, repository, keep=1)
    pending = "select jsonb_array_length(pending_removals), pending_run_id from sources"
    assert (run.state, run.pending_removals) == ("partial", 29)
    assert pipeline.rows(pending) == [(29, run.id)]
    repository.write({key: PAGES[key] for key in list(PAGES)[:29]})
    again = pipeline.finish(asking(pipeline).post(f"/api/sources/{run.source_id}/collect"))
    assert (again.state, again.pending_removals, again.counts.removed) == ("succeeded", 0, 1)
    assert pipeline.rows(pending) == [(0, None)]


def test_withheld_removals_are_shown_page_by_page(pipeline: Pipeline, repository: Repository) -> None:
    run = shrink(pipeline, repository, keep=1)
    ask, path = asking(pipeline), f"/api/sources/{run.source_id}/removals"
    assert ask.get(f"/api/sources/{run.source_id}")["pending_removals"] == 29
    first = ask.get(f"{path}?limit=20")
    assert (first["run_id"], first["total"], first["stored"]) == (str(run.id), 29, 31)
    [document_id] = pipeline.rows("select id from documents where key = 'd01.md'")[0]
    assert first["removals"][0] == {
        "key": "d01.md",
        "document_id": str(document_id),
        "title": "Page 1",
        "url": None,
    }
    rest = ask.get(f"{path}?limit=20&after={first['next']}")
    told = [removal["key"] for removal in first["removals"] + rest["removals"]]
    assert (told, rest["next"]) == (list(PAGES)[1:], None)


def test_accepted_removals_are_a_run_and_can_be_restored(pipeline: Pipeline, repository: Repository) -> None:
    seen = shrink(pipeline, repository, keep=1)
    ask, path = asking(pipeline), f"/api/sources/{seen.source_id}"
    started = ask.post(f"{path}/removals/accept", {"run_id": str(seen.id)})
    assert ask.post(f"{path}/removals/accept", {"run_id": str(seen.id)}, 409)["detail"].startswith(
        "Another run of this source is open"
    )
    run = pipeline.finish(started)
    assert (run.kind, run.state, run.counts.removed, run.total) == ("removal", "succeeded", 29, 29)
    assert live(pipeline) == ["d00.md", "new.md"]
    empty: dict[str, Any] = {"run_id": None, "total": 0, "stored": 2, "removals": [], "next": None}
    assert ask.get(f"{path}/removals") == empty
    assert ask.get(path)["pending_removals"] == 0
    ask.post(f"{path}/removals/accept", {"run_id": str(seen.id)}, 409)
    again = pipeline.finish(ask.post(f"{path}/collect"))
    assert (again.state, again.counts.removed, again.counts.unchanged) == ("succeeded", 0, 2)
    gone = ask.get("/api/documents?deleted=true&limit=1")["documents"][0]
    ask.post(f"/api/documents/{gone['id']}/restore", status=200)
    pipeline.drain()
    assert live(pipeline) == ["d00.md", "d01.md", "new.md"]


def test_links_to_what_was_accepted_lead_nowhere(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({**PAGES, "index.md": "# Index\n\nSee [one](d01.md) and [none](d00.md).\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write(dict.fromkeys(list(PAGES)[1:]))
    seen = pipeline.collect(source)
    assert {target for _, target in pipeline.rows(LINKS)} == {"d00.md", "d01.md"}
    pipeline.finish(asking(pipeline).post(f"/api/sources/{source.id}/removals/accept", {"run_id": str(seen.id)}))
    assert {target for _, target in pipeline.rows(LINKS)} == {"d00.md", None}


def test_refused_removals_stay_until_the_source_lists_them_again(pipeline: Pipeline, repository: Repository) -> None:
    seen = shrink(pipeline, repository, keep=1)
    ask, path = asking(pipeline), f"/api/sources/{seen.source_id}"
    assert ask.post(f"{path}/removals/refuse", {"run_id": str(seen.id)}, 200) == {"kept": 29}
    ask.post(f"{path}/removals/refuse", {"run_id": str(seen.id)}, 409)
    assert ask.get(f"{path}/removals")["total"] == 0
    run = pipeline.finish(ask.post(f"{path}/collect"))
    assert (run.state, run.pending_removals, run.counts.removed) == ("succeeded", 0, 0)
    assert len(live(pipeline)) == 31
    assert {document["held"] for document in ask.get("/api/documents?limit=200")["documents"]} == {None, "restored"}
    assert len(ask.get("/api/documents?held=restored&limit=200")["documents"]) == 29
    assert ask.get("/api/documents?held=added")["documents"] == []


def test_an_answer_to_a_difference_that_has_been_replaced_is_refused(
    pipeline: Pipeline, repository: Repository
) -> None:
    seen = shrink(pipeline, repository, keep=3)
    repository.write({"d02.md": None})
    ask, path = asking(pipeline), f"/api/sources/{seen.source_id}"
    later = pipeline.finish(ask.post(f"{path}/collect"))
    for answer in ("accept", "refuse"):
        refused = ask.post(f"{path}/removals/{answer}", {"run_id": str(seen.id)}, 409)
        assert str(later.id) in refused["detail"]
    assert len(live(pipeline)) == 31
    ask.post(f"{path}/removals/accept", {"run_id": str(later.id)})


def test_while_a_collect_is_open_nothing_is_answered_or_restored(pipeline: Pipeline, repository: Repository) -> None:
    seen = shrink(pipeline, repository, keep=1)
    ask, path, answer = asking(pipeline), f"/api/sources/{seen.source_id}", {"run_id": str(seen.id)}
    pipeline.rows("update documents set deleted_at = now() where key = 'd00.md' returning 1")
    [[document_id]] = pipeline.rows("select id from documents where key = 'd00.md'")
    started = ask.post(f"{path}/collect")
    for asked in (f"{path}/removals/accept", f"{path}/removals/refuse", f"/api/documents/{document_id}/restore"):
        refused = ask.post(asked, answer, 409)
        assert started["run_id"] in refused["detail"]
        assert "cancel" in refused["detail"]
    assert ask.post(f"{path}/collect") == started
    ask.post(f"{path}/collect?dry_run=true", status=409)
    assert len(live(pipeline)) == 30


@pytest.mark.parametrize("kind", ["removal", "restore", "upload", "dry_run"])
def test_a_worker_may_die_anywhere_in_a_run_of_any_kind(pipeline: Pipeline, repository: Repository, kind: str) -> None:
    seen = shrink(pipeline, repository, keep=1)
    ask, path = asking(pipeline), f"/api/sources/{seen.source_id}"
    if kind == "removal":
        ask.post(f"{path}/removals/accept", {"run_id": str(seen.id)})
    elif kind == "dry_run":
        ask.post(f"{path}/collect?dry_run=true")
    else:
        held = "added" if kind == "upload" else None
        [[id_]] = pipeline.rows("update documents set held = :h where key = 'd01.md' returning id", h=held)
        ask.delete(f"/api/documents/{id_}") if kind == "upload" else pipeline.rows(
            "update documents set deleted_at = now() where id = :i returning 1", i=id_
        )
        if kind == "restore":
            ask.post(f"/api/documents/{id_}/restore", status=200)
    [[run_id]] = pipeline.rows("select id from runs where state = 'running'")
    die_everywhere(pipeline)
    run = pipeline.read(run_id)
    assert (run.kind, run.state) == (kind, "succeeded")
    expected = {"removal": 2, "restore": 31, "upload": 30, "dry_run": 31}
    assert len(live(pipeline)) == expected[kind]


def test_a_dry_run_tells_the_difference_and_touches_nothing(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    changes: dict[str, str | bytes | None] = {"new.md": "# New\n", "pump.md": "# Pump\n\nOther.\n", "install.md": None}
    repository.write(changes)
    before = everything(pipeline)
    ask = asking(pipeline)
    run = pipeline.finish(ask.post(f"/api/sources/{source.id}/collect?dry_run=true"))
    counts = run.counts
    assert (run.kind, run.state, run.total) == ("dry_run", "succeeded", 2)
    assert (counts.listed, counts.added, counts.changed, counts.removed, counts.unchanged) == (2, 1, 1, 1, 0)
    items = "select key, action, state from run_items where run_id = :r order by key"
    assert pipeline.rows(items, r=run.id) == [
        ("install.md", "removed", "done"),
        ("new.md", "added", "done"),
        ("pump.md", "changed", "done"),
    ]
    assert everything(pipeline) == before
    collected = pipeline.finish(ask.post(f"/api/sources/{source.id}/collect"))
    assert (collected.counts.added, collected.counts.changed, collected.counts.removed) == (1, 1, 1)


def test_a_dry_run_tells_what_would_be_withheld_and_asks_nobody(pipeline: Pipeline, repository: Repository) -> None:
    seen = shrink(pipeline, repository, keep=1)
    ask, path = asking(pipeline), f"/api/sources/{seen.source_id}"
    before = everything(pipeline)
    run = pipeline.finish(ask.post(f"{path}/collect?dry_run=true"))
    assert (run.state, run.pending_removals, run.counts.removed) == ("succeeded", 29, 0)
    assert everything(pipeline) == before
    assert ask.get(f"{path}/removals")["run_id"] == str(seen.id)


def everything(pipeline: Pipeline) -> list[Any]:
    """All that a run of any kind could touch, but for the runs themselves."""
    tables = ("sources", "documents", "chunks", "relations", "vectors", "schedules")
    return [pipeline.rows(f"select t::text from {table} t order by 1") for table in tables]


def test_a_dry_run_stays_with_tickets_however_much_it_finds(database: FreshDatabase, repository: Repository) -> None:
    repository.write(SMALL)
    asked: list[uuid.UUID] = []
    with opened(database, bulk_threshold=1, job_name="headwater") as pipeline:
        pipeline.start_job = asked.append
        source = pipeline.add_source(repository.url)
        run = pipeline.finish(asking(pipeline).post(f"/api/sources/{source.id}/collect?dry_run=true"))
        assert (run.engine, run.counts.added, asked) == ("tickets", 2, [])
        pipeline.finish(asking(pipeline).post(f"/api/sources/{source.id}/collect"))
        assert len(asked) == 1


def test_a_tombstone_is_restored_at_once(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    before = pipeline.contents()
    repository.write({"install.md": None})
    pipeline.collect(source)
    ask = asking(pipeline)
    [gone] = ask.get("/api/documents?deleted=true")["documents"]
    assert (gone["key"], gone["held"], gone["deleted_at"] is not None) == ("install.md", None, True)
    back = ask.post(f"/api/documents/{gone['id']}/restore", status=200)
    assert (back["deleted_at"], back["held"], "Screw" in back["text"]) == (None, "restored", True)
    assert "install.md" in found(pipeline, "screw wall")
    ask.post(f"/api/documents/{gone['id']}/restore", status=409)
    pipeline.drain()
    [run] = ask.get("/api/runs?limit=1")["runs"]
    assert (run["kind"], run["state"], run["counts"]["added"], run["counts"]["embedded"]) == (
        ("restore", "succeeded", 1, 0)
    )
    assert pipeline.contents() == before
    assert pipeline.collect(source).counts.removed == 0
    ask.post(f"/api/documents/{uuid.uuid4()}/restore", status=404)


def test_what_a_restored_document_lacks_is_embedded(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    repository.write({"install.md": None})
    pipeline.collect(source)
    pipeline.rows("delete from vectors returning 1")  # as after a switch to a model that embedded live texts only
    pipeline.rows("update sources set embedded_model_id = null returning 1")
    pipeline.collect(source)
    ask = asking(pipeline)
    [gone] = ask.get("/api/documents?deleted=true")["documents"]
    ask.post(f"/api/documents/{gone['id']}/restore", status=200)
    pipeline.drain()
    assert ask.get("/api/runs?limit=1")["runs"][0]["counts"]["embedded"] == 1
    assert pipeline.rows("select count(*) from vectors") == [(2,)]


def test_what_is_restored_while_a_restore_is_open_joins_it(pipeline: Pipeline, repository: Repository) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    expected = pipeline.contents()
    repository.write({"install.md": None, "pump.md": None})
    pipeline.collect(source)
    ask = asking(pipeline)
    first, second = ask.get("/api/documents?deleted=true")["documents"]
    ask.post(f"/api/documents/{first['id']}/restore", status=200)

    def join() -> None:  # the run's `finish` has read what it is to settle by now
        ask.post(f"/api/documents/{second['id']}/restore", status=200)

    pipeline.step("collection", lambda handler: Interrupted(handler, "computed", join))
    pipeline.drain()
    [run] = ask.get("/api/runs?limit=1")["runs"]
    assert (run["kind"], run["state"], run["total"], run["counts"]["added"]) == ("restore", "succeeded", 2, 2)
    assert pipeline.contents() == expected


def test_a_restore_that_joins_a_run_does_not_wait_for_whoever_cancels_it(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set deleted_at = now() returning 1")
    ask = asking(pipeline)
    first, second = ask.get("/api/documents?deleted=true")["documents"]
    ask.post(f"/api/documents/{first['id']}/restore", status=200)
    [run] = ask.get("/api/runs?limit=1")["runs"]
    with pipeline.database.transaction(pipeline.workspace_id) as cancelling:
        ledger.cancel(cancelling, uuid.UUID(run["id"]))
        ask.post(f"/api/documents/{second['id']}/restore", status=200)
        end_run(cancelling, uuid.UUID(run["id"]), "cancelled")
    assert ask.get(f"/api/runs/{run['id']}")["state"] == "cancelled"
    assert live(pipeline) == sorted(SMALL)


def test_a_job_that_is_to_collect_takes_no_other_run_for_its_collect(
    pipeline: Pipeline, repository: Repository
) -> None:
    repository.write(SMALL)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    pipeline.rows("update documents set deleted_at = now() where key = 'pump.md' returning 1")
    ask = asking(pipeline)
    [gone] = ask.get("/api/documents?deleted=true")["documents"]
    ask.post(f"/api/documents/{gone['id']}/restore", status=200)
    execution = Execution(pipeline.database, pipeline.settings, pipeline.workspace_id, source.id)
    with pytest.raises(Conflict, match=r"is open \(restore\)"):
        execution.find_or_start_run()
    pipeline.drain()
    assert pipeline.read(execution.find_or_start_run()).kind == "collect"
