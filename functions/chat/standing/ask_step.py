"""The step `ask` of a standing question's run: ask as the owner. Steps of the queue write the answer, as after any
question whose client has gone; its end adds the step `deliver`.
"""

import datetime as dt
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.changes.listing import for_agent, with_changes
from functions.chat.changes.passages import MAX_DOCUMENTS, Changed
from functions.chat.changes.recent import Changes, read_changes
from functions.chat.conversations.answerer import Answerer, Wish, start_answer
from functions.chat.conversations.conversations import own_values
from functions.chat.conversations.questions import ask
from functions.chat.standing import standing_runs
from functions.chat.standing.owner import OwnerLost, find_owner
from functions.chat.standing.standing_runs import conversation_of, lock_run
from functions.chat.streams.answer_queue import AnswerQueue
from headwater.auth.callers import Caller
from headwater.database.transactions import after_commit
from headwater.errors import Conflict, UpstreamError
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult
from headwater.schedules.standing import pause

FIRST_PERIOD = dt.timedelta(days=7)
"""The changes that the first answer is about."""


class AskStandingQuestion:
    """Handler of the steps `ask`."""

    def __init__(self, answerer: Answerer, queue: AnswerQueue) -> None:
        self.answerer = answerer
        self.queue = queue

    def gather(self, tx: Connection, step: Step) -> None:
        """Read nothing: the question is read where it is locked."""

    def compute(self, _: None) -> None:
        """Arm the watchdog, since the step may have been added by another function."""
        self.queue.watch()

    def apply(self, tx: Connection, step: Step, _: None) -> StepResult:
        """Ask, unless nothing has changed. Raises UserError for the reasons for which a person's question is refused,
        such as a budget; the run then ends with it."""
        row = lock_run(tx, step)
        if row is None:
            return StepResult()
        try:
            caller = find_owner(tx, step.workspace_id, row.subject, self.answerer.settings)
        except OwnerLost as lost:
            pause(tx, step.workspace_id, row.question_id, str(lost))
            standing_runs.end(tx, step, row, "failed", str(lost))
            return StepResult({"failed": 1})
        since, until = row.reported_until or row.now - FIRST_PERIOD, row.now
        changes = _read_changes(tx, caller, row, since, until) if row.changes else None
        if changes is not None:
            tx.execute(_SET_PERIOD, {"id": row.id, "since": since, "until": until})
            if not changes.total:
                tx.execute(_REPORTED, {"id": row.question_id, "until": until})
                standing_runs.end(tx, step, row, "unchanged", "No document has changed since the last answer.")
                return StepResult({"unchanged": 1})
        self._ask(tx, caller, row, changes, since)
        return StepResult({"asked": 1})

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the run as failed. The next one is about the same changes."""
        row = lock_run(tx, step)
        if row is not None:
            standing_runs.end(tx, step, row, "failed", reason)

    def _ask(self, tx: Connection, caller: Caller, row: Any, changes: Changes | None, since: dt.datetime) -> None:
        conversation_id = conversation_of(row.id if row.new_conversation else row.question_id)
        text = row.question
        if changes is not None:
            text = (for_agent if row.mode == "agent" else with_changes)(text, changes, since)
        self.answerer.check_model(is_owner=caller.role == "owner")
        self.answerer.check_mode(row.mode, row.agent or None, has_queue=self.queue.tickets is not None)
        try:
            begun = ask(tx, caller, conversation_id, str(row.id), text)
        except Conflict as busy:  # the owner has asked in this conversation: try again when that answer has ended
            raise UpstreamError(busy.message) from busy
        named = {**own_values(caller, conversation_id), "name": row.name, "is_first": not begun.history}
        tx.execute(_SET_TITLE, named)
        wish = Wish(
            row.filter,
            row.model,
            row.mode,
            row.agent if row.mode == "agent" else None,
            changed=None if changes is None or row.mode == "agent" else _changed(row.question, changes),
            is_titled=True,
        )
        started = start_answer(tx, caller, conversation_id, begun, wish, answerer=self.answerer)
        after_commit(tx, partial(started.model.close))  # the step that writes the answer reserves its cost
        if started.request is not None:
            self.queue.hand_over(tx, begun.answer)
        tx.execute(_SET_ANSWER, {"id": row.id, "conversation_id": conversation_id, "answer_id": begun.answer.id})


def _read_changes(tx: Connection, caller: Caller, row: Any, since: dt.datetime, until: dt.datetime) -> Changes:
    sources = row.change_sources if row.on_change else ()
    wanted = where(parse_filter(row.filter))
    return read_changes(tx, caller.workspace_id, since, until, wanted=wanted, sources=sources)


def _changed(question: str, changes: Changes) -> Changed:
    documents = [change.document_id for change in changes.changes if change.document_id is not None]
    return Changed(documents[:MAX_DOCUMENTS], question)


_SET_PERIOD = sa.text("update standing_runs set changes_since = :since, changes_until = :until where id = :id")

_REPORTED = sa.text("update standing_questions set reported_until = :until where id = :id")

_SET_ANSWER = sa.text("""
    update standing_runs set conversation_id = :conversation_id, answer_id = :answer_id where id = :id
""")

# The owner may have renamed the conversation since its first question.
_SET_TITLE = sa.text("""
    update conversations set title = left(:name, 80)
    where workspace_id = :workspace_id and id = :conversation_id and subject = :subject and :is_first
""")
