"""The step `deliver` of a standing question's run: its answer has ended. End the run, or add a step per delivery."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.standing import standing_runs
from functions.chat.standing.standing_runs import lock_run
from headwater.queue.ledger import NewStep, Step
from headwater.queue.providers import origin_of, provider_name
from headwater.queue.worker import StepResult

DELETED = "The conversation was deleted before its answer was complete."

_UNFINISHED = {
    "stopped": "The answer was stopped.",
    "interrupted": "The answer was interrupted.",
    "failed": "The answer failed.",
}


class Outcome(NamedTuple):
    """How an answer has ended: `problem` says why it is not delivered, `notice` is a remark on a delivered one."""

    problem: str | None
    notice: str | None


class DeliverAnswer:
    """Handler of the steps `deliver`."""

    def gather(self, tx: Connection, step: Step) -> None:
        """Read nothing: the answer is read where its run is locked."""

    def compute(self, gathered: None) -> None:
        """Do nothing."""

    def apply(self, tx: Connection, step: Step, _: None) -> StepResult:
        """End the run, or add the steps that deliver the answer. Answers that are incomplete by an error fail."""
        row = lock_run(tx, step)
        if row is None:
            return StepResult()
        outcome = _read_outcome(tx, step, row)
        if outcome.problem is not None:
            standing_runs.end(tx, step, row, "failed", outcome.problem)
            return StepResult({"failed": 1})
        if row.changes_until is not None:
            tx.execute(_REPORTED, {"id": row.question_id, "until": row.changes_until})
        targets = [("callback", row.callback_url)] if row.callback_url else []
        targets += [("mail", address) for address in row.mail_to]
        if not targets:
            standing_runs.end(tx, step, row, "complete", outcome.notice)
            return StepResult({"answered": 1})
        standing_runs.add_deliveries(tx, step.workspace_id, row.id, targets)
        if outcome.notice:
            tx.execute(_NOTE, {"id": row.id, "reason": outcome.notice})
        return StepResult({"answered": 1}, [_step(row, n, *target) for n, target in enumerate(targets)])

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the run as failed."""
        row = lock_run(tx, step)
        if row is not None:
            standing_runs.end(tx, step, row, "failed", reason)


def _step(row: Any, n: int, kind: str, address: str) -> NewStep:
    if kind == "mail":
        return NewStep("chat", "send_mail", str(n))
    origin = origin_of(address)
    return NewStep(
        "chat", "call_back", str(n), provider=provider_name(origin, str(row.question_id)) if origin else None
    )


def _read_outcome(tx: Connection, step: Step, row: Any) -> Outcome:
    values = {"workspace_id": step.workspace_id, "id": row.answer_id}
    answer = tx.execute(_ANSWER, values).one_or_none()
    if answer is None:
        return Outcome(DELETED, None)
    if answer.state in ("complete", "cut"):
        return Outcome(None, answer.notice)
    return Outcome(answer.notice or _UNFINISHED.get(answer.state, _UNFINISHED["failed"]), None)


_ANSWER = sa.text("select state, notice from messages where workspace_id = :workspace_id and id = :id")

# A later run may have been about later changes, if this one was delivered late.
_REPORTED = sa.text("""
    update standing_questions set reported_until = greatest(reported_until, :until) where id = :id
""")

_NOTE = sa.text("update standing_runs set reason = :reason where id = :id")
