"""The ledger compared with a model of it, under random operations in random order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy.engine import Connection

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import LeaseLost
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from tests.harness.databases import FreshDatabase
from tests.harness.support import WORKSPACE, add_run, add_workspace

OPEN = {"ready", "running"}


@dataclass(frozen=True)
class ModelStep:
    """A step of the model. `expired`: its lease has expired."""

    state: str = "ready"
    attempt: int = 0
    lost: int = 0
    fence: int = 0
    expired: bool = False


class Ledger(RuleBasedStateMachine):
    """Workers that claim, renew, finish, fail and lose leases; the watchdog; a user who cancels."""

    db: Database
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.run_id = add_run(self.db)
        self.steps: dict[str, ModelStep] = {}
        self.names = iter(f"s{n:04}" for n in range(10_000))

    def _transact(self, work: Callable[[Connection], None]) -> bool:
        """Run a worker's writes. Returns False if it had lost the lease."""
        try:
            with self.db.transaction(WORKSPACE) as tx:
                work(tx)
        except LeaseLost:
            return False
        return True

    def _holds(self, step: Step) -> bool:
        modelled = self.steps[step.key]
        return modelled.state == "running" and modelled.fence == step.fence

    @rule(count=st.integers(1, 3))
    def add(self, count: int) -> None:
        keys = [next(self.names) for _ in range(count)]
        with self.db.transaction(WORKSPACE) as tx:
            new = [NewStep("collection", "fetch", key) for key in keys]
            ledger.add_steps(tx, self.run_id, WORKSPACE, new)
            ledger.add_steps(tx, self.run_id, WORKSPACE, new)  # adding a step again changes nothing
        self.steps |= {key: ModelStep() for key in keys}

    @rule(target=claims)
    def claim(self) -> "Step | object":
        with self.db.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(tx, "collection", ["fetch"], "model", 3600)
        if step is None:
            assert all(modelled.state != "ready" for modelled in self.steps.values())
            return multiple()
        before = self.steps[step.key]
        assert before.state == "ready"
        assert (step.attempt, step.lost, step.fence) == (before.attempt, before.lost, before.fence + 1)
        self.steps[step.key] = replace(before, state="running", fence=step.fence, expired=False)
        return step

    @rule(step=claims, with_child=st.booleans())
    def complete(self, step: Step, with_child: bool) -> None:
        child = next(self.names)
        then = [NewStep("collection", "fetch", child)] if with_child else []

        def work(tx: Connection) -> None:
            ledger.lock(tx, step)
            ledger.complete(tx, step, {"chunks": 1}, then)

        assert self._transact(work) == self._holds(step)
        if self._holds(step):
            self.steps[step.key] = replace(self.steps[step.key], state="done")
            self.steps |= {new.key: ModelStep() for new in then}

    @rule(step=claims)
    def try_again(self, step: Step) -> None:
        def work(tx: Connection) -> None:
            ledger.lock(tx, step)
            ledger.retry(tx, step, 0.0, "busy", 12)

        assert self._transact(work) == self._holds(step)
        if self._holds(step):
            before = self.steps[step.key]
            self.steps[step.key] = replace(before, state="ready", attempt=before.attempt + 1)

    @rule(step=claims)
    def fail(self, step: Step) -> None:
        def work(tx: Connection) -> None:
            ledger.lock(tx, step)
            ledger.fail(tx, step, "no")

        assert self._transact(work) == self._holds(step)
        if self._holds(step):
            before = self.steps[step.key]
            self.steps[step.key] = replace(before, state="failed", attempt=before.attempt + 1)

    @rule(step=claims)
    def give_back(self, step: Step) -> None:
        with self.db.transaction(WORKSPACE) as tx:
            assert ledger.give_back(tx, step) == self._holds(step)
        if self._holds(step):
            self.steps[step.key] = replace(self.steps[step.key], state="ready")

    @rule(step=claims)
    def renew(self, step: Step) -> None:
        with self.db.transaction(WORKSPACE) as tx:
            assert ledger.renew(tx, step, 3600) == self._holds(step)
        if self._holds(step):
            self.steps[step.key] = replace(self.steps[step.key], expired=False)

    @rule(step=claims)
    def let_expire(self, step: Step) -> None:
        """Expire the lease of a running step."""
        if self._holds(step):
            with self.db.transaction(ALL_WORKSPACES) as tx:
                overdue = sa.text("update steps set lease_until = now() - interval '1 s' where id = :id")
                tx.execute(overdue, {"id": step.id})
            self.steps[step.key] = replace(self.steps[step.key], expired=True)

    @rule()
    def take_back(self) -> None:
        overdue = {key for key, modelled in self.steps.items() if modelled.state == "running" and modelled.expired}
        with self.db.transaction(ALL_WORKSPACES) as tx:
            assert ledger.take_back(tx) == len(overdue)
        for key in overdue:
            self.steps[key] = replace(self.steps[key], state="ready", lost=self.steps[key].lost + 1)

    @rule()
    def fan_in(self) -> None:
        is_open = any(modelled.state in OPEN for modelled in self.steps.values())
        with self.db.transaction(WORKSPACE) as tx:
            added = ledger.fan_in(tx, self.run_id)
            assert added == (not is_open)
            tx.execute(sa.text("delete from steps where run_id = :id and kind = 'finish'"), {"id": self.run_id})

    @rule()
    def cancel(self) -> None:
        with self.db.transaction(WORKSPACE) as tx:
            ledger.cancel(tx, self.run_id)
        for key, modelled in self.steps.items():
            if modelled.state in OPEN:
                self.steps[key] = replace(modelled, state="cancelled")

    @invariant()
    def ledger_equals_model(self) -> None:
        statement = sa.text("select key, state, attempt, lost, fence from steps where run_id = :id and kind = 'fetch'")
        with self.db.transaction(ALL_WORKSPACES) as tx:
            told = {row.key: tuple(row)[1:] for row in tx.execute(statement, {"id": self.run_id})}
        assert told == {key: (m.state, m.attempt, m.lost, m.fence) for key, m in self.steps.items()}

    def teardown(self) -> None:
        with self.db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text("delete from steps"))
            tx.execute(sa.text("delete from runs"))


def test_ledger_matches_its_model(database: FreshDatabase) -> None:
    db = Database(database.url, 2)
    add_workspace(db)
    Ledger.db = db
    run_state_machine_as_test(Ledger, settings=settings(max_examples=25, stateful_step_count=40))
    db.close()
