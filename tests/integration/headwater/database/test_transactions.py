"""The database's edges: what can't be had is 503, what is logged holds no values, what deletes waits its turn."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import cast

import pg8000
import pytest
import sqlalchemy as sa

from functions.collection.runs.end import end_run
from functions.collection.runs.read import read_run
from functions.collection.runs.start import start_run
from functions.collection.sources import sources
from headwater.database.pg8000_pipeline import PipelinedConnection
from headwater.database.transactions import ALL_WORKSPACES, OVERFLOW, Database
from headwater.errors import DatabaseUnavailable, NotFound, UnprocessableContent
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE, add_run, add_workspace


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, 4)
    add_workspace(made)
    yield made
    made.close()


def source_of(db: Database, run_id: uuid.UUID) -> uuid.UUID:
    with db.transaction(WORKSPACE) as tx:
        found: uuid.UUID = tx.execute(sa.text("select source_id from runs where id = :id"), {"id": run_id}).scalar_one()
    return found


def test_exhausted_pool_is_database_unavailable(database: FreshDatabase) -> None:
    small = Database(database.url, 1, pool_timeout_s=0.1)
    with (
        small.transaction(ALL_WORKSPACES),
        small.transaction(ALL_WORKSPACES),
        small.transaction(ALL_WORKSPACES),
        pytest.raises(DatabaseUnavailable),
        small.transaction(ALL_WORKSPACES),
    ):
        pass
    small.close()


def test_reserved_connections_are_free_when_the_others_are_in_use(database: FreshDatabase) -> None:
    small = Database(database.url, 1, pool_timeout_s=0.1, reserved=OVERFLOW)
    with (
        small.transaction(ALL_WORKSPACES),
        small.transaction(ALL_WORKSPACES, reserved=True) as first,
        small.transaction(ALL_WORKSPACES, reserved=True) as second,
    ):
        assert [tx.execute(sa.text("select 1")).scalar_one() for tx in (first, second)] == [1, 1]
        for reserved in (False, True):
            with pytest.raises(DatabaseUnavailable), small.transaction(ALL_WORKSPACES, reserved=reserved):
                pass
    small.close()


@pytest.mark.direct
def test_connection_that_was_used_last_is_used_again(db: Database) -> None:
    def connection() -> int:
        with db.transaction(ALL_WORKSPACES) as tx:
            return int(tx.execute(sa.text("select pg_backend_pid()")).scalar_one())

    with db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("select 1"))
        other = connection()
    assert len({connection() for _ in range(4)} - {other}) == 1, "the outer transaction's, which was returned last"
    assert other not in {connection() for _ in range(4)}


def test_closed_database_leaves_no_connection_open(db: Database) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        running = tx.connection.dbapi_connection
        db.close()
        tx.execute(sa.text("select 1"))
    with db.transaction(ALL_WORKSPACES) as tx:
        later = tx.connection.dbapi_connection
        tx.execute(sa.text("select 1"))
    for connection in (running, later):
        with pytest.raises(pg8000.InterfaceError, match="connection is closed"):
            cast(PipelinedConnection, connection).execute_simple("select 1")


def test_missing_database_is_database_unavailable(database: FreshDatabase) -> None:
    elsewhere = Database(database.url.replace(database.name, "nowhere"))
    with pytest.raises(DatabaseUnavailable), elsewhere.transaction(ALL_WORKSPACES):
        pass


@pytest.mark.direct
def test_database_that_accepts_no_connections_is_unavailable(
    db: Database, database: FreshDatabase, postgres: Cluster
) -> None:
    db.close()
    postgres.execute(f"alter database {database.name} allow_connections false")
    try:
        with pytest.raises(DatabaseUnavailable, match="not currently accepting"), db.transaction(ALL_WORKSPACES):
            pass
    finally:
        postgres.execute(f"alter database {database.name} allow_connections true")


def test_same_sqlstate_of_a_statement_is_no_unavailable_database(db: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="55000"), db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("select lastval()"))


@pytest.mark.parametrize(
    ("statement", "value"), [("select :v = name from workspaces", "a\0b"), ("select cast(:v as jsonb)", '["\\u0000"]')]
)
def test_text_with_nul_is_unprocessable(db: Database, statement: str, value: str) -> None:
    with pytest.raises(UnprocessableContent, match="NUL"), db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text(statement), {"v": value})


def test_error_omits_parameter_values(db: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as failed, db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("select 1 / cast(:n as integer), cast(:t as text)"), {"n": 0, "t": "words of a page"})
    assert "words of a page" not in str(failed.value)


def test_source_can_be_deleted_while_a_step_is_applied(db: Database) -> None:
    run_id = add_run(db)
    source_id = source_of(db, run_id)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", "a")])
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "test", 30)
    assert step is not None

    def delete() -> None:
        with db.transaction(WORKSPACE) as tx:
            sources.delete_source(tx, WORKSPACE, source_id)

    with ThreadPoolExecutor(1) as pool, db.transaction(WORKSPACE) as tx:
        ledger.lock(tx, step)
        deleted = pool.submit(delete)
        _wait_for_a_lock(db)
        tx.execute(
            sa.text("""insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
                values (:w, :s, 'k', 'f', 't', 'text/markdown', '')"""),
            {"w": WORKSPACE, "s": source_id},
        )
        ledger.complete(tx, step, {})
        tx.commit()
        deleted.result(30)
    with pytest.raises(NotFound), db.transaction(WORKSPACE) as tx:
        sources.read_source(tx, WORKSPACE, source_id)


def test_source_can_be_deleted_while_steps_are_claimed_and_applied(db: Database) -> None:
    run_id = add_run(db)
    source_id = source_of(db, run_id)

    def claimed() -> Step:
        with db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "collection", ["fetch"], "test", 30)
        assert step is not None
        return step

    def delete() -> None:
        with db.transaction(WORKSPACE) as tx:
            sources.delete_source(tx, WORKSPACE, source_id)

    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", key) for key in "ab"])
    first = claimed()
    with ThreadPoolExecutor(1) as pool, db.transaction(WORKSPACE) as tx, db.transaction(WORKSPACE) as other:
        ledger.lock(tx, first)
        deleted = pool.submit(delete)
        _wait_for_a_lock(db)
        second = claimed()
        ledger.lock(other, second)
        ledger.complete(tx, first, {})
        tx.commit()
        _wait_for_a_lock(db)
        other.execute(sa.text("update runs set total = 2 where id = :id"), {"id": run_id})
        ledger.complete(other, second, {})
        other.commit()
        deleted.result(30)


def test_start_run_succeeds_while_runs_end_concurrently(db: Database) -> None:
    source_id = source_of(db, add_run(db))
    over = threading.Event()

    def end() -> None:
        while not over.is_set():
            with db.transaction(WORKSPACE) as tx:
                tx.execute(sa.text("update runs set state = 'failed', finished_at = now() where state = 'running'"))

    def collect() -> None:
        for _ in range(150):
            with db.transaction(WORKSPACE) as tx:
                start_run(tx, WORKSPACE, source_id, "api")

    with ThreadPoolExecutor(3) as pool:
        ender, *collectors = pool.submit(end), pool.submit(collect), pool.submit(collect)
        wait(collectors)
        over.set()
    for future in (ender, *collectors):
        future.result()


def test_start_run_returns_the_open_run_with_its_engine(db: Database) -> None:
    source_id = source_of(db, add_run(db))
    with db.transaction(WORKSPACE) as tx:
        run_id, is_new = start_run(tx, WORKSPACE, source_id, "job", execution="headwater-a1")
        assert not is_new
        run = read_run(tx, run_id)
        assert (run.trigger, run.engine, run.execution) == ("api", "tickets", "headwater-a1")
        end_run(tx, run_id, "failed")
    with db.transaction(WORKSPACE) as tx:
        run_id, is_new = start_run(tx, WORKSPACE, source_id, "job", execution="headwater-b2")
        assert is_new
        assert start_run(tx, WORKSPACE, source_id, "api") == (run_id, False)
        run = read_run(tx, run_id)
        assert (run.trigger, run.engine, run.execution) == ("job", "job", "headwater-b2")


def test_start_run_rejects_an_unknown_source(db: Database) -> None:
    with pytest.raises(NotFound), db.transaction(WORKSPACE) as tx:
        start_run(tx, WORKSPACE, uuid.uuid4(), "api")


def _wait_for_a_lock(db: Database) -> None:
    waiting = sa.text("select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with db.transaction(ALL_WORKSPACES) as tx:
            if tx.execute(waiting).scalar():
                return
        time.sleep(0.01)
    raise AssertionError("no transaction waits for a lock")
