"""Eight workers behind a PgBouncer that gives each transaction another connection: their own rows, and no error."""

import io
import json
import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

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


def whatever_is_asked(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    asked = chance.random(), "%" + "x" * chance.randrange(20_000), None
    statement = sa.text("select cast(:a as float8), cast(:b as text), cast(:c as text)")
    assert tx.execute(statement, dict(zip("abc", asked, strict=True))).one() == asked


def many_rows(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    rows = [{"n": n, "who": str(me)} for n in range(chance.randrange(300))]
    statement = sa.text(
        "select n, who from json_to_recordset(cast(:rows as json)) as r (n integer, who text) order by n"
    )
    assert [tuple(row) for row in tx.execute(statement, {"rows": json_rows(rows)})] == [tuple(r.values()) for r in rows]


def temporary_rows(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    count = chance.randrange(1, 300)
    tx.exec_driver_sql("create temporary table brought (n integer, who text) on commit drop")
    stream = io.BytesIO("".join(f"{n}\t{me}\n" for n in range(count)).encode())
    tx.connection.cursor().execute("copy brought from stdin", stream=stream)  # type: ignore[call-arg]
    assert tx.exec_driver_sql("select count(*), min(who), max(who) from brought").one() == (count, str(me), str(me))
    tx.exec_driver_sql("drop table brought")


def own_writes(tx: Connection, me: uuid.UUID, chance: random.Random) -> None:
    config = json.dumps({"n": chance.randrange(1_000_000)})
    add = "insert into sources (workspace_id, kind, name, config) values (:w, 'git', :w, :c) returning id"
    made = tx.execute(sa.text(add), {"w": str(me), "c": config}).scalar_one()
    read = tx.execute(sa.text("select config, workspace_id from sources where id = :id"), {"id": made})
    assert read.one() == (json.loads(config), me)


def locked(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    tx.execute(sa.text("select pg_advisory_xact_lock(hashtext(:what))"), {"what": str(me)})


def refused_and_undone(tx: Connection, me: uuid.UUID, _: random.Random) -> None:
    with pytest.raises(sa.exc.IntegrityError), tx.begin_nested():
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, 'again')"), {"id": me})


KINDS: list[Statement] = [own_name, own_scope, whatever_is_asked, many_rows, temporary_rows, own_writes, locked]
KINDS += [refused_and_undone]


def work(url: str, seed: int) -> int:
    """Run one worker's transactions, each of two to four kinds of statements; returns how many statements it ran."""
    chance, me, ran = random.Random(seed), uuid.UUID(int=seed), 0
    servers = set()
    database = Database(url, 1)
    with database.transaction(me) as tx:
        tx.execute(sa.text("insert into workspaces (id, name) values (:id, :name)"), {"id": me, "name": str(me)})
    for n in range(TRANSACTIONS):
        chosen = chance.choices(KINDS, k=chance.randrange(2, 5))
        undone = n % 10 == 9
        try:
            with database.transaction(me) as tx:
                servers.add(tx.exec_driver_sql("select pg_backend_pid()").scalar_one())
                for statement in chosen:
                    statement(tx, me, chance)
                if undone:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert undone
        ran += len(chosen)
    database.close()
    assert len(servers) > 1, "one connection to the pooler is several to Postgres"
    return ran


def test_concurrent_workers_see_only_their_own_rows(migrated_postgres: Cluster, bouncer: Bouncer) -> None:
    with fresh_database(migrated_postgres) as database, ThreadPoolExecutor(WORKERS) as pool:
        url = bouncer.through(database.url)
        ran = list(pool.map(lambda seed: work(url, seed), range(1, WORKERS + 1)))
        assert sum(ran) >= 2000
        assert server_connections(migrated_postgres, database) <= WORKERS


def server_connections(cluster: Cluster, database: FreshDatabase) -> int:
    seen = f"select 1 from pg_stat_activity where datname = '{database.name}' and usename = 'app'"
    connection = cluster.connect()
    cursor = connection.cursor()
    cursor.execute(seen)
    found = len(cursor.fetchall())
    connection.close()
    return found
