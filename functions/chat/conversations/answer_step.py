"""The step that writes an answer again after it has lost its writer. It has no client.

The answer's readers follow the log, on any instance.
"""

import uuid
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.answers.compose import Question
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_workspace_chat
from functions.chat.conversations.questions import AnswerRequest, read_question
from functions.chat.streams import message_log
from functions.chat.streams.group_commit import GroupCommit
from functions.chat.streams.ui_message_stream import ErrorPart
from functions.chat.streams.writer import Writer
from functions.chat.usage.metering import MeteredModel
from headwater import logs
from headwater.queue.ledger import Step
from headwater.queue.worker import StepResult
from headwater.web.shutdown import Lifetime


class Writing(NamedTuple):
    """An answer that this step writes."""

    question: Question
    model: MeteredModel


class WriteAnswer:
    """Handler of the steps `answer`, whose key is the answer's id."""

    def __init__(self, answerer: Answerer, commits: GroupCommit, lifetime: Lifetime) -> None:
        self.answerer = answerer
        self.commits = commits
        self.lifetime = lifetime

    def gather(self, tx: Connection, step: Step) -> Writing | None:
        """Become the answer's writer. Returns None if the answer has ended, such as by its reader's request."""
        taken = message_log.take_over(tx, step.workspace_id, uuid.UUID(step.key))
        if taken is None:
            return None
        answer, stored = taken
        request = msgspec.json.decode(stored, type=AnswerRequest)
        caller = request.caller(step.workspace_id)
        begun = read_question(tx, answer, request.continues)
        workspace = read_workspace_chat(tx, caller)
        model = self.answerer.choose_model(
            tx,
            caller,
            begun.question,
            history=begun.history,
            remembered=request.model,
            allowed=workspace.allowed,
        )
        return Writing(request.question(caller, begun, workspace.instructions), model)

    def compute(self, gathered: Writing | None) -> None:
        """Write the answer and its end, group by group, as the request does."""
        if gathered is None:
            return
        answer = gathered.question.answer
        writer = Writer(self.commits, answer, request_id=logs.trace.get(), lifetime=self.lifetime)
        writer.write_unread(self.answerer.answer(gathered.question, gathered.model))

    def apply(self, tx: Connection, step: Step, _: None) -> StepResult:
        """End the run."""
        tx.execute(_END_RUN, {"run_id": step.run_id, "state": "succeeded"})
        return StepResult()

    def give_up(self, tx: Connection, step: Step, reason: str) -> None:
        """End the answer and the run as failed."""
        if (taken := message_log.take_over(tx, step.workspace_id, uuid.UUID(step.key))) is not None:
            message_log.end(tx, taken[0], "failed", ErrorPart(reason))
        tx.execute(_END_RUN, {"run_id": step.run_id, "state": "failed"})


_END_RUN = sa.text("""
    update runs set state = :state, finished_at = clock_timestamp() where id = :run_id and state = 'running'
""")
