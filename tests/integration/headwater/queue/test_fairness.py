"""Fair claims of steps: workspaces with few steps share the workers with workspaces that have many."""

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
"""Numbers of steps: of most workspaces, and of every fifth."""
WINDOW = 5 * WORKSPACES
"""Number of consecutive claims in which each waiting workspace should have an equal share."""


class RecordClaims:
    """A handler that records the workspace of each claimed step, and when it ran, as numbers of claims.

    A step runs from the completion of its thread's step before: a thread may wait between its claim and the handler.
    """

    def __init__(self) -> None:
        self.claims: list[uuid.UUID] = []
        self.ran: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._own = threading.local()

    def gather(self, tx: Connection, step: Step) -> Step:
        with self._lock:
            self._own.claim = len(self.claims)
            self.claims.append(step.workspace_id)
        return step

    def compute(self, gathered: Step) -> Step:
        time.sleep(0.002)
        return gathered

    def apply(self, tx: Connection, step: Step, computed: Step) -> StepResult:
        self.ran[self._own.claim] = getattr(self._own, "free", 0), len(self.claims)
        self._own.free = len(self.claims)
        return StepResult()

    def stalled(self, start: int, end: int) -> set[uuid.UUID]:
        """Return the workspaces with a step that ran during more than a fifth of a window of claims.

        A busy machine leaves a thread waiting. The others rightly prefer workspaces that have no running step.
        """
        return {
            self.claims[claim]
            for claim, (began, completed) in self.ran.items()
            if min(completed, end) - max(began, start) > WINDOW / 5
        }

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    db = Database(database.url, WORKERS)
    yield db
    db.close()


def add_steps(db: Database) -> dict[uuid.UUID, int]:
    counts = {add_workspace(db, uuid.uuid4()): MANY if n % 5 == 0 else FEW for n in range(WORKSPACES)}
    for workspace_id, count in counts.items():
        run_id = add_run(db, workspace_id)
        with db.transaction(workspace_id) as tx:
            new = [NewStep("collection", "fetch", str(n)) for n in range(count)]
            ledger.add_steps(tx, run_id, workspace_id, new)
    return counts


def test_waiting_workspace_gets_a_third_of_its_fair_share_at_least(db: Database, database: FreshDatabase) -> None:
    counts = add_steps(db)
    handler = RecordClaims()
    worker = Worker(db, settings_for(database), {"fetch": handler}, waker=NoWaker(), holder="test", lifetime=Lifetime())
    workers = [threading.Thread(target=worker.drain, args=("collection", lambda: False)) for _ in range(WORKERS)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    claims = handler.claims
    assert Counter(claims) == counts

    compared = 0
    for start in range(0, len(claims) - WINDOW, WORKSPACES):
        before, after = Counter(claims[:start]), Counter(claims[: start + WINDOW])
        fair_share = WINDOW / sum(counts[workspace] > before[workspace] for workspace in counts)
        waiting = {workspace for workspace in counts if counts[workspace] > after[workspace]}
        waiting -= handler.stalled(start, start + WINDOW)
        shares = [after[workspace] - before[workspace] for workspace in waiting]
        compared += len(shares)
        assert min(shares, default=fair_share) >= fair_share / 3, f"claims {start} to {start + WINDOW}"
    assert compared
