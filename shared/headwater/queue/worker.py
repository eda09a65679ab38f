"""The worker: due steps flow in, each is gathered, computed and applied; what follows from it is woken.

The same loop runs in a function that a ticket woke and in a Cloud Run job worker. No transaction is open while
`compute` talks to a provider or a site. `apply` locks the step first: its writes, its completion and the steps that
follow commit together, so that delivery is at least once and the effect exactly once.
"""

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database, storable
from headwater.errors import DatabaseRefuses, DatabaseUnavailable, LeaseLost, UpstreamError
from headwater.queue import ledger
from headwater.queue.lease_renewal import LeaseRenewer
from headwater.queue.ledger import NewStep, Step
from headwater.queue.retry_policy import GiveUp, Retry, decide
from headwater.web.shutdown import Lifetime

MAX_LOST_LEASES = 5
"""A step that so many workers died over is given up: it may be what kills them."""

SPLIT_AFTER = 2
"""A step of several items is split into single ones after so many lost leases: one of them may be what kills."""


@dataclass(frozen=True)
class StepResult:
    """What a step came to: counts to be summed over the run, and the steps that follow.

    `after_commit` is called after the commit, unless the process dies in between: the watchdog must come to the same.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    next_steps: Sequence[NewStep] = ()
    after_commit: Callable[[], None] | None = None


class Handler(Protocol):
    """One kind of step."""

    def gather(self, tx: Connection, step: Step) -> Any:
        """Read what the step needs."""

    def compute(self, gathered: Any) -> Any:
        """Do the work, outside of any transaction."""

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        """Write what was computed."""

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Write what it means for the run that the step failed for good."""


@runtime_checkable
class Divisible(Protocol):
    """A kind of step that may have several items."""

    def split(self, tx: Connection, step: Step) -> Sequence[NewStep]:
        """Return steps that do the same one item each, or none when there is but one."""


class Waker(Protocol):
    """Wakes whoever drains a queue."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Make sure that due steps of these queues will be drained, in `delay_s` at the latest."""


class Worker:
    """Run steps with `handlers`, by kind, for as long as the process lives."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        handlers: Mapping[str, Handler],
        *,
        waker: Waker,
        holder: str,
        lifetime: Lifetime,
    ) -> None:
        self.database = database
        self.settings = settings
        self.handlers = handlers
        self.waker = waker
        self.holder = holder
        self.lifetime = lifetime
        self._last_workspace = uuid.uuid4()
        self.leases = LeaseRenewer(database, settings.lease_s, lifetime, self._given_back)

    def drain(self, queue: str, stop: Callable[[], bool]) -> int:
        """Run due steps of a queue one after another until `stop` says so or none is due; returns how many ran.

        The end of the process stops it, too. Raises DatabaseUnavailable; the step at hand is then taken back when its
        lease runs out.
        """
        ran, last = 0, None
        while not (stop() or self.lifetime.is_ending()):
            step = self._claim(queue, last)
            is_over = last is not None and (step is None or not step.previous_run_is_open) and self._fan_in(last)
            if step is not None:
                self.run(step)
                ran, last = ran + 1, step
            elif is_over:  # what ends the run may be due in this very queue
                last = None
            else:
                return ran
        if last is not None:
            self._fan_in(last)
        return ran

    def run(self, step: Step) -> None:
        """Run one claimed step to its completion, its next attempt, or its end; the caller looks after the fan-in."""
        started = time.monotonic()
        handler = self.handlers[step.kind]
        try:
            if step.lost >= MAX_LOST_LEASES:
                self._give_up(handler, step, GiveUp(f"{MAX_LOST_LEASES} workers died over this step."))
                return
            if step.lost >= SPLIT_AFTER and self._split(handler, step):
                return
            with self.leases.hold(step):
                with self.database.transaction(step.workspace_id) as tx:
                    gathered = handler.gather(tx, step)
                computing = time.monotonic()
                computed = handler.compute(gathered)
                compute_ms = _ms_since(computing)
                with self.database.transaction(step.workspace_id) as tx:
                    ledger.lock(tx, step)
                    result = handler.apply(tx, step, computed)
                    ledger.complete(tx, step, result.counts, result.next_steps, logs.trace.get())
            if result.after_commit:
                result.after_commit()
            self._wake_for(result.next_steps)
        except LeaseLost as lost:
            logs.event("step.lost", severity=30, error=lost, step_id=step.id, kind=step.kind, run_id=step.run_id)
        except DatabaseRefuses as error:
            self._failed(handler, step, error)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: every other error is the step's, decided in one place
            self._failed(handler, step, error)
        else:
            duration_ms = _ms_since(started)
            logs.event(
                "step",
                **_log_fields(step),
                duration_ms=duration_ms,
                compute_ms=compute_ms,
                database_ms=round(duration_ms - compute_ms, 1),
                counts=dict(result.counts),
            )

    def _claim(self, queue: str, last: Step | None) -> Step | None:
        """Claim a step, of the next workspace in turn, and look whether the run of the one before goes on."""
        kinds, previous_run = list(self.handlers), last.run_id if last else None
        with self.database.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(
                tx,
                queue,
                kinds,
                self.holder,
                self.settings.lease_s,
                after_workspace=self._last_workspace,
                previous_run=previous_run,
            )
        if step is not None:
            self._last_workspace = step.workspace_id
        return step

    def _fan_in(self, last: Step) -> bool:
        """See to it that a run ends whose last step that was; returns whether it was."""
        with self.database.transaction(last.workspace_id) as tx:
            is_over = ledger.fan_in(tx, last.run_id)
        if is_over:
            self.waker.wake(["collection"])
        return is_over

    def _wake_for(self, steps: Sequence[NewStep]) -> None:
        if steps:
            self.waker.wake(sorted({new.queue for new in steps}))

    def _failed(self, handler: Handler, step: Step, error: Exception) -> None:
        decision = decide(
            error,
            attempt=step.attempt,
            max_attempts=self.settings.max_attempts,
            max_upstream_attempts=self.settings.max_upstream_attempts,
            random=random.random(),  # noqa: S311
        )
        logs.event("step.failed", severity=30, error=error, decision=type(decision).__name__, **_log_fields(step))
        try:
            if isinstance(decision, Retry):
                self._retry(step, error, decision)
            elif decision.is_systemic or isinstance(error, UpstreamError) or not self._split(handler, step):
                self._give_up(handler, step, decision)
        except LeaseLost as lost:
            logs.event("step.lost", severity=30, error=lost, step_id=step.id, kind=step.kind, run_id=step.run_id)

    def _retry(self, step: Step, error: Exception, decision: Retry) -> None:
        """Put the step back; what asks for patience gets it from every step that talks to it."""
        asked_s = error.retry_after_s if isinstance(error, UpstreamError) else None
        reason = storable(str(error)[:500])
        if asked_s and step.provider:
            with self.database.transaction(ALL_WORKSPACES) as tx:
                is_news = ledger.block(tx, step.provider, decision.delay_s, reason)
            if is_news:
                logs.event("provider.blocked", severity=30, provider=step.provider, delay_s=round(decision.delay_s, 1))
        with self.database.transaction(step.workspace_id) as tx:
            ledger.lock(tx, step)
            ledger.retry(tx, step, decision.delay_s, reason)
        self.waker.wake([step.queue], decision.delay_s)

    def _split(self, handler: Handler, step: Step) -> bool:
        """Put single steps in the place of one that fails as a whole; False when it has one item only."""
        if not isinstance(handler, Divisible):
            return False
        with self.database.transaction(step.workspace_id) as tx:
            ledger.lock(tx, step)
            parts = handler.split(tx, step)
            if parts:
                ledger.complete(tx, step, {}, parts, logs.trace.get())
        if parts:
            logs.event("step.split", severity=30, kind=step.kind, key=step.key, run_id=step.run_id, parts=len(parts))
            self._wake_for(parts)
        return bool(parts)

    def _give_up(self, handler: Handler, step: Step, decision: GiveUp) -> None:
        reason = storable(decision.reason)
        with self.database.transaction(step.workspace_id) as tx:
            ledger.lock(tx, step)
            handler.give_up(tx, step, reason)
            ledger.fail(tx, step, reason, logs.trace.get())
            if decision.is_systemic:
                ledger.cancel_same_kind(tx, step, reason)

    def _given_back(self, step: Step) -> None:
        logs.event("step.given_back", step_id=step.id, kind=step.kind, key=step.key, run_id=step.run_id)
        self.waker.wake([step.queue])


def _log_fields(step: Step) -> dict[str, Any]:
    """Tell of a step what the log is searched by; `waited_ms` is how long it had been due before it was claimed."""
    return {
        "step_id": step.id,
        "kind": step.kind,
        "key": step.key,
        "run_id": step.run_id,
        "workspace_id": step.workspace_id,
        "provider": step.provider,
        "attempt": step.attempt,
        "lost": step.lost,
        "waited_ms": round(step.waited_s * 1000, 1),
    }


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
