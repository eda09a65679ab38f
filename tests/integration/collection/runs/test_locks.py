"""Concurrent changes of a run: which transaction waits for which, and what it sees afterwards."""

import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from functions.collection.runs.end import cancel_run, end_run
from functions.collection.runs.locks import lock_source, lock_source_of_run
from functions.collection.runs.manual import open_manual_run
from functions.collection.runs.pause import is_paused, set_paused
from functions.collection.runs.queued import start_or_queue_run
from functions.collection.runs.start import start_run
from functions.collection.sources.sources import delete_source
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import NotFound
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Repository, running_pipeline
from tests.harness.stacks import wait_until
from tests.harness.support import WORKSPACE, add_run, add_source, add_workspace


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    opened_database = Database(database.url, 5)
    yield opened_database
    opened_database.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def restore(db: Database, source_id: uuid.UUID, key: str) -> uuid.UUID:
    """Add an item to the open `restore` run of a source, or open one."""
    with db.transaction(WORKSPACE) as tx:
        lock_source(tx, WORKSPACE, source_id)
        return open_manual_run(tx, WORKSPACE, source_id, kind="restore", items=[{"k": key, "a": "added"}])


def wait_until_blocked(db: Database, *works: "Future[Any]", statement: str = "") -> None:
    """Wait until each work waits for a lock, with a statement that begins so. Fails if one ends instead."""
    blocked = sa.text("""
        select count(*) from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database() and starts_with(query, :statement)
    """)

    def are_blocked() -> bool:
        with db.transaction(ALL_WORKSPACES) as tx:
            return bool(tx.execute(blocked, {"statement": statement}).scalar_one() == len(works))

    wait_until(lambda: any(work.done() for work in works) or are_blocked())
    assert not any(work.done() for work in works)


def test_pause_waits_for_a_transaction_that_has_checked_it(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    source_id = add_source(db)

    def pause() -> None:
        with db.transaction(WORKSPACE) as tx:
            lock_source(tx, WORKSPACE, source_id)
            set_paused(tx, source_id, paused=True)

    with db.transaction(WORKSPACE) as tx:
        assert not is_paused(tx, source_id)
        pausing = pool.submit(pause)
        wait_until_blocked(db, pausing)
    pausing.result(30)
    with db.transaction(WORKSPACE) as tx:
        assert is_paused(tx, source_id)


def test_manual_run_is_not_added_to_a_run_that_is_being_cancelled(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    source_id = add_source(db)
    first = restore(db, source_id, "a.md")
    assert restore(db, source_id, "b.md") == first
    with db.transaction(WORKSPACE) as tx:
        cancel_run(tx, first)
        restoring = pool.submit(restore, db, source_id, "c.md")
        wait_until_blocked(db, restoring)
    assert restoring.result(30) != first


@pytest.mark.parametrize("kind", ["cancel", "delete"])
def test_cancel_and_delete_wait_for_a_finish_step_added_meanwhile(
    db: Database, pool: ThreadPoolExecutor, kind: str
) -> None:
    add_workspace(db)
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        source_id = tx.execute(sa.text("select id from sources")).scalar_one()

    def cancel_or_delete() -> None:
        with db.transaction(WORKSPACE) as tx:
            if kind == "cancel":
                cancel_run(tx, run_id)
            else:
                delete_source(tx, WORKSPACE, source_id)

    def finish(step: Step) -> None:
        with db.transaction(WORKSPACE) as tx:
            ledger.lock(tx, step)
            lock_source_of_run(tx, run_id)
            ledger.complete(tx, step, {}, [NewStep("collection", "link", "0")])

    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("select 1 from runs where id = :id for share"), {"id": run_id})
        cancelling = pool.submit(cancel_or_delete)
        wait_until_blocked(db, cancelling)  # it has found no open step, and locked the source
        with db.transaction(ALL_WORKSPACES) as other:
            assert ledger.fan_in(other, run_id)
            step = ledger.claim(other, "collection", ["finish"], "test", 60)
        assert step is not None
        finishing = pool.submit(finish, step)
        wait_until_blocked(db, cancelling, finishing)
    finishing.result(30)
    cancelling.result(30)
    with db.transaction(WORKSPACE) as tx:
        expected = [("finish", "done"), ("link", "cancelled")] if kind == "cancel" else []
        assert tx.execute(sa.text("select kind, state from steps order by id")).all() == expected


def test_delete_source_waits_for_a_step_before_it_locks_the_source(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "list", "")])
        source_id = tx.execute(sa.text("select id from sources")).scalar_one()

    def delete() -> None:
        with db.transaction(WORKSPACE) as tx:
            delete_source(tx, WORKSPACE, source_id)

    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["list"], "test", 60)
    assert step is not None
    with db.transaction(WORKSPACE) as tx:
        ledger.lock(tx, step)
        deleting = pool.submit(delete)
        wait_until_blocked(db, deleting)
        tx.execute(sa.text("update sources set snapshot = 'c0ffee'"))  # would deadlock if the deletion had locked it
    deleting.result(30)
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select count(*) from sources")).scalar_one() == 0


def test_start_waits_for_a_deletion_of_its_source(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    source_id = add_source(db)

    def delete() -> None:
        with db.transaction(WORKSPACE) as tx:
            delete_source(tx, WORKSPACE, source_id)

    def start() -> None:
        with db.transaction(WORKSPACE) as tx:
            start_run(tx, WORKSPACE, source_id, "api")

    with db.transaction(WORKSPACE) as tx:
        # As a transaction that stores a document. Only the deletion waits for it.
        tx.execute(sa.text("select 1 from sources for key share"))
        deleting = pool.submit(delete)
        wait_until_blocked(db, deleting, statement="delete from sources")
        starting = pool.submit(start)
        wait_until_blocked(db, deleting, starting)
    deleting.result(30)
    with pytest.raises(NotFound, match="Source not found"):
        starting.result(30)


def test_delete_source_cancels_a_queued_run_that_opens_meanwhile(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    run_id = add_run(db)

    def delete(source_id: uuid.UUID) -> None:
        with db.transaction(WORKSPACE) as tx:
            delete_source(tx, WORKSPACE, source_id)

    with db.transaction(WORKSPACE) as storing:
        source_id = storing.execute(sa.text("select id from sources for key share")).scalar_one()
        with db.transaction(WORKSPACE) as tx:
            start_or_queue_run(tx, WORKSPACE, source_id, "api")
            end_run(tx, run_id, "succeeded")
            deleting = pool.submit(delete, source_id)
            wait_until_blocked(db, deleting)
        wait_until_blocked(db, deleting, statement="delete from sources")
        with db.transaction(ALL_WORKSPACES) as tx:  # a worker that locks the step would wait for the source
            assert ledger.claim(tx, "collection", ["list"], "test", 60) is None
    deleting.result(30)


def test_finish_waits_for_an_item_that_is_being_added_to_its_run(
    database: FreshDatabase, db: Database, pool: ThreadPoolExecutor
) -> None:
    with running_pipeline(database) as pipeline:
        source = pipeline.add_source("https://git.example/a/b")
        run_id = restore(db, source.id, "a.md")
        assert pipeline.step("collection") == 1, "finish"
        assert pipeline.step("collection") == 1, "link"
        assert pipeline.rows("select kind from steps where state = 'ready'") == [("finish",)]
        with db.transaction(WORKSPACE) as tx:
            lock_source(tx, WORKSPACE, source.id)
            items = [{"k": "b.md", "a": "added"}]
            assert open_manual_run(tx, WORKSPACE, source.id, kind="restore", items=items) == run_id
            finishing = pool.submit(pipeline.step, "collection")
            wait_until_blocked(db, finishing)
        finishing.result(30)
        pipeline.drain()
        assert pipeline.read(run_id).state == "succeeded"
        assert pipeline.rows("select key, state from run_items order by key") == [("a.md", "done"), ("b.md", "done")]


@pytest.mark.parametrize("kind", ["list", "finish"])
def test_upload_starts_its_run_while_a_step_waits_for_the_source(
    database: FreshDatabase, db: Database, pool: ThreadPoolExecutor, repository: Repository, kind: str
) -> None:
    repository.write({"a.md": "# A\n\nText.\n"})
    with running_pipeline(database, fetch_file_urls=True) as pipeline:
        source = pipeline.add_source(repository.url)
        run_id = pipeline.start(source)
        pipeline.drain(stop=lambda: pipeline.rows("select kind from steps where is_open") == [(kind,)])
        with db.transaction(WORKSPACE) as tx:
            lock_source(tx, WORKSPACE, source.id)
            working = pool.submit(pipeline.step, "collection")
            wait_until_blocked(db, working)
            assert start_or_queue_run(tx, WORKSPACE, source.id, "api") == (run_id, False)  # no deadlock
        assert working.result(30) == 1
        pipeline.drain()
        assert pipeline.rows("select max(attempt) from steps") == [(0,)]


def test_run_that_ends_locks_its_source_first(db: Database, pool: ThreadPoolExecutor) -> None:
    add_workspace(db)
    run_id = add_run(db)

    def end() -> None:
        with db.transaction(WORKSPACE) as tx:
            end_run(tx, run_id, "failed")

    with db.transaction(WORKSPACE) as tx:
        source_id = tx.execute(sa.text("select id from sources")).scalar_one()
        lock_source(tx, WORKSPACE, source_id)
        ending = pool.submit(end)
        wait_until_blocked(db, ending)
        assert start_or_queue_run(tx, WORKSPACE, source_id, "api") == (run_id, False)  # no deadlock
    ending.result(30)
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select kind, state from runs order by created_at")).all() == [
            ("collect", "failed"),
            ("collect", "running"),
        ]
