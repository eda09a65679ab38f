"""The worker: claim due steps, run their handlers (gather, compute, apply), and wake the queues of the next steps.

Functions woken by a ticket and Cloud Run job workers run the same loop. No transaction is open during `compute`, which
may call a provider or a site. The step is locked before `apply`: its writes, the step's completion and the steps that
follow commit in one transaction. Delivery is at least once, the effect exactly once.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from sqlalchemy.engine import Connection

from headwater import logs, tracing
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database, replace_unstorable
from headwater.errors import DatabaseRefuses, DatabaseUnavailable, LeaseLost, UpstreamError
from headwater.queue import ledger
from headwater.queue.lease_renewal import LeaseRenewer
from headwater.queue.ledger import NewStep, Step
from headwater.queue.providers import server_of
from headwater.queue.retry_policy import GiveUp, Limits, Retry, decide
from headwater.web.shutdown import Lifetime

MAX_LOST_LEASES = 5
"""A step fails after this many lost leases: running it probably kills the worker."""

SPLIT_AFTER = 2
"""A step with several items is split after this many lost leases, to isolate the bad item."""


@dataclass(frozen=True)
class StepResult:
    """The result of a step: counts, which the run sums up, and the steps that follow.

    `wakes` are further queues to wake: those of runs that the step has opened.
    `after_commit` is called after the commit. It is skipped if the process dies in between, so the watchdog must be
    able to do the same work.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    next_steps: Sequence[NewStep] = ()
    after_commit: Callable[[], None] | None = None
    wakes: Sequence[str] = ()


class Handler(Protocol):
    """Runs one kind of step."""

    def gather(self, tx: Connection, step: Step) -> Any:
        """Read what the step needs."""

    def compute(self, gathered: Any) -> Any:
        """Do the work, outside a transaction."""

    def apply(self, tx: Connection, step: Step, computed: Any) -> StepResult:
        """Store the computed result, in the transaction that completes the step."""

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """Record in the run that the step failed and is not retried."""


@runtime_checkable
class Divisible(Protocol):
    """A handler whose steps may have several items."""

    def split(self, tx: Connection, step: Step) -> Sequence[NewStep]:
        """Return steps with fewer items each, or nothing if the step has a single item."""


class Waker(Protocol):
    """Wakes the workers of a queue."""

    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Make sure that workers run the due steps of these queues, in `delay_s` seconds at the latest."""


class Worker:
    """Runs the steps of a process; `handlers` are by kind of step.

    `max_per_workspace` limits the running steps of one workspace in a queue; None doesn't.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        handlers: Mapping[str, Handler],
        *,
        waker: Waker,
        holder: str,
        lifetime: Lifetime,
        max_per_workspace: int | None = None,
    ) -> None:
        self.database = database
        self.settings = settings
        self.handlers = handlers
        self.waker = waker
        self.holder = holder
        self.lifetime = lifetime
        self._max_per_workspace = max_per_workspace
        self._claiming: AbstractContextManager[Any] = threading.Lock() if max_per_workspace else nullcontext()
        self._last_workspace = uuid.uuid4()
        self._retry_limits = Limits(settings.max_attempts, settings.max_upstream_attempts, settings.provider_patience_s)
        self.leases = LeaseRenewer(database, settings.lease_s, lifetime, self._on_give_back)

    def drain(self, queue: str, stop: Callable[[], bool]) -> int:
        """Run due steps of a queue, one after another, until none is due or `stop()` is true. Returns their number.

        Also stops when the process begins to shut down. Raises DatabaseUnavailable; the watchdog returns the current
        step to `ready` when its lease expires.
        """
        ran, last = 0, None
        while not (stop() or self.lifetime.is_ending()):
            step = self._claim(queue, last)
            is_over = last is not None and (step is None or not step.previous_run_is_open) and self._fan_in(last)
            if step is not None:
                self.run(step)
                ran, last = ran + 1, step
            elif is_over:  # the `finish` step that was just added may be due in this queue
                last = None
            else:
                return ran
        if last is not None:
            self._fan_in(last)
        return ran

    def run(self, step: Step) -> None:
        """Run one claimed step: complete it, schedule a retry, or fail it. The caller adds the `finish` step."""
        ids = {"headwater.run_id": str(step.run_id), "headwater.step_id": str(step.id)}
        with tracing.span(f"step {step.kind}", {**ids, "headwater.attempt": step.attempt}):
            self._run(step)

    def _run(self, step: Step) -> None:
        started = time.monotonic()
        handler = self.handlers[step.kind]
        try:
            if step.lost >= MAX_LOST_LEASES:
                self._give_up(handler, step, GiveUp(f"{MAX_LOST_LEASES} workers stopped while running this step."))
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
            self._wake_for(result.next_steps, result.wakes)
        except LeaseLost as lost:
            logs.event("step.lost", severity=30, error=lost, step_id=step.id, kind=step.kind, run_id=step.run_id)
        except DatabaseRefuses as error:
            self._handle_failure(handler, step, error)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: the retry policy decides on every other error
            self._handle_failure(handler, step, error)
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
        """Claim a step, of the next workspace in turn, and check whether the last step's run still has open steps."""
        # One at a time, if they are limited: concurrent claims would not see each other's steps.
        with self._claiming, self.database.transaction(ALL_WORKSPACES) as tx:
            step = ledger.claim(
                tx,
                queue,
                list(self.handlers),
                self.holder,
                self.settings.lease_s,
                after_workspace=self._last_workspace,
                previous_run=last.run_id if last else None,
                max_running=self._max_per_workspace,
            )
        if step is not None:
            self._last_workspace = step.workspace_id
        return step

    def _fan_in(self, last: Step) -> bool:
        """Add the `finish` step if that was the run's last open step. Returns True if it was added."""
        with self.database.transaction(last.workspace_id) as tx:
            is_over = ledger.fan_in(tx, last.run_id)
        if is_over:
            self.waker.wake(["collection"])
        return is_over

    def _wake_for(self, steps: Sequence[NewStep], queues: Sequence[str] = ()) -> None:
        if steps or queues:
            self.waker.wake(sorted({*(new.queue for new in steps), *queues}))

    def _handle_failure(self, handler: Handler, step: Step, error: Exception) -> None:
        decision = decide(
            error,
            self._retry_limits,
            attempt=step.attempt,
            failing_s=step.failing_s,
            server=server_of(step.provider) if step.provider else "The server",
            now=datetime.now(UTC),
            random=random.random(),  # noqa: S311
        )
        tracing.fail_current(error)
        logs.event("step.failed", severity=30, error=error, decision=type(decision).__name__, **_log_fields(step))
        try:
            if isinstance(decision, Retry):
                self._retry(step, decision)
            elif decision.is_systemic or isinstance(error, UpstreamError) or not self._split(handler, step):
                self._give_up(handler, step, decision)
        except LeaseLost as lost:
            logs.event("step.lost", severity=30, error=lost, step_id=step.id, kind=step.kind, run_id=step.run_id)

    def _retry(self, step: Step, decision: Retry) -> None:
        """Schedule a retry. A pause that the provider asks for delays its other steps too, but no longer than asked."""
        reason = replace_unstorable(decision.reason[:500])
        if decision.pause_s and step.provider:
            with self.database.transaction(ALL_WORKSPACES) as tx:
                is_new = ledger.block(tx, step.provider, decision.pause_s, reason)
            if is_new:
                pause_s = round(decision.pause_s, 1)
                logs.event("provider.blocked", severity=30, provider=step.provider, pause_s=pause_s)
            self.waker.wake([step.queue], decision.pause_s)
        with self.database.transaction(step.workspace_id) as tx:
            ledger.lock(tx, step)
            ledger.retry(tx, step, decision.delay_s, reason, decision.max_attempts)
        self.waker.wake([step.queue], decision.delay_s)

    def _split(self, handler: Handler, step: Step) -> bool:
        """Replace a failing step by steps with fewer items. Returns False if it has a single item."""
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
        reason = replace_unstorable(decision.reason)
        with self.database.transaction(step.workspace_id) as tx:
            ledger.lock(tx, step)
            handler.give_up(tx, step, reason)
            ledger.fail(tx, step, reason, logs.trace.get())
            if decision.is_systemic:
                ledger.cancel_same_kind(tx, step, reason)

    def _on_give_back(self, step: Step) -> None:
        logs.event("step.given_back", step_id=step.id, kind=step.kind, key=step.key, run_id=step.run_id)
        self.waker.wake([step.queue])


def _log_fields(step: Step) -> dict[str, Any]:
    """Return the log fields that identify a step; `waited_ms`: milliseconds between due time and claim."""
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
