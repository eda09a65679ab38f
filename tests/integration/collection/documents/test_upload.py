"""Documents added by hand: stored and found as a source's own, and out of every sync's reach."""

import shutil
from pathlib import Path

import pytest

from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import Interrupted, die_everywhere
from tests.harness.pipeline import Pipeline, Repository, opened

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

PAGES: dict[str, str | bytes | None] = {
    "pump.md": "# Pump\n\nThe pump moves water. See [notes](notes.md).\n",
    "install.md": "# Install\n\nScrew it to the wall.\n",
}
NOTES = "# Notes\n\nMind the valve. See the [pump](pump.md).\n"
LINKS = "select d.key, t.key from relations l join documents d on d.id = l.document_id " + (
    "left join documents t on t.id = l.target_document_id order by 1"
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.write(PAGES)
    return made


@pytest.fixture
def path(pipeline: Pipeline, repository: Repository) -> str:
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    return f"/api/sources/{source.id}"


def asking(pipeline: Pipeline) -> CollectionClient:
    return CollectionClient(pipeline.database, pipeline.settings)


def test_what_is_added_by_hand_is_read_cut_linked_and_embedded_as_a_file_is(
    pipeline: Pipeline, repository: Repository, path: str
) -> None:
    added = asking(pipeline).put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    run = pipeline.finish(added)
    assert (run.kind, run.state, run.total, run.counts.added) == ("upload", "succeeded", 1, 1)
    assert (run.counts.chunks, run.counts.embedded, run.counts.reused) == (1, 1, 0)
    document = asking(pipeline).get(f"/api/documents/{added['document_id']}")
    assert (document["title"], document["text"], document["held"]) == ("Notes", NOTES, "added")
    assert pipeline.rows(LINKS) == [("notes.md", "pump.md"), ("pump.md", "notes.md")]
    by_hand = pipeline.contents()
    pipeline.rows("delete from documents where key = 'notes.md' returning 1")
    repository.write({"notes.md": NOTES})
    pipeline.finish(asking(pipeline).post(f"{path}/collect"))
    collected = pipeline.contents()
    assert by_hand[1:] == collected[1:]  # chunks, vectors, relations


def test_no_sync_removes_or_replaces_it(pipeline: Pipeline, repository: Repository, path: str) -> None:
    ask = asking(pipeline)
    pipeline.finish(ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES}))
    repository.write({"install.md": None})
    run = pipeline.finish(ask.post(f"{path}/collect"))
    assert (run.counts.removed, run.counts.unchanged) == (1, 1)
    repository.write({"notes.md": "# Other\n"})
    run = pipeline.finish(ask.post(f"{path}/collect"))
    assert [warning.key for warning in run.warnings] == ["notes.md"]
    [document] = ask.get("/api/documents?limit=1")["documents"]
    assert (document["key"], document["title"], document["held"]) == ("notes.md", "Notes", "added")


def test_it_is_replaced_deleted_and_brought_back_by_hand(pipeline: Pipeline, repository: Repository, path: str) -> None:
    ask = asking(pipeline)
    added = ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    pipeline.finish(added)
    changed = ask.put(f"{path}/documents", {"key": "notes.md", "text": "# New\n\nShort.\n", "title": "Mine"})
    run = pipeline.finish(changed)
    assert (changed["document_id"], run.counts.changed, run.counts.embedded) == (added["document_id"], 1, 1)
    one = f"/api/documents/{added['document_id']}"
    assert ask.get(one)["title"] == "Mine"
    assert pipeline.rows(
        "select count(*) from chunks c join documents d on d.id = document_id where held = 'added'"
    ) == [(1,)]
    ask.delete(one)
    ask.delete(one, 409)
    pipeline.drain()
    [run_told] = ask.get("/api/runs?limit=1")["runs"]
    assert (run_told["kind"], run_told["state"], run_told["counts"]["removed"]) == ("upload", "succeeded", 1)
    assert pipeline.rows(LINKS) == [("pump.md", None)]
    assert ask.post(f"{one}/restore", status=200)["held"] == "added"
    pipeline.drain()
    assert pipeline.rows(LINKS) == [("pump.md", "notes.md")]
    ask.delete(one)
    pipeline.drain()
    repository.write({"notes.md": "# The source's\n"})
    assert pipeline.finish(ask.post(f"{path}/collect")).counts.added == 1
    assert (ask.get(one)["title"], ask.get(one)["held"]) == ("The source's", None)
    assert "comes from the source" in ask.delete(one, 409)["detail"]


def test_many_are_added_one_after_another_while_the_first_is_still_worked_on(pipeline: Pipeline, path: str) -> None:
    ask = asking(pipeline)
    first = ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})

    def join() -> None:  # the run's `finish` has read what it is to settle by now
        for key, text in (
            ("more.md", "# More\n\nSee [notes](notes.md).\n"),
            ("notes.md", NOTES + "\nAnd [more](more.md).\n"),
        ):
            assert ask.put(f"{path}/documents", {"key": key, "text": text})["run_id"] == first["run_id"]

    pipeline.step("collection", lambda handler: Interrupted(handler, "computed", join))
    run = pipeline.finish(first)
    assert (run.state, run.total, run.counts.added + run.counts.changed) == ("succeeded", 2, 2)
    expected = {("more.md", "notes.md"), ("notes.md", "pump.md"), ("notes.md", "more.md"), ("pump.md", "notes.md")}
    assert set(pipeline.rows(LINKS)) == expected
    lacking = (
        "select count(*) from chunks c where not exists (select 1 from vectors v where v.input_hash = c.input_hash)"
    )
    assert pipeline.rows(lacking) == [(0,)]


def test_links_lead_to_a_document_that_was_added_and_changed_before_its_run_came_to_them(
    pipeline: Pipeline, path: str
) -> None:
    ask = asking(pipeline)
    pipeline.finish(ask.put(f"{path}/documents", {"key": "before.md", "text": "# Before\n\nSee [notes](notes.md).\n"}))
    ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    run = pipeline.finish(ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES + "\nMore.\n"}))
    assert (run.total, run.counts.added, run.counts.changed) == (1, 1, 0)
    assert ("before.md", "notes.md") in pipeline.rows(LINKS)


def test_its_workers_may_die_anywhere(pipeline: Pipeline, path: str) -> None:
    added = asking(pipeline).put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    die_everywhere(pipeline)
    run = pipeline.finish(added)
    assert (run.state, run.counts.added, run.counts.embedded) == ("succeeded", 1, 1)
    assert ("notes.md", "pump.md") in pipeline.rows(LINKS)


def test_what_a_cancelled_run_left_of_it_the_next_collect_completes(pipeline: Pipeline, path: str) -> None:
    ask = asking(pipeline)
    added = ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    ask.post(f"/api/runs/{added['run_id']}/cancel", status=200)
    assert pipeline.rows(LINKS) == [("notes.md", None), ("pump.md", None)]
    run = pipeline.finish(ask.post(f"{path}/collect"))
    assert (run.state, run.counts.unchanged, run.counts.embedded) == ("succeeded", 2, 1)
    assert pipeline.rows(LINKS) == [("notes.md", "pump.md"), ("pump.md", "notes.md")]


def test_a_key_of_the_sources_own_is_refused(pipeline: Pipeline, repository: Repository, path: str) -> None:
    ask = asking(pipeline)
    for held in (None, "restored"):
        pipeline.rows("update documents set held = :held where key = 'pump.md' returning 1", held=held)
        refused = ask.put(f"{path}/documents", {"key": "pump.md", "text": NOTES}, 409)
        assert "comes from the source" in refused["detail"]
    assert "moves water" in pipeline.rows("select text from documents where key = 'pump.md'")[0][0]


def test_while_a_collect_is_open_nothing_is_added_or_deleted(pipeline: Pipeline, path: str) -> None:
    ask = asking(pipeline)
    added = ask.put(f"{path}/documents", {"key": "notes.md", "text": NOTES})
    pipeline.drain()
    started = ask.post(f"{path}/collect")
    for refused in (
        ask.put(f"{path}/documents", {"key": "more.md", "text": "More."}, 409),
        ask.delete(f"/api/documents/{added['document_id']}", 409),
    ):
        assert started["run_id"] in refused["detail"]
    assert pipeline.rows("select count(*) from documents where deleted_at is null") == [(3,)]


def test_what_cannot_be_stored_is_refused_with_the_reason(database: FreshDatabase) -> None:
    refusals: list[tuple[dict[str, object], int, str]] = [
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
    with opened(database, max_file_bytes=2000) as pipeline:
        source = pipeline.add_source("https://git.example/a/b")
        for change, status, word in refusals:
            body = {"key": "a.md", "text": "Text.", **change}
            refused = asking(pipeline).put(f"/api/sources/{source.id}/documents", body, status)
            assert word in refused["detail"], change
        assert pipeline.rows("select count(*) from runs") == [(0,)]


def test_a_text_of_several_megabytes_fits(pipeline: Pipeline, path: str) -> None:
    text = "# Täglich\n\n" + "Über den Wassern fließt es. " * 60_000
    added = asking(pipeline).put(f"{path}/documents", {"key": "long.md", "text": text})
    assert asking(pipeline).get(f"/api/documents/{added['document_id']}")["text"] == text
