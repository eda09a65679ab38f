"""Answer a question that is not part of a stored conversation."""

import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from functions.chat.answers.compose import Question
from functions.chat.answers.prompt import CallerInput, Turn
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_workspace_chat
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.ui_message_stream import Part
from functions.chat.usage.metering import MeteredModel
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.filters.parse import parse_filter


class StatelessAnswer(NamedTuple):
    """The parts of an answer in groups, as `compose` yields them, and the model, which has the usage once they end."""

    groups: Iterator[list[Part]]
    model: MeteredModel


def answer_once(
    answerer: Answerer,
    caller: Caller,
    text: str,
    *,
    history: Sequence[Turn] = (),
    document_filter: str = "",
    model_name: str | None = None,
    added: CallerInput = CallerInput(),  # noqa: B008 - frozen
) -> StatelessAnswer:
    """Return an answer to be read. Nothing is stored but its usage.

    Raises FilterError, ConfigError, UpstreamError, UnprocessableContent for a model that is not allowed and
    BudgetExceeded at once, and while the parts are read what `compose` raises.
    """
    chosen = parse_filter(document_filter)
    is_owner = caller.role == "owner"
    answerer.check_model(is_owner=is_owner)
    with answerer.database.transaction(caller.workspace_id) as tx:
        ensure_local_workspace(tx, caller.workspace_id)  # usage refers to it
        workspace = read_workspace_chat(tx, caller)
        model = answerer.choose_model(
            tx, caller, text, history=history, given=model_name, allowed=workspace.allowed, added=added
        )
    key = AnswerKey(caller.workspace_id, "", uuid.uuid4())
    question = Question(key, text, history, is_owner, filter=chosen, caller=added, instructions=workspace.instructions)
    return StatelessAnswer(answerer.answer(question, model), model)
