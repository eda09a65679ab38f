"""Workers that die: run every step of every open run several times, killed at a later point each time."""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import ALL_WORKSPACES
from headwater.queue import ledger
from headwater.queue.ledger import Step
from headwater.queue.tickets import QUEUES
from headwater.queue.worker import Handler, StepResult
from tests.harness.pipeline import Pipeline


class Killed(BaseException):
    """Ends a worker as SIGKILL does: no `except Exception` catches it."""


class Interrupted:
    """A handler that calls `interrupt` at one point of its step."""

    def __init__(self, handler: Handler, point: str, interrupt: Callable[[], None]) -> None:
        self.handler, self.point, self.interrupt = handler, point, interrupt

    def gather(self, tx: Connection, step: Step) -> Any:
        self._at("gather")
        return self.handler.gather(tx, step)

    def compute(self, gathered: Any) -> Any:
        self._at("compute")
        computed = self.handler.compute(gathered)
        self._at("computed")
        return computed

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        result = self.handler.apply(tx, step, computed)
        self._at("apply")
        return StepResult(result.counts, result.next_steps, lambda: self._at("commit"))

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        self.handler.give_up(tx, step, reason)

    def _at(self, point: str) -> None:
        if point == self.point:
            self.interrupt()


def die_everywhere(pipeline: Pipeline) -> None:
    """Drain the queues with workers that die at each point of each step in turn, until every run has ended."""

    def kill() -> None:
        raise Killed

    points = ("gather", "compute", "computed", "apply", "commit")
    while any(_has_ready_steps(pipeline, queue) for queue in QUEUES):
        for queue in QUEUES:
            for point in points if _has_ready_steps(pipeline, queue) else ():
                try:
                    pipeline.step(queue, partial(Interrupted, point=point, interrupt=kill))
                    raise AssertionError(f"the worker did not die at {point}")
                except Killed:
                    with pipeline.database.transaction(ALL_WORKSPACES) as tx:
                        ledger.release(tx, "test")
                        ledger.fan_in(tx)


def _has_ready_steps(pipeline: Pipeline, queue: str) -> bool:
    statement = sa.text("select exists (select 1 from steps where queue = :queue and state = 'ready')")
    with pipeline.database.transaction(ALL_WORKSPACES) as tx:
        return bool(tx.execute(statement, {"queue": queue}).scalar_one())
