"""The worker against a real Postgres: a step takes effect exactly once, despite failures."""

import datetime as dt
import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import MAX_LOST_LEASES, SPLIT_AFTER, StepResult, Worker
from headwater.web.shutdown import Lifetime
from tests.harness.databases import FreshDatabase
from tests.harness.stacks import wait_until
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_run, add_workspace, settings_for


class RecordingHandler:
    """A handler with a given `compute` that records applied and given-up steps."""

    def __init__(self, compute: Callable[[Step], Any] = lambda step: step.key, then: Sequence[NewStep] = ()) -> None:
        self.compute_step = compute
        self.then = then
        self.applied: list[str] = []
        self.given_up: list[str] = []

    def gather(self, tx: Connection, step: Step) -> Step:
        return step

    def compute(self, gathered: Step) -> Any:
        return self.compute_step(gathered)

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        self.applied.append(step.key)
        return StepResult({"chunks": 1}, self.then if step.key == "a" else ())

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        self.given_up.append(reason)

    def split(self, tx: Connection, step: Step) -> Sequence[NewStep]:
        items = step.payload.get("items", [])
        return [NewStep("collection", "fetch", item, {}, step.provider) for item in items]


class RecordingWaker:
    def __init__(self) -> None:
        self.calls: list[tuple[list[str], bool]] = []

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        self.calls.append((list(queues), delay_s > 0))


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, 4)
    add_workspace(made)
    run_id = add_run(made)
    with made.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, run_id, WORKSPACE, [NewStep("collection", "fetch", "a")])
    yield made
    made.close()


def work(
    db: Database,
    database: FreshDatabase,
    handler: RecordingHandler,
    *,
    lifetime: Lifetime | None = None,
    **changes: Any,
) -> RecordingWaker:
    woken, settings, lifetime = RecordingWaker(), settings_for(database, **changes), lifetime or Lifetime()
    worker = Worker(db, settings, {"fetch": handler}, waker=woken, holder="test", lifetime=lifetime)
    worker.drain("collection", stop=lambda: False)
    return woken


def states(db: Database) -> dict[str, str]:
    with db.transaction(ALL_WORKSPACES) as tx:
        return {row.kind + row.key: row.state for row in tx.execute(sa.text("select kind, key, state from steps"))}


def test_next_steps_are_added_and_their_queues_woken(db: Database, database: FreshDatabase) -> None:
    handler = RecordingHandler(then=[NewStep("collection", "fetch", "b"), NewStep("embedding", "embed", "c")])
    woken = work(db, database, handler)
    assert handler.applied == ["a", "b"]
    assert states(db) == {"fetcha": "done", "fetchb": "done", "embedc": "ready"}
    assert woken.calls == [(["collection", "embedding"], False)]


def test_slow_steps_of_a_workspace_leave_a_thread_for_others(db: Database, database: FreshDatabase) -> None:
    keys, released, running = [f"a{n}" for n in range(9)], threading.Event(), []

    def compute(step: Step) -> None:
        running.append(step.workspace_id)
        if step.workspace_id == WORKSPACE:
            released.wait(120)

    other = add_workspace(db, OTHER_WORKSPACE)
    runs = {workspace: add_run(db, workspace) for workspace in (WORKSPACE, other)}
    with db.transaction(WORKSPACE) as tx:
        ledger.add_steps(tx, runs[WORKSPACE], WORKSPACE, [NewStep("collection", "fetch", key) for key in keys])
    worker = Worker(
        db,
        settings_for(database),
        {"fetch": RecordingHandler(compute)},
        waker=RecordingWaker(),
        holder="test",
        lifetime=Lifetime(),
        max_per_workspace=3,
    )
    threads = [threading.Thread(target=worker.drain, args=("collection", lambda: False)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(running) == 3 and sum(thread.is_alive() for thread in threads) == 3)
        assert running == [WORKSPACE] * 3
        with db.transaction(other) as tx:
            ledger.add_steps(tx, runs[other], other, [NewStep("collection", "fetch", "b")])
        assert worker.drain("collection", lambda: False) == 1
        assert running == [WORKSPACE] * 3 + [other]
    finally:
        released.set()
        for thread in threads:
            thread.join()
    assert len(running) == 1 + len(keys) + 1


def test_log_explains_the_duration_of_each_step(
    db: Database, database: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    tried = RecordingHandler(UpstreamBusyOnce())
    with db.transaction(WORKSPACE) as tx:
        tx.execute(sa.text("update steps set not_before = now() - interval '90 s', provider = 'git example.org'"))
    with caplog.at_level(logging.INFO):
        work(db, database, tried)
        with db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("update steps set not_before = now()"))
        work(db, database, tried)
    events = {fields["action"]: fields for record in caplog.records if (fields := vars(record).get("fields"))}
    failed, done = events["step.failed"], events["step"]
    assert 90_000 <= failed["waited_ms"] < 150_000
    assert (failed["provider"], failed["attempt"], failed["decision"]) == ("git example.org", 0, "Retry")
    assert (done["kind"], done["key"], done["attempt"], done["lost"]) == ("fetch", "a", 1, 0)
    assert done["duration_ms"] >= done["compute_ms"] >= 0
    assert done["database_ms"] == pytest.approx(done["duration_ms"] - done["compute_ms"], abs=0.1)
    assert done["run_id"] == failed["run_id"]


class UpstreamBusyOnce:
    """Fails at the first call and succeeds at the second."""

    def __init__(self) -> None:
        self.is_busy = True

    def __call__(self, step: Step) -> str:
        if self.is_busy:
            self.is_busy = False
            raise UpstreamError("busy")
        return step.key


def test_last_step_wakes_the_queue_of_finish(db: Database, database: FreshDatabase) -> None:
    woken = work(db, database, RecordingHandler())
    assert states(db) == {"fetcha": "done", "finish0": "ready"}
    assert woken.calls == [(["collection"], False)]


def test_upstream_error_delays_the_step(db: Database, database: FreshDatabase) -> None:
    def busy(_: Step) -> None:
        raise UpstreamError("busy", 60)

    handler = RecordingHandler(busy)
    woken = work(db, database, handler)
    assert (states(db), handler.applied, handler.given_up) == ({"fetcha": "ready"}, [], [])
    assert woken.calls == [(["collection"], True)]


def test_permanent_error_is_recorded_and_the_run_continues(db: Database, database: FreshDatabase) -> None:
    def refuse(_: Step) -> None:
        raise PermanentError("too large")

    handler = RecordingHandler(refuse)
    work(db, database, handler)
    assert handler.given_up == ["too large"]
    assert states(db) == {"fetcha": "failed", "finish0": "ready"}


def test_crash_in_apply_is_rolled_back(db: Database, database: FreshDatabase) -> None:
    class Crashing(RecordingHandler):
        def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
            tx.execute(sa.text("update sources set name = 'half-written'"))
            raise ValueError("crash")

    work(db, database, Crashing(), max_attempts=1)
    with db.transaction(WORKSPACE) as tx:
        assert tx.execute(sa.text("select name from sources")).scalar_one() == "t"


def test_result_is_dropped_after_the_lease_is_lost(db: Database, database: FreshDatabase) -> None:
    def lose_the_lease(step: Step) -> str:
        with db.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("update steps set fence = fence + 1"))
        return step.key

    handler = RecordingHandler(lose_the_lease)
    work(db, database, handler)
    assert handler.applied == []
    assert states(db) == {"fetcha": "running"}


def test_lease_is_renewed_during_long_work(db: Database, database: FreshDatabase) -> None:
    def until_renewed_twice(step: Step) -> str:
        leases: set[dt.datetime] = set()

        def is_renewed_twice() -> bool:
            leases.add(lease_until())
            return len(leases) > 2

        wait_until(is_renewed_twice)
        return step.key

    def lease_until() -> dt.datetime:
        with db.transaction(ALL_WORKSPACES) as tx:
            until: dt.datetime = tx.execute(sa.text("select lease_until from steps where key = 'a'")).scalar_one()
        return until

    handler = RecordingHandler(until_renewed_twice)
    work(db, database, handler, lease_s=3)
    assert handler.applied == ["a"]


def test_ending_process_finishes_its_step_and_claims_no_other(db: Database, database: FreshDatabase) -> None:
    lifetime = Lifetime()

    def end(step: Step) -> str:
        lifetime.end()
        return step.key

    handler = RecordingHandler(end, then=[NewStep("collection", "fetch", "b")])
    work(db, database, handler, lifetime=lifetime)
    assert handler.applied == ["a"]
    assert states(db) == {"fetcha": "done", "fetchb": "ready"}


def test_step_that_outlasts_its_process_is_given_back(db: Database, database: FreshDatabase) -> None:
    lifetime = Lifetime()
    given_back = threading.Event()

    class Waking(RecordingWaker):
        def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
            super().wake(queues, delay_s)
            given_back.set()

    def outlast(step: Step) -> str:
        lifetime.end(finish_s=0.0)
        assert given_back.wait(120)
        return step.key

    handler, woken = RecordingHandler(outlast), Waking()
    worker = Worker(db, settings_for(database), {"fetch": handler}, waker=woken, holder="test", lifetime=lifetime)
    worker.drain("collection", stop=lambda: False)
    assert handler.applied == []
    assert woken.calls == [(["collection"], False)]
    with db.transaction(ALL_WORKSPACES) as tx:
        again = ledger.claim(tx, "collection", ["fetch"], "another", 30)
    assert again is not None
    assert (again.attempt, again.lost, again.fence) == (0, 0, 2)


@pytest.mark.parametrize(
    ("sqlstate", "told"),
    [
        ("53100", "The database is full or read-only: No space left on device. Free or add disk space."),
        ("25006", "The database is full or read-only: No space left on device. Free or add disk space."),
        ("40P01", "Another request changed the same data at the same time. Try again."),
    ],
)
def test_database_error_is_retried_like_an_upstream_error(
    db: Database, database: FreshDatabase, sqlstate: str, told: str
) -> None:
    class Refused(RecordingHandler):
        def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
            tx.exec_driver_sql(f"do $$ begin raise 'No space left on device' using errcode = '{sqlstate}'; end $$")
            return StepResult()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "random", lambda: 0.0)  # without a delay before the next attempt
        work(db, database, handler := Refused(), max_upstream_attempts=3)
    assert handler.given_up == [f"{told} Gave up after 3 attempts."]
    with db.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select attempt, lost from steps where kind = 'fetch'")).one() == (3, 0)


def test_step_is_given_up_after_many_lost_leases(db: Database, database: FreshDatabase) -> None:
    with db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("update steps set lost = :n"), {"n": MAX_LOST_LEASES})
    handler = RecordingHandler()
    work(db, database, handler)
    assert handler.applied == []
    assert "workers stopped" in handler.given_up[0]


def test_unstorable_characters_of_a_reason_are_replaced(db: Database, database: FreshDatabase) -> None:
    def refuse(_: Step) -> None:
        raise PermanentError("the server said \0 and \ud800")

    handler = RecordingHandler(refuse)
    work(db, database, handler)
    assert handler.given_up == [r"the server said \x00 and \ud800"]
    assert states(db) == {"fetcha": "failed", "finish0": "ready"}


def test_unexpected_error_with_unstorable_text_is_retried(db: Database, database: FreshDatabase) -> None:
    def raise_unstorable(_: Step) -> None:
        raise ValueError("bad bytes: \0\udcff")

    work(db, database, RecordingHandler(raise_unstorable))
    assert states(db) == {"fetcha": "ready"}


def make_batch(db: Database, lost: int) -> None:
    """Make the step a batch of two items with this number of lost leases."""
    with db.transaction(ALL_WORKSPACES) as tx:
        tx.execute(sa.text("""update steps set payload = '{"items": ["x", "y"]}', lost = :lost"""), {"lost": lost})


def test_batch_is_split_after_lost_leases(db: Database, database: FreshDatabase) -> None:
    make_batch(db, SPLIT_AFTER)
    handler = RecordingHandler()
    woken = work(db, database, handler)
    assert handler.applied == ["x", "y"]
    assert states(db) == {"fetcha": "done", "fetchx": "done", "fetchy": "done", "finish0": "ready"}
    assert woken.calls[0] == (["collection"], False)


def test_failing_batch_is_split_and_one_item_fails(db: Database, database: FreshDatabase) -> None:
    def fail_on_one(step: Step) -> str:
        if step.key in ("a", "y"):
            raise PermanentError(f"{step.key} can't be read")
        return step.key

    make_batch(db, 0)
    handler = RecordingHandler(fail_on_one)
    work(db, database, handler)
    assert (handler.applied, handler.given_up) == (["x"], ["y can't be read"])
    assert states(db) == {"fetcha": "done", "fetchx": "done", "fetchy": "failed", "finish0": "ready"}


def test_systemic_error_ends_all_similar_steps(db: Database, database: FreshDatabase) -> None:
    asked: list[str] = []

    def refuse(step: Step) -> None:
        asked.append(step.key)
        raise SystemicError("the key is refused")

    make_batch(db, 0)
    with db.transaction(WORKSPACE) as tx:
        run_id = tx.execute(sa.text("select id from runs")).scalar_one()
        others = [NewStep("collection", "fetch", key) for key in ("b", "c")]
        ledger.add_steps(tx, run_id, WORKSPACE, [*others, NewStep("embedding", "embed", "d")])
    handler = RecordingHandler(refuse)
    work(db, database, handler)
    assert (asked, handler.given_up) == (["a"], ["the key is refused"])
    assert states(db) == {"fetcha": "failed", "fetchb": "cancelled", "fetchc": "cancelled", "embedd": "ready"}


def test_retry_after_delays_all_steps_of_the_provider(db: Database, database: FreshDatabase) -> None:
    asked: list[str] = []

    def busy(step: Step) -> str:
        asked.append(step.key)
        if step.provider:
            raise UpstreamError("too often", 600)
        return step.key

    with db.transaction(WORKSPACE) as tx:
        run_id = tx.execute(sa.text("select id from runs")).scalar_one()
        tx.execute(sa.text("update steps set provider = 'git example.org'"))
        others = [NewStep("collection", "fetch", key, provider="git example.org") for key in ("b", "c")]
        ledger.add_steps(tx, run_id, WORKSPACE, [*others, NewStep("collection", "fetch", "d")])
    handler = RecordingHandler(busy)
    work(db, database, handler)
    assert (asked, handler.applied) == (["a", "d"], ["d"])
    with db.transaction(ALL_WORKSPACES) as tx:
        held = "select count(*) from steps where not_before > now() + interval '9 min'"
        assert tx.execute(sa.text(held)).scalar_one() == 3
