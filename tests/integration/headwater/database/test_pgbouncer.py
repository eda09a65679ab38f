"""Concurrent workers behind PgBouncer, which gives each transaction another server connection."""

import io
import json
import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.arrays import integers, uuids
from headwater.database.transactions import Database, json_rows
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase, fresh_database
from tests.harness.pgbouncer import Bouncer

pytestmark = pytest.mark.direct

WORKERS = 8
TRANSACTIONS = 100

Statement = Callable[[Connection, uuid.UUID, random.Random], None]


def own_name(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    assert tx.execute(sa.text("select name from workspaces")).scalars().all() == [str(me)]


def own_scope(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    assert tx.exec_driver_sql("select current_setting('app.workspace_id')").scalar_one() == str(me)


def any_values(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    values = chance.random(), "%" + "x" * chance.randrange(20_000), None
    statement = sa.text("select cast(:a as float8), cast(:b as text), cast(:c as text)")
    assert tx.execute(statement, dict(zip("abc", values, strict=True))).one() == values


def many_rows(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    rows = [{"n": n, "who": str(me)} for n in range(chance.randrange(300))]
    statement = sa.text(
        "select n, who from json_to_recordset(cast(:rows as json)) as r (n integer, who text) order by n"
    )
    assert [tuple(row) for row in tx.execute(statement, {"rows": json_rows(rows)})] == [tuple(r.values()) for r in rows]


def binary_rows(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    count = chance.randrange(300)
    statement = sa.text("select unnest(cast(:numbers as integer[])), unnest(cast(:ids as uuid[]))")
    stored = tx.execute(statement, {"numbers": integers(range(count)), "ids": uuids([me] * count)})
    assert [tuple(row) for row in stored] == [(n, me) for n in range(count)]


def temporary_rows(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    count = chance.randrange(1, 300)
    tx.exec_driver_sql("create temporary table copied (n integer, who text) on commit drop")
    stream = io.BytesIO("".join(f"{n}\t{me}\n" for n in range(count)).encode())
    tx.connection.cursor().execute("copy copied from stdin", stream=stream)  # type: ignore[call-arg]
    assert tx.exec_driver_sql("select count(*), min(who), max(who) from copied").one() == (count, str(me), str(me))
    tx.exec_driver_sql("drop table copied")


def own_writes(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    config = json.dumps({"n": chance.randrange(1_000_000)})
    add = "insert into sources (workspace_id, kind, name, config) values (:w, 'git', :w, :c) returning id"
    source_id = tx.execute(sa.text(add), {"w": str(me), "c": config}).scalar_one()
    stored = tx.execute(sa.text("select config, workspace_id from sources where id = :id"), {"id": source_id})
    assert stored.one() == (json.loads(config), me)


def advisory_lock(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    tx.execute(sa.text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": str(me)})


def failed_savepoint(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    with pytest.raises(sa.exc.IntegrityError), tx.begin_nested():
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, 'again')"), {"id": me})


KINDS: list[Statement] = [own_name, own_scope, any_values, many_rows, temporary_rows, own_writes, advisory_lock]
KINDS += [binary_rows, failed_savepoint]


def work(url: str, seed: int) -> int:
    """Run one worker's transactions, each with two to four statements. Returns the number of statements."""
    chance, me, statements = random.Random(seed), uuid.UUID(int=seed), 0
    servers = set()
    database = Database(url, 1)
    with database.transaction(me) as tx:
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, :name)"), {"id": me, "name": str(me)})
    for n in range(TRANSACTIONS):
        chosen = chance.choices(KINDS, k=chance.randrange(2, 5))
        is_rolled_back = n % 10 == 9
        try:
            with database.transaction(me) as tx:
                servers.add(tx.exec_driver_sql("select pg_backend_pid()").scalar_one())
                for statement in chosen:
                    statement(tx, me, chance)
                if is_rolled_back:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert is_rolled_back
        statements += len(chosen)
    database.close()
    assert len(servers) > 1, "all transactions had the same server connection"
    return statements


def test_concurrent_workers_see_only_their_own_rows(migrated_postgres: Cluster, bouncer: Bouncer) -> None:
    with fresh_database(migrated_postgres) as database, ThreadPoolExecutor(WORKERS) as pool:
        url = bouncer.through(database.url)
        statements = pool.map(lambda seed: work(url, seed), range(1, WORKERS + 1))
        assert sum(statements) >= 2000
        assert server_connections(migrated_postgres, database) <= WORKERS


def server_connections(cluster: Cluster, database: FreshDatabase) -> int:
    connection = cluster.connect()
    cursor = connection.cursor()
    cursor.execute(f"select count(*) from pg_stat_activity where datname = '{database.name}' and usename = 'app'")
    [(connections,)] = cursor.fetchall()
    connection.close()
    return int(connections)
