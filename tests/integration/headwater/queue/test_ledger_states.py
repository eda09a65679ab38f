"""The database refuses every state transition that is not in the ledger's diagram."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from headwater.database.transactions import Database
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE, add_run, add_workspace

STEP = {"ready", "running", "done", "failed", "cancelled"}
STEP_MAY = {
    ("ready", "running"),
    ("ready", "cancelled"),
    ("running", "ready"),
    ("running", "done"),
    ("running", "failed"),
    ("running", "cancelled"),
}
RUN = {"running", "succeeded", "partial", "failed", "cancelled"}
ITEM = {"pending", "done", "failed"}


@pytest.fixture(scope="module")
def db(module_database: FreshDatabase) -> Iterator[Database]:
    made = Database(module_database.url, 1)
    add_workspace(made)
    yield made
    made.close()


def is_allowed(db: Database, table: str, insert: str, before: str, after: str) -> bool:
    """Return True if a new row may change from one state to another. Rolls back."""
    set_state = {
        "steps": "state = :state, lease_until = case when :state = 'running' then now() end",
        "runs": "state = :state, finished_at = case when :state <> 'running' then now() end",
        "run_items": "state = :state",
    }[table]
    run_id = add_run(db)
    try:
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text(insert), {"run_id": run_id, "w": WORKSPACE, "state": before})
            where = "id = :run_id" if table == "runs" else "run_id = :run_id"
            tx.execute(sa.text(f"update {table} set {set_state} where {where}"), {"run_id": run_id, "state": after})
    except ProgrammingError as error:  # pg8000 raises it for all violations except unique keys
        return f"can't go from {before} to {after}" not in str(error)
    return True


@pytest.mark.parametrize("before", sorted(STEP))
def test_step_allows_only_the_transitions_of_the_diagram(db: Database, before: str) -> None:
    insert = """
        insert into steps (run_id, workspace_id, queue, kind, key, state, lease_until)
        values (:run_id, :w, 'collection', 'fetch', 'a', :state, case when :state = 'running' then now() end)
    """
    may = {after for after in STEP - {before} if is_allowed(db, "steps", insert, before, after)}
    assert may == {after for start, after in STEP_MAY if start == before}


@pytest.mark.parametrize("before", sorted(RUN))
def test_run_ends_once(db: Database, before: str) -> None:
    insert = """
        update runs set state = :state, finished_at = case when :state <> 'running' then now() end
        where id = :run_id and workspace_id = :w
    """
    may = {after for after in RUN - {before} if is_allowed(db, "runs", insert, before, after)}
    assert may == (RUN - {before} if before == "running" else set())


@pytest.mark.parametrize("before", sorted(ITEM))
def test_item_ends_once(db: Database, before: str) -> None:
    insert = """
        insert into run_items (run_id, workspace_id, key, action, state) values (:run_id, :w, 'a', 'added', :state)
    """
    may = {after for after in ITEM - {before} if is_allowed(db, "run_items", insert, before, after)}
    assert may == (ITEM - {before} if before == "pending" else set())
