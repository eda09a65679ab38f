"""Steps of the queue `collection`: add, claim, complete."""

import uuid

from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.queue import ledger
from headwater.queue.ledger import NewStep, Step
from tests.harness.support import WORKSPACE


def add(db: Database, run_id: uuid.UUID, *keys: str, workspace_id: uuid.UUID = WORKSPACE) -> None:
    with db.transaction(workspace_id) as tx:
        ledger.add_steps(tx, run_id, workspace_id, [NewStep("collection", "fetch", key, {"batch": 1}) for key in keys])


def claim(db: Database, lease_s: float = 30, kinds: tuple[str, ...] = ("fetch", "finish")) -> Step | None:
    with db.transaction(ALL_WORKSPACES) as tx:
        return ledger.claim(tx, "collection", kinds, "test", lease_s)


def complete(db: Database, step: Step) -> None:
    with db.transaction(step.workspace_id) as tx:
        ledger.lock(tx, step)
        ledger.complete(tx, step, {"chunks": 1})
