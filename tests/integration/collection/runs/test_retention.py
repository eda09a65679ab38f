"""Retention: old runs, tombstones and staged blobs are deleted, and what must stay is not."""

import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from functions.collection.runs.retention import sweep
from functions.collection.sources.sources import Source
from headwater.blobs import open_blobs
from headwater.database.transactions import ALL_WORKSPACES, Database
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_source, add_workspace, settings_for

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

RUN = """
    insert into runs (workspace_id, source_id, kind, engine, state, snapshot, counts, created_at, finished_at)
    select :w, :s, :kind, 'tickets', case when age is null then 'running' else 'succeeded' end, :snapshot, '{}',
      now() - make_interval(days => coalesce(age, 200)), now() - make_interval(days => age)
    from (select cast(:age as integer) as age) old returning id
"""
STEP = "insert into steps (run_id, workspace_id, queue, kind, key) values (:r, :w, 'collection', 'list', '')"
ITEMS = """
    insert into run_items (run_id, workspace_id, key, action) select :r, :w, k, 'added' from unnest(array['a', 'b']) k
"""
DELETED_DOCUMENT = """
    insert into documents (workspace_id, source_id, key, title, text, media_type, fingerprint, deleted_at)
    values (:w, :s, 'a.md', 'A', 'A.', 'text/markdown', 'f', now() - interval '1 year')
"""


def add_old_run(
    db: Database,
    source_id: uuid.UUID,
    age_days: int | None,
    kind: str = "collect",
    snapshot: str | None = "c0ffee",
    workspace_id: uuid.UUID = WORKSPACE,
) -> uuid.UUID:
    """Add a run that ended `age_days` ago, with a step and two items. None: an open run, started long ago."""
    values = {"w": workspace_id, "s": source_id, "age": age_days, "kind": kind, "snapshot": snapshot}
    with db.transaction(workspace_id) as tx:
        run_id: uuid.UUID = tx.execute(sa.text(RUN), values).scalar_one()
        ids = {"w": workspace_id, "r": run_id}
        tx.execute(sa.text(STEP), ids)
        tx.execute(sa.text(ITEMS), ids)
    return run_id


def stored_runs(db: Database, workspace_id: uuid.UUID = WORKSPACE) -> set[uuid.UUID]:
    """Return the ids of the runs. Asserts that exactly these have steps and items."""
    with db.transaction(workspace_id) as tx:
        run_ids = set(tx.execute(sa.text("select id from runs")).scalars())
        for table in ("steps", "run_items"):
            assert set(tx.execute(sa.text(f"select distinct run_id from {table}")).scalars()) == run_ids
    return run_ids


def test_document_that_is_being_restored_is_not_deleted(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(DELETED_DOCUMENT), {"w": WORKSPACE, "s": source_id})
    with ThreadPoolExecutor(1) as pool, db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update documents set deleted_at = null"))
        assert pool.submit(sweep, db, settings_for(database)).result(20) == (0, 0), "sweep skips the locked row"
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select key, deleted_at from documents")).all() == [("a.md", None)]


def test_old_runs_are_deleted_with_their_items_and_steps(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    for age in (300, 200, 91):
        add_old_run(db, source_id, age)
    recent = {add_old_run(db, source_id, 89), add_old_run(db, source_id, 1)}
    assert sweep(db, settings_for(database)) == (3, 0)
    assert stored_runs(db) == recent
    assert sweep(db, settings_for(database)) == (0, 0)


def test_old_runs_of_standing_questions_are_deleted(db: Database, database: FreshDatabase) -> None:
    question = """
        with question as (
          insert into standing_questions (workspace_id, subject, name, question, mode)
          values (:w, 's', 'n', 'q', 'documents') returning id
        ), asked as (
          insert into standing_runs (id, workspace_id, standing_question_id, trigger, due_at, state, reason, created_at,
            finished_at)
          select gen_random_uuid(), :w, id, 'schedule', at, case age when 101 then 'skipped' else 'complete' end,
            age::text, at, at
          from question, unnest(array[1, 100, 101]) age, lateral (select now() - make_interval(days => age) as at) t
          returning id, state, created_at
        )
        insert into runs (workspace_id, standing_run_id, kind, engine, state, created_at, finished_at)
        select :w, id, 'standing', 'tickets', 'succeeded', created_at, created_at from asked where state = 'complete'
    """
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(question), {"w": WORKSPACE})
    assert sweep(db, settings_for(database, keep_runs_days=90)) == (1, 0)
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select reason from standing_runs")).scalars().all() == ["1"]
        assert tx.execute(sa.text("select count(*) from runs")).scalar_one() == 1


def test_last_run_last_listing_and_open_runs_stay(db: Database, database: FreshDatabase) -> None:
    source_id, other_id = add_source(db), add_source(db)
    add_old_run(db, source_id, 400)
    listing = add_old_run(db, source_id, 300)
    retried = add_old_run(db, source_id, 280, "retry")
    add_old_run(db, source_id, 250, "collect", None)
    add_old_run(db, source_id, 220, "restore")
    last = add_old_run(db, source_id, 210, "dry_run")
    add_old_run(db, other_id, 250, "retry")
    add_old_run(db, other_id, 240, "collect")
    open_id = add_old_run(db, other_id, None)
    sweep(db, settings_for(database))
    assert stored_runs(db) == {listing, retried, last, open_id}


def test_large_run_is_deleted_in_parts(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    large = add_old_run(db, source_id, 100)
    last = add_old_run(db, source_id, 99)
    with db.transaction(WORKSPACE) as tx:
        statement = """insert into run_items (run_id, workspace_id, key, action)
            select :r, :w, 'k' || n, 'added' from generate_series(1, 12000) n"""
        tx.execute(sa.text(statement), {"r": large, "w": WORKSPACE})
    assert sweep(db, settings_for(database, keep_runs_days=101)) == (0, 0)
    assert sweep(db, settings_for(database), for_s=0) == (0, 0)
    assert sweep(db, settings_for(database)) == (1, 0)
    assert stored_runs(db) == {last}


def test_old_tombstones_are_deleted_in_every_workspace(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({f"{name}.md": f"# {name}\n\ntext, see [a](a.md)\n" for name in "abcd"})
    with running_pipeline(database) as pipeline:
        add_workspace(pipeline.database, OTHER_WORKSPACE)
        pipelines = [pipeline, Pipeline(database, OTHER_WORKSPACE)]
        collected = [(each, each.add_source(repository.url)) for each in pipelines]
        for each, source in collected:
            each.collect(source)
        repository.write({"a.md": None, "b.md": None})
        for each, source in collected:
            each.collect(source)
            each.rows("update documents set deleted_at = now() - interval '31 d' where key = 'a.md' returning id")
            each.rows("update documents set deleted_at = now() - interval '29 d' where key = 'b.md' returning id")
        assert sweep(pipeline.database, pipeline.settings) == (0, 2)
        for each in pipelines:
            assert each.rows("select key from documents order by key") == [("b.md",), ("c.md",), ("d.md",)]
            assert each.rows("select count(*) from chunks where document_id not in (select id from documents)") == [
                (0,)
            ]
        pipelines[1].database.close()


def test_engine_scope_sees_workspaces_with_tombstones_but_no_documents(db: Database) -> None:
    source_id = add_source(db)
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(DELETED_DOCUMENT), {"w": WORKSPACE, "s": source_id})
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0
        assert tx.execute(sa.text("select workspaces_with_tombstones(now())")).scalars().all() == [WORKSPACE]
        assert tx.execute(sa.text("select workspaces_with_tombstones(now() - interval '2 years')")).all() == []


class Staging:
    """A source with a staged blob."""

    def __init__(self, pipeline: Pipeline, source: Source) -> None:
        self.pipeline = pipeline
        self.source = source
        self.key = f"staged/{source.id}/content"
        self.blobs = open_blobs(pipeline.settings.blob_url)
        self.blobs.put(self.key, b"x")

    def exists(self) -> bool:
        return self.blobs.exists(self.key)


@pytest.fixture
def staging(database: FreshDatabase, tmp_path: Path) -> Iterator[Staging]:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n\ntext\n"})
    with running_pipeline(database, blob_url=(tmp_path / "blobs").as_uri()) as pipeline:
        yield Staging(pipeline, pipeline.add_source(repository.url))


def call(staging: Staging, method: str, path: str) -> int:
    """Call a route of the collection function. Return the status."""
    client = CollectionClient(staging.pipeline.database, staging.pipeline.settings).client
    return client.open(path, method=method).status_code


def test_cancelling_a_run_deletes_its_staged_blobs(staging: Staging) -> None:
    run_id = staging.pipeline.start(staging.source)
    assert call(staging, "POST", f"/api/runs/{run_id}/cancel") == 200
    assert not staging.exists()


def test_deleting_a_source_deletes_its_staged_blobs(staging: Staging) -> None:
    assert call(staging, "DELETE", f"/api/sources/{staging.source.id}") == 204
    assert not staging.exists()


def test_failed_run_deletes_its_staged_blobs(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "repository").rename(tmp_path / "away")
    assert staging.pipeline.collect(staging.source).state == "failed"
    assert not staging.exists()
