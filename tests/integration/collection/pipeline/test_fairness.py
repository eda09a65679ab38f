"""Workspaces share the workers, real ones on a real Postgres: some workspaces have far more steps than others."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from headwater.database.transactions import Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from headwater.queue.worker import StepResult, Worker
from headwater.web.shutdown import Lifetime
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import NoWaker
from tests.harness.support import add_run, add_workspace, settings_for

WORKSPACES = 20
WORKERS = 5
FEW, MANY = 12, 120
"""Steps of most workspaces, and of every fifth."""
STRETCH = 5 * WORKSPACES
"""So many turns in a row are looked at; what waits all the time should have had an equal share of them."""


class Turn:
    """A step that writes down whose turn it was when it was claimed."""

    def __init__(self, turns: list[uuid.UUID]) -> None:
        self.turns = turns

    def gather(self, tx: Connection, step: Step) -> Step:
        self.turns.append(step.workspace_id)
        return step

    def compute(self, gathered: Step) -> Step:
        time.sleep(0.002)
        return gathered

    def apply(self, tx: Connection, step: Step, computed: Step) -> StepResult:
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    made = Database(database.url, WORKERS)
    yield made
    made.close()


def add_steps(db: Database) -> dict[uuid.UUID, int]:
    counts = {add_workspace(db, uuid.uuid4()): MANY if n % 5 == 0 else FEW for n in range(WORKSPACES)}
    for workspace_id, count in counts.items():
        run_id = add_run(db, workspace_id)
        with db.transaction(workspace_id) as tx:
            new = [NewStep("collection", "fetch", str(n)) for n in range(count)]
            ledger.add_steps(tx, run_id, workspace_id, new)
    return counts


def test_no_workspace_gets_less_than_a_third_of_its_fair_share_while_it_waits(
    db: Database, database: FreshDatabase
) -> None:
    counts = add_steps(db)
    turns: list[uuid.UUID] = []
    worker = Worker(
        db, settings_for(database), {"fetch": Turn(turns)}, waker=NoWaker(), holder="test", lifetime=Lifetime()
    )
    workers = [threading.Thread(target=worker.drain, args=("collection", lambda: False)) for _ in range(WORKERS)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert Counter(turns) == counts

    for start in range(0, len(turns) - STRETCH, WORKSPACES):
        before, after = Counter(turns[:start]), Counter(turns[: start + STRETCH])
        fair = STRETCH / sum(counts[name] > before[name] for name in counts)
        had = {name: after[name] - before[name] for name in counts if counts[name] > after[name]}
        assert min(had.values(), default=fair) >= fair / 3, f"turns {start} to {start + STRETCH}"
