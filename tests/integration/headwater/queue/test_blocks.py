"""Blocks of providers in the ledger, against a real Postgres."""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import LeaseLost
from headwater.queue import ledger
from headwater.queue.ledger import NewStep
from tests.harness.ledger import claim
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_run, add_workspace


def test_block_affects_all_workspaces_and_skips_locked_steps(db: Database) -> None:
    add_workspace(db, OTHER_WORKSPACE)
    for workspace_id in (WORKSPACE, OTHER_WORKSPACE):
        run_id = add_run(db, workspace_id)
        with db.transaction(workspace_id) as tx:
            steps = [NewStep("collection", "fetch", key, provider="x") for key in "ab"]
            ledger.add_steps(tx, run_id, workspace_id, steps)
    with db.transaction(WORKSPACE) as holding:
        holding.execute(sa.text("select id from steps where key = 'a' for update"))
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("set local lock_timeout = '5s'"))
            assert ledger.block(tx, "x", 3600, "too often")
    due = "select workspace_id, key from steps where not_before <= now()"
    with db.transaction(ALL_WORKSPACES) as tx:
        assert [tuple(row) for row in tx.execute(sa.text(due))] == [(WORKSPACE, "a")]


def block(db: Database, provider: str, for_s: float, reason: str = "too often") -> bool:
    with db.transaction(ALL_WORKSPACES) as tx:
        return ledger.block(tx, provider, for_s, reason)


def add_calls(db: Database, run_id: uuid.UUID, provider: str, *keys: str, workspace_id: uuid.UUID = WORKSPACE) -> None:
    with db.transaction(workspace_id) as tx:
        steps = [NewStep("collection", "fetch", key, provider=provider) for key in keys]
        ledger.add_steps(tx, run_id, workspace_id, steps)


def waits(db: Database) -> list[float]:
    """Return for how many seconds each ready step waits, in the order of their ids."""
    statement = sa.text("select extract(epoch from not_before - now())::float8 from steps order by id")
    with db.transaction(ALL_WORKSPACES) as tx:
        return list(tx.execute(statement).scalars())


def test_claim_skips_blocked_providers(db: Database) -> None:
    run_id = add_run(db)
    add_calls(db, run_id, "x", "a")
    add_calls(db, run_id, "y", "b")
    assert block(db, "x", 3600)
    add_calls(db, run_id, "x", "c")
    step = claim(db)
    assert step is not None
    assert (step.key, step.provider) == ("b", "y")
    block(db, "y", 3600)
    with db.transaction(WORKSPACE) as tx:
        ledger.lock(tx, step)
        ledger.retry(tx, step, 0.0, "busy", 12)
    assert claim(db) is None
    assert min(waits(db)) > 3590


def test_block_is_extended_but_never_shortened(db: Database) -> None:
    add_calls(db, add_run(db), "x", "a")
    assert block(db, "x", 600)
    assert not block(db, "x", 60)
    assert waits(db)[0] > 590
    assert not block(db, "x", 1200)
    assert waits(db)[0] > 1190


def test_block_ends_by_itself(db: Database) -> None:
    run_id = add_run(db)
    assert block(db, "x", 0.05)
    time.sleep(0.1)
    add_calls(db, run_id, "x", "a")
    step = claim(db)
    assert step is not None
    assert block(db, "x", 60)  # news again


def test_blocked_steps_become_due_one_after_another(db: Database) -> None:
    """A provider isn't called by all waiting steps at the moment at which its pause ends."""
    run_id = add_run(db)
    add_calls(db, run_id, "x", *(f"before {n}" for n in range(50)))
    block(db, "x", 600)
    add_calls(db, run_id, "x", *(f"after {n}" for n in range(50)))
    for due in (waits(db)[:50], waits(db)[50:]):
        assert 590 < min(due) < 620
        assert max(due) < 661
        assert max(due) - min(due) > 20
        assert len(set(due)) == 50


def test_workspace_cannot_read_blocks(db: Database) -> None:
    """A provider's name contains a credential, and the reason may name a source."""
    assert block(db, "https://git.example.com 7d0f", 600, "https://git.example.com/secret-project answered 429")
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select count(*) from providers")).scalar_one() == 0
        assert tx.execute(sa.text("delete from providers")).rowcount == 0
        assert tx.execute(sa.text("update providers set blocked_until = now()")).rowcount == 0
    with pytest.raises(sa.exc.ProgrammingError, match="row-level security"), db.transaction(WORKSPACE) as tx:
        ledger.block(tx, "y", 60, "no")
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select count(*) from providers where blocked_until > now()")).scalar_one() == 1


def test_expired_blocks_are_deleted(db: Database) -> None:
    block(db, "x", 0.01)
    block(db, "y", 600)
    time.sleep(0.05)
    with db.transaction(ALL_WORKSPACES) as tx:
        ledger.delete_expired_blocks(tx)
        assert list(tx.execute(sa.text("select name from providers")).scalars()) == ["y"]


def test_block_and_other_changes_of_steps_do_not_deadlock(db: Database) -> None:
    """Claims, blocks, retries and cancels of the same steps on six threads: all end, and none is refused."""
    providers = ("x", "y")
    errors: list[Exception] = []
    over = time.monotonic() + 2
    run_ids = [add_run(db) for _ in range(6)]
    for run_id in run_ids:
        for provider in providers:
            add_calls(db, run_id, provider, *(f"{provider} {n}" for n in range(30)))

    def repeat(action: Callable[[], object]) -> None:
        while time.monotonic() < over and not errors:
            try:
                with suppress(LeaseLost):  # another thread has blocked the provider or cancelled the run
                    action()
            except Exception as error:  # noqa: BLE001 - a deadlock is any error of the database
                errors.append(error)

    def work() -> None:
        step = claim(db)
        if step is not None:
            block(db, step.provider or "", 0.01)
            with db.transaction(WORKSPACE) as tx:
                ledger.lock(tx, step)
                ledger.retry(tx, step, 0.0, "busy", 12)

    def cancel() -> None:
        for run_id in run_ids[1:]:
            with db.transaction(WORKSPACE) as tx:
                ledger.cancel(tx, run_id)
            time.sleep(0.3)

    def move() -> None:
        with db.transaction(WORKSPACE) as tx:
            source_id = tx.execute(sa.text("select source_id from runs limit 1")).scalar_one()
            ledger.change_provider(tx, source_id, "x", "y")
            ledger.change_provider(tx, source_id, "y", "x")

    actions = [work, work, lambda: block(db, "x", 0.02), lambda: block(db, "y", 0.02), move]
    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    threads.append(threading.Thread(target=cancel))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
