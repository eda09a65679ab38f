"""Renew the leases of running steps, and return unfinished steps to the ledger at shutdown.

Leases are short, so that the steps of a dead worker are soon claimed again. One thread renews the leases of all steps
of a worker; it runs only while there are any. Steps that are still running when the process must stop are given back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headwater import logs
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import DatabaseUnavailable
from headwater.queue import ledger
from headwater.queue.ledger import Step
from headwater.web.shutdown import Lifetime

_CHECK_INTERVAL_S = 0.5
"""Interval of the checks for shutdown and for due renewals."""


class LeaseRenewer:
    """Renews the leases of the steps that a worker's threads run.

    `on_give_back` is called for each step returned to the ledger unfinished.
    """

    def __init__(
        self, database: Database, lease_s: float, lifetime: Lifetime, on_give_back: Callable[[Step], None]
    ) -> None:
        self._database = database
        self._lease_s = lease_s
        self._lifetime = lifetime
        self._on_give_back = on_give_back
        self._steps: dict[tuple[int, int], tuple[Step, float]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, step: Step) -> Iterator[None]:
        """Renew a claimed step's lease while the block runs.

        If the step is given back meanwhile, the block's commit fails with LeaseLost.
        """
        key = step.id, step.fence
        with self._lock:
            self._steps[key] = step, time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._steps.pop(key, None)

    def _run(self) -> None:
        renew_s = self._lease_s / 3
        while True:
            time.sleep(min(renew_s, _CHECK_INTERVAL_S))
            with self._lock:
                if not self._steps:
                    self._thread = None
                    return
                running = list(self._steps.values())
            if self._lifetime.is_over():
                self._give_back([step for step, _ in running])
            else:
                self._renew([step for step, renewed in running if time.monotonic() - renewed >= renew_s])

    def _renew(self, steps: list[Step]) -> None:
        if not steps:
            return
        renewed = time.monotonic()
        try:
            with self._database.transaction(ALL_WORKSPACES) as tx:
                for step in steps:
                    ledger.renew(tx, step, self._lease_s)
        except DatabaseUnavailable as error:
            logs.event("step.renew_failed", severity=30, error=error, step_id=steps[0].id, steps=len(steps))
        with self._lock:
            self._steps |= {(s.id, s.fence): (s, renewed) for s in steps if (s.id, s.fence) in self._steps}

    def _give_back(self, steps: list[Step]) -> None:
        try:
            with self._database.transaction(ALL_WORKSPACES) as tx:
                given_back = [step for step in steps if ledger.give_back(tx, step)]
        except DatabaseUnavailable as error:
            logs.event("step.not_given_back", severity=30, error=error, step_id=steps[0].id, steps=len(steps))
            return
        for step in given_back:
            with self._lock:
                self._steps.pop((step.id, step.fence), None)
            self._on_give_back(step)
