"""What is swept, and what never is: old runs, documents removed long ago, bytes that nobody will fetch."""

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
from tests.harness.pipeline import Pipeline, Repository, opened
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

REMOVED_DOCUMENT = """
    insert into documents (workspace_id, source_id, key, title, text, media_type, fingerprint, deleted_at)
    values (:w, :s, 'a.md', 'A', 'A.', 'text/markdown', 'f', now() - interval '1 year')
"""


def add(
    db: Database,
    source_id: uuid.UUID,
    age_days: int | None,
    kind: str = "collect",
    snapshot: str | None = "c0ffee",
    workspace_id: uuid.UUID = WORKSPACE,
) -> uuid.UUID:
    """Add a run of some days ago with a step and two items; None: an open one, begun long ago."""
    values = {"w": workspace_id, "s": source_id, "age": age_days, "kind": kind, "snapshot": snapshot}
    with db.transaction(workspace_id) as tx:
        run_id: uuid.UUID = tx.execute(sa.text(RUN), values).scalar_one()
        which = {"w": workspace_id, "r": run_id}
        tx.execute(sa.text(STEP), which)
        tx.execute(sa.text(ITEMS), which)
    return run_id


def left(db: Database, workspace_id: uuid.UUID = WORKSPACE) -> set[uuid.UUID]:
    with db.transaction(workspace_id) as tx:
        found = set(tx.execute(sa.text("select id from runs")).scalars())
        for table in ("steps", "run_items"):
            assert set(tx.execute(sa.text(f"select distinct run_id from {table}")).scalars()) == found
    return found


def test_document_that_is_being_restored_is_not_purged(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(REMOVED_DOCUMENT), {"w": WORKSPACE, "s": source_id})
    with ThreadPoolExecutor(1) as pool, db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update documents set deleted_at = null"))
        assert pool.submit(sweep, db, settings_for(database)).result(20) == (0, 0), "it does not wait for the lock"
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select key, deleted_at from documents")).all() == [("a.md", None)]


def test_old_runs_go_with_their_items_and_steps(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    old = [add(db, source_id, age) for age in (300, 200, 91)]
    kept = {add(db, source_id, 89), add(db, source_id, 1)}
    assert sweep(db, settings_for(database)) == (3, 0)
    assert left(db) == kept
    assert not kept & set(old)
    assert sweep(db, settings_for(database)) == (0, 0)


def test_a_sources_last_run_its_last_listing_and_what_is_open_stay_whatever_their_age(
    db: Database, database: FreshDatabase
) -> None:
    source_id, other_id = add_source(db), add_source(db)
    add(db, source_id, 400)
    listing = add(db, source_id, 300)
    retried = add(db, source_id, 280, "retry")
    add(db, source_id, 250, "collect", None)
    add(db, source_id, 220, "restore")
    last = add(db, source_id, 210, "dry_run")
    add(db, other_id, 250, "retry")
    add(db, other_id, 240, "collect")
    open_id = add(db, other_id, None)
    sweep(db, settings_for(database))
    assert left(db) == {listing, retried, last, open_id}


def test_a_run_of_many_items_goes_by_and_by_and_not_before_its_time(db: Database, database: FreshDatabase) -> None:
    source_id = add_source(db)
    big = add(db, source_id, 100)
    last = add(db, source_id, 99)
    with db.transaction(WORKSPACE) as tx:
        many = """insert into run_items (run_id, workspace_id, key, action)
            select :r, :w, 'k' || n, 'added' from generate_series(1, 12000) n"""
        tx.execute(sa.text(many), {"r": big, "w": WORKSPACE})
    assert sweep(db, settings_for(database, keep_runs_days=101)) == (0, 0)
    assert sweep(db, settings_for(database), for_s=0) == (0, 0)
    assert sweep(db, settings_for(database)) == (1, 0)
    assert left(db) == {last}


def test_documents_removed_long_ago_go_for_good_in_every_workspace(database: FreshDatabase, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write({f"{name}.md": f"# {name}\n\ntext, see [a](a.md)\n" for name in "abcd"})
    with opened(database) as pipeline:
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


def test_the_engine_learns_where_tombstones_are_due_and_sees_none_of_them(
    db: Database, database: FreshDatabase
) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0
        assert tx.execute(sa.text("select workspaces_with_tombstones(now())")).all() == []


class Staging:
    """A source of a pipeline whose blobs lie in a folder, with one that `list` has staged."""

    def __init__(self, pipeline: Pipeline, source: Source) -> None:
        self.pipeline = pipeline
        self.source = source
        self.key = f"staged/{source.id}/content"
        self.blobs = open_blobs(pipeline.settings.blob_url)
        self.blobs.put(self.key, b"x")

    def is_there(self) -> bool:
        return self.blobs.exists(self.key)


@pytest.fixture
def staging(database: FreshDatabase, tmp_path: Path) -> Iterator[Staging]:
    repository = Repository(tmp_path / "repository")
    repository.write({"a.md": "# A\n\ntext\n"})
    with opened(database, blob_url=(tmp_path / "blobs").as_uri()) as pipeline:
        yield Staging(pipeline, pipeline.add_source(repository.url))


def ask(staging: Staging, method: str, path: str) -> int:
    """Call a route of the collection function; returns the status."""
    client = CollectionClient(staging.pipeline.database, staging.pipeline.settings).client
    return client.open(path, method=method).status_code


def test_what_was_staged_for_a_run_that_is_cancelled_goes(staging: Staging) -> None:
    run_id = staging.pipeline.start(staging.source)
    assert ask(staging, "POST", f"/api/runs/{run_id}/cancel") == 200
    assert not staging.is_there()


def test_what_was_staged_for_a_source_that_is_deleted_goes(staging: Staging) -> None:
    assert ask(staging, "DELETE", f"/api/sources/{staging.source.id}") == 204
    assert not staging.is_there()


def test_what_was_staged_for_a_run_that_fails_goes(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "repository").rename(tmp_path / "away")
    assert staging.pipeline.collect(staging.source).state == "failed"
    assert not staging.is_there()
