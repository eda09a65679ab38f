"""The ledger against a real Postgres: claims, fences, leases, fairness, fan-in."""

import threading
import uuid
from collections import Counter

import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import LeaseLost
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from tests.harness.ledger import add, claim, complete
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_run, add_workspace


def test_claim_returns_each_step_once_in_order(db: Database) -> None:
    add(db, add_run(db), "a", "b")
    first, second, third = claim(db), claim(db), claim(db)
    assert (first and first.key, second and second.key, third) == ("a", "b", None)
    assert first is not None
    assert first.payload == {"batch": 1}


def test_add_steps_ignores_existing_steps(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    add(db, run_id, "a")
    assert claim(db) is not None
    assert claim(db) is None


def test_urgent_step_is_claimed_before_the_ready_steps_of_its_run(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a", "b")
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "finish", "0", is_urgent=True)])
    add(db, run_id, "c")
    claimed = [claim(db) for _ in range(4)]
    assert [step and (step.kind, step.key) for step in claimed] == [
        ("finish", "0"),
        ("fetch", "a"),
        ("fetch", "b"),
        ("fetch", "c"),
    ]


def test_urgent_step_alone_in_its_run_is_due_now(db: Database) -> None:
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, add_run(db), WORKSPACE, [NewStep("collection", "finish", "0", is_urgent=True)])
    [claimed] = [claim(db)]
    assert claimed is not None
    assert claimed.kind == "finish"


def test_claim_skips_unknown_kinds(db: Database) -> None:
    add(db, add_run(db), "a")
    assert claim(db, kinds=("finish",)) is None


def test_take_back_invalidates_the_expired_lease(db: Database) -> None:
    add(db, add_run(db), "a")
    lost = claim(db, lease_s=0)
    assert lost is not None
    with db.transaction(ALL_WORKSPACES) as tx:
        assert ledger.take_back(tx) == 1
    again = claim(db)
    assert again is not None
    assert (again.fence, again.attempt, again.lost) == (lost.fence + 1, lost.attempt, 1)
    with pytest.raises(LeaseLost):
        complete(db, lost)
    complete(db, again)


def test_give_back_makes_the_step_due_and_invalidates_the_lease(db: Database) -> None:
    add(db, add_run(db), "a")
    step = claim(db)
    assert step is not None
    with db.transaction(WORKSPACE) as tx:
        assert ledger.give_back(tx, step)
        assert not ledger.give_back(tx, step)
    with pytest.raises(LeaseLost):
        complete(db, step)
    again = claim(db)
    assert again is not None
    assert (again.fence, again.attempt, again.lost) == (step.fence + 1, 0, 0)
    with db.transaction(WORKSPACE) as tx:
        assert not ledger.give_back(tx, step)


def test_take_back_keeps_renewed_leases(db: Database) -> None:
    add(db, add_run(db), "a")
    step = claim(db, lease_s=0)
    assert step is not None
    with db.transaction(WORKSPACE) as tx:
        assert ledger.renew(tx, step, 30)
    with db.transaction(ALL_WORKSPACES) as tx:
        assert ledger.take_back(tx) == 0


def test_renew_and_take_back_skip_locked_steps(db: Database) -> None:
    add(db, add_run(db), "a")
    step = claim(db, lease_s=0)
    assert step is not None
    with db.transaction(WORKSPACE) as writing:
        ledger.lock(writing, step)
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.exec_driver_sql("set local lock_timeout = '5s'")
            assert not ledger.renew(tx, step, 30)
            assert not ledger.give_back(tx, step)
            assert ledger.take_back(tx) == 0
        ledger.complete(writing, step, {})


def test_claim_alternates_between_equally_busy_workspaces(db: Database) -> None:
    names = sorted([WORKSPACE, add_workspace(db, OTHER_WORKSPACE), add_workspace(db, uuid.UUID(int=3))])
    for name in names:
        add(db, add_run(db, name), "a", "b", workspace_id=name)
    turn, turns = names[0], []
    for _ in range(6):
        with db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "collection", ["fetch"], "test", 30, after_workspace=turn)
        assert step is not None
        complete(db, step)
        turn = step.workspace_id
        turns.append(turn)
    assert turns == [names[1], names[2], names[0]] * 2


def test_claim_passes_over_workspaces_with_many_running_steps(db: Database) -> None:
    add_workspace(db, OTHER_WORKSPACE)
    add(db, add_run(db), "a", "b", "c")
    keys = []
    for _ in range(3):
        with db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "collection", ["fetch"], "test", 30, max_running=2)
        keys.append(step and step.key)
    assert keys == ["a", "b", None]
    add(db, add_run(db, OTHER_WORKSPACE), "d", workspace_id=OTHER_WORKSPACE)
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "test", 30, max_running=2)
        assert step is not None
        assert step.key == "d"
        tx.execute(sa.text("update steps set lease_until = now() - interval '1 s' where key = 'a'"))
        step = ledger.claim(tx, "collection", ["fetch"], "test", 30, max_running=2)
        assert step is not None
        assert step.key == "c"


def test_claim_reports_whether_the_previous_run_is_open(db: Database) -> None:
    first = add_run(db)
    add(db, first, "a", "b")
    told = []
    for _ in range(2):
        with db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "collection", ["fetch"], "test", 30, previous_run=first)
        assert step is not None
        told.append((step.key, step.previous_run_is_open))
        complete(db, step)
    assert told == [("a", True), ("b", True)]
    add(db, add_run(db), "c")
    with db.transaction(ALL_WORKSPACES) as tx:
        step = ledger.claim(tx, "collection", ["fetch"], "test", 30, previous_run=first)
    assert step is not None
    assert (step.key, step.previous_run_is_open) == ("c", False)


@pytest.mark.parametrize("is_busy", [False, True])
def test_runs_of_a_workspace_take_turns(db: Database, is_busy: bool) -> None:
    """A small source is done long before a large one, whether its steps are claimed one by one or held."""
    large, small = add_run(db), add_run(db)
    add(db, large, *(f"{n:03}" for n in range(200)))
    add(db, small, *"abc")
    order = []
    for _ in range(60):
        step = claim(db)
        assert step is not None
        order.append(step.run_id)
        if not is_busy:
            complete(db, step)
    assert order.count(small) == 3


def test_retry_delays_the_step_and_counts_the_attempt(db: Database) -> None:
    add(db, add_run(db), "a")
    step = claim(db)
    assert step is not None
    with db.transaction(WORKSPACE) as tx:
        ledger.lock(tx, step)
        ledger.retry(tx, step, 3600, "busy", 12)
    assert claim(db) is None
    with db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update steps set not_before = now()"))
    again = claim(db)
    assert again is not None
    assert again.attempt == 1


def test_claim_prefers_the_workspace_with_fewest_running_steps(db: Database) -> None:
    add_workspace(db, OTHER_WORKSPACE)
    add(db, add_run(db), *(f"{n:03}" for n in range(50)))
    other = add_run(db, OTHER_WORKSPACE)
    add(db, other, *(f"{n:03}" for n in range(5)), workspace_id=OTHER_WORKSPACE)
    claimed = Counter(step.workspace_id for step in (claim(db) for _ in range(10)) if step)
    assert claimed == {WORKSPACE: 5, OTHER_WORKSPACE: 5}


def test_concurrent_workers_claim_each_step_once(db: Database) -> None:
    add(db, add_run(db), *(f"{n:03}" for n in range(120)))
    claimed: list[str] = []

    def work() -> None:
        while (step := claim(db)) is not None:
            claimed.append(step.key)
            complete(db, step)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"{n:03}" for n in range(120)]


def test_concurrent_last_steps_add_one_finish(db: Database) -> None:
    for _ in range(20):
        run_id = add_run(db)
        add(db, run_id, "a", "b")
        steps = [claim(db), claim(db)]
        barrier = threading.Barrier(2)

        def last(step: Step, barrier: threading.Barrier, run_id: uuid.UUID) -> None:
            barrier.wait()
            complete(db, step)
            with db.transaction(WORKSPACE) as tx:
                ledger.fan_in(tx, run_id)

        threads = [threading.Thread(target=last, args=(step, barrier, run_id)) for step in steps if step]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        finish = claim(db)
        assert finish is not None
        assert (finish.kind, finish.key, finish.run_id) == ("finish", "0", run_id)
        complete(db, finish)
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("update runs set state = 'succeeded', finished_at = now()"))


def test_cancel_includes_steps_added_concurrently(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    step = claim(db)
    assert step is not None
    written, cancelled = threading.Event(), threading.Event()

    def cancel() -> None:
        assert written.wait(120)
        with db.transaction(WORKSPACE) as tx:
            cancelled.set()
            ledger.cancel(tx, run_id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with db.transaction(WORKSPACE) as tx:
        ledger.lock(tx, step)
        ledger.complete(tx, step, {}, [NewStep("collection", "fetch", "b"), NewStep("collection", "fetch", "c")])
        written.set()
        assert cancelled.wait(120)
    thread.join()
    with db.transaction(ALL_WORKSPACES) as tx:
        states = {row.key: row.state for row in tx.execute(sa.text("select key, state from steps"))}
    assert states == {"a": "done", "b": "cancelled", "c": "cancelled"}


def test_fan_in_ignores_cancelled_runs(db: Database) -> None:
    run_id = add_run(db)
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update runs set state = 'cancelled', finished_at = now()"))
    with db.transaction(ALL_WORKSPACES) as tx:
        assert not ledger.fan_in(tx, run_id)


def test_fan_in_ignores_runs_with_open_steps(db: Database) -> None:
    run_id = add_run(db)
    add(db, run_id, "a")
    with db.transaction(ALL_WORKSPACES) as tx:
        assert not ledger.fan_in(tx, run_id)
