"""Database connections: round trips of a transaction, and recovery of broken connections."""

import io
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pg8000
import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import DatabaseUnavailable
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase, connected
from tests.harness.stacks import wait_until
from tests.harness.support import WORKSPACE, add_workspace
from tests.harness.tcp_proxy import Proxy, running_proxy

pytestmark = pytest.mark.direct

ONE = sa.text("select :n + 0")


@pytest.fixture
def proxy(postgres: Cluster) -> Iterator[Proxy]:
    with running_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def db(module_database: FreshDatabase, proxy: Proxy) -> Iterator[Database]:
    with connected(proxy.through(module_database.url), 4) as db:
        yield db


def query(db: Database, n: int = 1) -> int:
    """Run one transaction with one statement. Returns `n` from the database."""
    with db.transaction(ALL_WORKSPACES) as tx:
        result: int = tx.execute(ONE, {"n": n}).scalar_one()
    return result


def round_trips(proxy: Proxy, db: Database, statements: int) -> int:
    before = proxy.round_trips
    with db.transaction(ALL_WORKSPACES) as tx:
        for n in range(statements):
            assert tx.execute(ONE, {"n": n}).scalar_one() == n
    return proxy.round_trips - before


def test_transaction_costs_one_round_trip_more_than_its_statements(proxy: Proxy, db: Database) -> None:
    query(db)
    assert [round_trips(proxy, db, statements) for statements in (0, 1, 3)] == [0, 2, 4]


def test_rollback_costs_one_round_trip(proxy: Proxy, db: Database) -> None:
    query(db)
    before = proxy.round_trips

    def roll_back() -> None:
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(ONE, {"n": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll_back()
    assert proxy.round_trips - before == 2


def use_all(db: Database) -> list[int]:
    """Run four transactions at once, each on its own connection. Returns the backends' process ids."""
    barrier = Barrier(4, timeout=60)

    def transact(_: int) -> int:
        with db.transaction(ALL_WORKSPACES) as tx:
            barrier.wait()
            pid: int = tx.execute(sa.text("select pg_backend_pid()")).scalar_one()
        return pid

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(transact, range(4)))


def test_broken_idle_connections_are_replaced(proxy: Proxy, db: Database) -> None:
    before = use_all(db)
    proxy.cut()
    assert query(db, 7) == 7
    assert set(use_all(db)).isdisjoint(before)


def test_terminated_connections_are_replaced(postgres: Cluster, proxy: Proxy, db: Database) -> None:
    for pid in use_all(db):
        postgres.execute(f"select pg_terminate_backend({pid})")
    wait_until(lambda: proxy.connections == 0)
    assert query(db, 7) == 7


def test_terminated_first_statement_is_not_repeated(
    postgres: Cluster, module_database: FreshDatabase, db: Database
) -> None:
    postgres.execute("create sequence executions", "grant all on executions to app", database=module_database.name)
    terminate = sa.text("select nextval('executions'), pg_terminate_backend(pg_backend_pid()), :n + 0")
    with pytest.raises(DatabaseUnavailable), db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(terminate, {"n": 1})
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select last_value from executions")).scalar_one() == 1


def test_multiple_statements_in_one_call_begin_a_transaction(db: Database) -> None:
    with db.transaction(WORKSPACE) as tx:
        tx.exec_driver_sql("set local lock_timeout = '7s'; set local statement_timeout = '9s'")
        settings = "select current_setting('lock_timeout'), current_setting('app.workspace_id', true)"
        assert tuple(tx.execute(sa.text(settings)).one()) == ("7s", str(WORKSPACE))


def test_connection_lost_in_a_transaction_is_database_unavailable(proxy: Proxy, db: Database) -> None:
    def lose_connection() -> None:
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("insert into workspaces (id, name) values (:id, 'lost')"), {"id": WORKSPACE})
            proxy.cut()
            tx.execute(ONE, {"n": 1})

    with pytest.raises(DatabaseUnavailable):
        lose_connection()
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select count(*) from workspaces")).scalar_one() == 0


def test_connection_lost_before_commit_is_database_unavailable(proxy: Proxy, db: Database) -> None:
    def lose_connection() -> None:
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(ONE, {"n": 1})
            proxy.cut()

    with pytest.raises(DatabaseUnavailable):
        lose_connection()
    assert query(db, 7) == 7


def test_unreachable_database_is_database_unavailable(proxy: Proxy, db: Database) -> None:
    query(db)
    proxy.close()
    with pytest.raises(DatabaseUnavailable):
        query(db)


def test_idle_transaction_timeout_is_one_minute(db: Database) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("show idle_in_transaction_session_timeout")).scalar_one() == "1min"


def test_settings_of_a_transaction_do_not_outlive_it(db: Database) -> None:
    settings = "select current_setting('app.workspace_id', true), current_setting('search_path')"
    with db.transaction(WORKSPACE) as tx:
        assert tuple(tx.execute(sa.text(settings)).one()) == (str(WORKSPACE), "headwater, public")
    with db.engine.begin() as tx:
        assert tuple(tx.execute(sa.text(settings)).one()) == ("", '"$user", public')


def test_transaction_rejects_a_scope_that_is_no_uuid(db: Database) -> None:
    with pytest.raises(ValueError, match="UUID"), db.transaction("x'; drop table steps; --"):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", None),
        ("text", "100 % of 'it' \\ ü %s :x $1"),
        ("text", "x" * 100_000),
        ("boolean", True),
        ("bigint", 7),
        ("numeric", Decimal("1.5")),
        ("uuid", uuid.UUID(int=5)),
        ("bytea", b"\0\xff"),
        ("text[]", ["a", None, 'b"c']),
        ("jsonb", {"a": [1, None]}),
        ("timestamptz", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:7],
)
def test_values_round_trip(db: Database, kind: str, value: Any) -> None:
    statement = sa.text(f"select cast(:value as {kind}), '100 %', :n + 0")
    parameter = json.dumps(value) if isinstance(value, dict) else value
    for n in range(2):
        with db.transaction(ALL_WORKSPACES) as tx:
            assert tuple(tx.execute(statement, {"value": parameter, "n": n}).one()) == (value, "100 %", n)


def test_connection_is_usable_after_a_failed_statement(db: Database) -> None:
    for n in range(3):
        with pytest.raises(sa.exc.ProgrammingError), db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("select 1 / :n"), {"n": 0})
        assert query(db, n) == n


def test_duplicate_workspace_is_an_integrity_error(db: Database) -> None:
    other = uuid.uuid4()
    add_workspace(db, other)
    with pytest.raises(sa.exc.IntegrityError):
        add_workspace(db, other)


def copy(tx: sa.Connection, content: str) -> None:
    tx.exec_driver_sql("create temporary table copied (n integer, word text) on commit drop")
    tx.connection.cursor().execute("copy copied from stdin", stream=io.BytesIO(content.encode()))  # type: ignore[call-arg]


def test_copy_stores_all_rows(db: Database) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        copy(tx, "".join(f"{n}\tword {n}\n" for n in range(5000)))
        assert tx.execute(sa.text("select count(*), sum(n) from copied where n >= :n"), {"n": 1}).one() == (
            4999,
            12497500,
        )


def test_connection_is_usable_after_a_failed_copy(db: Database) -> None:
    for n in range(3):
        with pytest.raises(pg8000.ProgrammingError, match="integer"), db.transaction(ALL_WORKSPACES) as tx:
            copy(tx, "1\tone\n" * 1000 + "no number\ttwo\n" + "3\tthree\n" * 1000)
        assert query(db, n) == n
