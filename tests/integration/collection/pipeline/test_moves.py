"""Documents that moved keep their ids: renamed folders, edits at the same time, chains, swaps; what is not a move."""

import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from functions.chat.retrieval.search import Search
from functions.collection.pipeline.retry_failed import retry_run
from functions.collection.runs.end import cancel_run
from functions.collection.runs.read import Run
from functions.collection.runs.start import start_run
from functions.collection.sources.sources import Source
from headwater.embedding.constant import ConstantEmbedder
from tests.harness.collection_app import CollectionClient
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline, Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

Files = dict[str, str | bytes | None]


def lamp(n: int, more: str = "") -> str:
    return f"# Lamp {n}\n\nLamp {n} stands in yard {n} and is lit by the keeper at dusk.\n{more}"


A, B, C = lamp(1), lamp(2), "# Pumps\n\nA wholly different page about water, valves and pipes.\n"
D = "# Keeper\n\nWho keeps all this, and for whom, says nothing else.\n"


def ids(pipeline: Pipeline, source: Source) -> dict[str, uuid.UUID]:
    """Return the ids of a source's live documents by key."""
    statement = "select key, id from documents where deleted_at is null and source_id = :s"
    return dict(pipeline.rows(statement, s=source.id))


def items(pipeline: Pipeline, run: Run) -> list[Any]:
    return pipeline.rows("select key, action, from_key from run_items where run_id = :r order by key", r=run.id)


def replace_files(repository: Repository, files: Files) -> None:
    """Commit a tree with these files only."""
    repository.git("rm", "-rq", "--ignore-unmatch", ".")
    repository.write(files)


def dry_run(pipeline: Pipeline, source: Source) -> Run:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        run_id = start_run(tx, pipeline.workspace_id, source.id, "job", dry_run=True)[0]
    pipeline.drain()
    return pipeline.read(run_id)


def assert_as_collected_afresh(pipeline: Pipeline, source: Source, repository: Repository) -> None:
    """Assert that a source's documents and links equal those of a new source of the same repository."""
    fresh = pipeline.add_source(repository.url)
    pipeline.collect(fresh)
    documents = """select key, title, text, url, fingerprint, media_type, held from documents
        where source_id = :s and deleted_at is null order by key"""
    links = """select d.key, l.target, t.key from relations l join documents d on d.id = l.document_id
        left join documents t on t.id = l.target_document_id
        where d.source_id = :s and d.deleted_at is null order by d.key, l.start_offset"""
    for statement in (documents, links):
        assert pipeline.rows(statement, s=source.id) == pipeline.rows(statement, s=fresh.id)


CASES: dict[str, tuple[Files, Files, list[tuple[str, str, str | None]]]] = {
    "renamed": ({"a.md": A, "c.md": C}, {"b.md": A, "c.md": C}, [("b.md", "moved", "a.md")]),
    "renamed by case only": ({"Docs/A.md": A}, {"docs/a.md": A}, [("docs/a.md", "moved", "Docs/A.md")]),
    "with another file type": ({"a.md": A}, {"a.mdx": A}, [("a.mdx", "moved", "a.md")]),
    "moved and edited": ({"x/a.md": A}, {"y/a.md": A + "\nNew.\n"}, [("y/a.md", "moved", "x/a.md")]),
    "renamed by case and edited": ({"A.md": A}, {"a.md": A + "\nNew.\n"}, [("a.md", "moved", "A.md")]),
    "same name, other content": (
        {"x/a.md": A},
        {"y/a.md": C},
        [("x/a.md", "removed", None), ("y/a.md", "added", None)],
    ),
    "copied": ({"a.md": A}, {"a.md": A, "b.md": A}, [("b.md", "added", None)]),
    "copied and edited": ({"a.md": A}, {"a.md": C, "b.md": A}, [("a.md", "changed", None), ("b.md", "added", None)]),
    "over another": ({"a.md": A, "b.md": B}, {"b.md": A}, [("a.md", "removed", None), ("b.md", "changed", None)]),
    "swapped": ({"a.md": A, "b.md": B}, {"a.md": B, "b.md": A}, [("a.md", "moved", "b.md"), ("b.md", "moved", "a.md")]),
    "chain": (
        {"1.md": A, "2.md": B, "3.md": C},
        {"2.md": A, "3.md": B, "4.md": C},
        [("2.md", "moved", "1.md"), ("3.md", "moved", "2.md"), ("4.md", "moved", "3.md")],
    ),
    "one inserted before others": (
        {"1.md": A, "2.md": B, "3.md": C},
        {"1.md": D, "2.md": A, "3.md": B, "4.md": C},
        [("1.md", "added", None), *((f"{n + 1}.md", "moved", f"{n}.md") for n in (1, 2, 3))],
    ),
    "twins": (
        {"x/a.md": A, "x/b/a.md": A},
        {"y/b/a.md": A, "y/a.md": A},
        [("y/a.md", "moved", "x/a.md"), ("y/b/a.md", "moved", "x/b/a.md")],
    ),
    "two became one": (
        {"x/a.md": A, "x/b.md": A},
        {"y/b.md": A},
        [("x/a.md", "removed", None), ("y/b.md", "moved", "x/b.md")],
    ),
    "unreadable at the new key": ({"x/a.md": A}, {"y/a.md": b"# A\n\n\0\xff"}, [("y/a.md", "moved", "x/a.md")]),
}
UNLIKE, UNREADABLE = ("same name, other content",), ("unreadable at the new key",)


def test_moves_are_told_from_other_changes(pipeline: Pipeline, tmp_path: Path) -> None:
    for n, (name, (before, after, expected)) in enumerate(CASES.items()):
        repository = Repository(tmp_path / str(n))
        repository.write(before)
        source = pipeline.add_source(repository.url)
        pipeline.collect(source)
        old_ids = ids(pipeline, source)
        replace_files(repository, after)
        preview = dry_run(pipeline, source)
        assert ids(pipeline, source) == old_ids, name
        run = pipeline.collect(source)
        assert items(pipeline, run) == expected, name
        if name not in UNLIKE:  # a preview reads no document
            assert items(pipeline, preview) == expected, name
            assert preview.counts.moved == run.counts.moved + run.counts.failed, name
        new_ids = ids(pipeline, source)
        added = {key for key, action, _ in expected if action == "added"}
        origins = {key: from_key or key for key, _, from_key in expected if key not in added}
        for key in after:
            assert new_ids[key] == (new_ids[key] if key in added else old_ids[origins.get(key, key)]), name
            assert key not in added or new_ids[key] not in old_ids.values(), name
        if name not in UNREADABLE:
            assert_as_collected_afresh(pipeline, source, repository)


@contextmanager
def each_found_once(pipeline: Pipeline, count: int) -> Iterator[None]:
    """Assert that `count` lamps are stored and found once each, whenever one looks."""
    search = Search(pipeline.database, lambda name: ConstantEmbedder())
    looked: list[tuple[int, int, bool]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            titles = "select title from documents where deleted_at is null and title like 'Lamp %'"
            found = [title for (title,) in pipeline.rows(titles)]
            hits = [passage.title for passage in search(pipeline.workspace_id, "lamp 7 stands in yard 7", 50)]
            looked.append((len(found), len(set(found)), len(set(hits)) == len(hits) > 0))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert len(looked) > 3
    assert set(looked) == {(count, count, True)}


def rename_folder(repository: Repository, pages: Mapping[str, str]) -> None:
    """Rename `docs` to `web/docs`, and edit every second page in the same commit."""
    (repository.folder / "web").mkdir()
    repository.git("mv", "docs", "web/docs")
    edited: Files = {f"web/{key}": f"{pages[key]}\nEdited.\n" for key in list(pages)[::2]}
    repository.write(edited)


def test_moves_survive_workers_that_die_at_every_point(pipeline: Pipeline, repository: Repository) -> None:
    pages = {f"docs/{n}.md": lamp(n, "\nSee [the second](2.md) and [it](/docs/2.md).\n") for n in range(30)}
    repository.write({**pages, "README.md": "# Start\n\nSee [the first](docs/1.md) and [[5]].\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    rename_folder(repository, pages)
    run_id = pipeline.start(source)
    with each_found_once(pipeline, 30):
        die_everywhere(pipeline)
    run = pipeline.read(run_id)
    assert (run.state, run.pending_removals) == ("succeeded", 0)
    assert (run.counts.moved, run.counts.added, run.counts.changed, run.counts.removed) == (30, 0, 0, 0)
    assert ids(pipeline, source) == {f"web/{key}" if key in pages else key: id_ for key, id_ in old_ids.items()}
    assert_as_collected_afresh(pipeline, source, repository)


def test_cancelled_run_leaves_each_document_once(pipeline: Pipeline, repository: Repository) -> None:
    pages = {f"docs/{n}.md": lamp(n, "\nSee [the second](2.md).\n") for n in range(30)}
    repository.write({**pages, "README.md": "# Start\n\nSee [the first](docs/1.md).\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    rename_folder(repository, pages)
    with each_found_once(pipeline, 30):
        for steps in (1, 2, 3):  # after the listing, then with one or two batches more
            run_id = pipeline.start(source)
            for _ in range(steps):
                pipeline.step("collection")
            with pipeline.database.transaction(pipeline.workspace_id) as tx:
                cancel_run(tx, run_id)
        run = pipeline.collect(source)
    assert (run.state, run.counts.removed, run.counts.added) == ("succeeded", 0, 0)
    assert sorted(ids(pipeline, source).values()) == sorted(old_ids.values())
    assert_as_collected_afresh(pipeline, source, repository)


def test_removals_that_looked_like_moves_are_withheld(pipeline: Pipeline, repository: Repository) -> None:
    """Another site with the same file names replaces everything: that is most likely a mistake."""
    repository.write({f"docs/{n}.md": lamp(n) for n in range(30)})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    replace_files(repository, {f"other/{n}.md": f"# Pump {n}\n\nNo light here: {n * n}.\n" for n in range(30)})
    run = pipeline.collect(source)
    assert (run.state, run.pending_removals, run.counts.added, run.counts.moved) == ("partial", 30, 30, 0)
    assert pipeline.rows("select pending_removals, pending_run_id from sources") == [(sorted(old_ids), run.id)]
    assert ids(pipeline, source).items() >= old_ids.items()


def test_withheld_documents_move_when_their_content_returns(pipeline: Pipeline, repository: Repository) -> None:
    pages = {f"docs/{n:02}.md": lamp(n) for n in range(30)}
    repository.write(pages)
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    replace_files(repository, {"new.md": C})
    assert pipeline.collect(source).pending_removals == 30
    replace_files(repository, {f"web/{key}": text for key, text in pages.items()})
    run = pipeline.collect(source)
    assert (run.state, run.counts.moved, run.counts.removed, run.pending_removals) == ("succeeded", 30, 1, 0)
    assert ids(pipeline, source) == {f"web/{key}": id_ for key, id_ in old_ids.items()}


def test_restored_document_moves_to_the_key_that_lists_its_content(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({"a.md": A, "c.md": C})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_id = ids(pipeline, source)["a.md"]
    repository.write({"a.md": None})
    pipeline.collect(source)
    client.post(f"/api/documents/{old_id}/restore", status=200)
    pipeline.drain()
    repository.write({"x/b.md": A})
    assert pipeline.collect(source).counts.moved == 1
    assert pipeline.rows("select key, id, held from documents where text like '%Lamp%'") == [("x/b.md", old_id, None)]


def test_moved_document_replaces_a_removed_one_at_its_key(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({"a.md": A, "b.md": C, "d.md": "# D\n\n[b](b.md)\n"})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    moved_id, removed_id = ids(pipeline, source)["a.md"], ids(pipeline, source)["b.md"]
    repository.write({"b.md": None})
    pipeline.collect(source)
    repository.write({"a.md": None, "b.md": A})
    assert pipeline.collect(source).counts.moved == 1
    assert ids(pipeline, source)["b.md"] == moved_id
    assert client.get(f"/api/documents/{removed_id}", status=404)
    assert_as_collected_afresh(pipeline, source, repository)
    repository.write({"a.md": A, "b.md": None})
    assert pipeline.collect(source).counts.moved == 1
    assert ids(pipeline, source)["a.md"] == moved_id


def test_include_change_moves_documents(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"v1/a.md": A, "v2/a.md": A, "v2/b.md": B})
    source = pipeline.add_source(repository.url, include=["v1/**"])
    pipeline.collect(source)
    old_id = ids(pipeline, source)["v1/a.md"]
    pipeline.rows("update sources set config = jsonb_set(config, '{include}', '[\"v2/**\"]') returning 1")
    run = pipeline.collect(source)
    assert items(pipeline, run) == [("v2/a.md", "moved", "v1/a.md"), ("v2/b.md", "added", None)]
    assert ids(pipeline, source)["v2/a.md"] == old_id


def test_retry_completes_a_move_that_failed(pipeline: Pipeline, repository: Repository) -> None:
    repository.write({"x/a.md": A, "x/b.md": B})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    replace_files(repository, {"y/a.md": A + "\nEdited.\n", "y/b.md": B})
    run_id = pipeline.start(source)
    pipeline.step("collection")
    pipeline.rows("update run_items set state = 'failed', reason = 'no' where run_id = :r returning 1", r=run_id)
    pipeline.drain()
    assert pipeline.read(run_id).counts.failed == 2
    assert sorted(ids(pipeline, source).values()) == sorted(old_ids.values())
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        retry_id = retry_run(tx, pipeline.workspace_id, run_id, pipeline.settings)
    pipeline.drain()
    retry = pipeline.read(retry_id)
    assert (retry.state, retry.counts.moved) == ("succeeded", 2)
    assert ids(pipeline, source) == {key.replace("x/", "y/"): id_ for key, id_ in old_ids.items()}
    assert_as_collected_afresh(pipeline, source, repository)


def test_run_lists_the_keys_that_documents_moved_from(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    repository.write({"a.md": A})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    replace_files(repository, {"b.md": A})
    run = pipeline.finish(client.post(f"/api/sources/{source.id}/collect"))
    [item] = client.get(f"/api/runs/{run.id}/items?action=moved")["items"]
    assert (item["key"], item["from_key"], item["state"]) == ("b.md", "a.md", "done")
    assert client.get(f"/api/runs/{run.id}")["counts"]["moved"] == 1


def test_renamed_folder_is_neither_collected_again_nor_withheld(pipeline: Pipeline, repository: Repository) -> None:
    lamps = {f"docs/lamp{n}.md": f"# Lamp {n}\n\nLamp {n} stands in yard {n}.\n" for n in range(1, 31)}
    repository.write({**lamps})
    source = pipeline.add_source(repository.url)
    pipeline.collect(source)
    old_ids = ids(pipeline, source)
    replace_files(repository, {f"website/{key}": text for key, text in lamps.items()})
    run = pipeline.collect(source)
    assert (run.state, run.counts.moved, run.counts.added, run.pending_removals) == ("succeeded", 30, 0, 0)
    assert (run.counts.embedded, run.counts.reused) == (0, 30)
    assert ids(pipeline, source) == {f"website/{key}": id_ for key, id_ in old_ids.items()}
