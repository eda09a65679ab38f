"""The cost of a claim does not grow with finished steps. Cost is the number of pages that Postgres reads."""

import json
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from scripts.local.postgres import Cluster
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE, add_run, add_workspace

pytestmark = pytest.mark.direct

FINISHED = """
    insert into headwater.steps (run_id, workspace_id, queue, kind, key, state, finished_at)
    select '{run_id}', '{workspace_id}', 'collection', 'fetch', n, 'done', now() from generate_series({first}, {last}) n
"""
SOME, MANY = 1_000, 100_000


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, 1)
    add_workspace(made)
    yield made
    made.close()


def pages(db: Database, statement: sa.TextClause, **values: object) -> int:
    """Count the pages that a statement reads. Its changes are rolled back."""
    explained = sa.text(f"explain (analyze, buffers, format json) {statement.text}")
    with db.engine.connect() as tx:
        tx.exec_driver_sql("select set_config('search_path', 'headwater, public', true)")
        tx.exec_driver_sql(f"select set_config('app.workspace_id', '{ALL_WORKSPACES}', true)")
        plan = tx.execute(explained, values).scalar_one()
        tx.rollback()
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def costs(db: Database, run_id: object) -> dict[str, int]:
    claim = {"queue": "collection", "kinds": ["fetch"], "holder": "test", "lease_s": 30.0, "max_running": 3}
    return {
        "claim": pages(db, ledger.CLAIM, **claim, after_workspace=WORKSPACE, previous_run=run_id),
        "fan-in": pages(db, ledger.FAN_IN, run_id=run_id),
        "take back": pages(db, ledger.TAKE_BACK),
    }


def test_page_reads_do_not_grow_with_finished_steps(
    migrated_postgres: Cluster, database: FreshDatabase, db: Database
) -> None:
    """With current and with stale statistics, plans use the indexes of open steps only."""
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", f"open {n}") for n in range(100)])

    def finish(first: int, last: int) -> None:
        insert = FINISHED.format(run_id=run_id, workspace_id=WORKSPACE, first=first, last=last)
        migrated_postgres.execute(insert, database=database.name)

    finish(1, SOME)
    migrated_postgres.execute("vacuum analyze headwater.steps", database=database.name)
    before = costs(db, run_id)
    finish(SOME + 1, MANY)
    untold = costs(db, run_id)
    migrated_postgres.execute("vacuum analyze headwater.steps", database=database.name)
    told = costs(db, run_id)
    for what, count in before.items():
        assert max(untold[what], told[what]) <= 2 * count + 8, (what, count, untold[what], told[what])


def test_page_reads_do_not_grow_with_stale_statistics(
    migrated_postgres: Cluster, database: FreshDatabase, db: Database
) -> None:
    run_id = add_run(db)
    insert = FINISHED.format(run_id=run_id, workspace_id=WORKSPACE, first=1, last=MANY)
    migrated_postgres.execute(insert, database=database.name)
    migrated_postgres.execute("vacuum analyze headwater.steps", database=database.name)

    def open_steps(first: int, last: int) -> None:
        with db.transaction(WORKSPACE) as tx:
            new = [NewStep("collection", "fetch", f"open {n}") for n in range(first, last)]
            ledger.add_steps(tx, run_id, WORKSPACE, new)

    open_steps(0, 10)
    before = costs(db, run_id)
    open_steps(10, 3_000)
    assert costs(db, run_id)["claim"] <= 2 * before["claim"] + 8
