"""Answer questions with the models of the settings, within the caller's budgets."""

import uuid
from collections.abc import Generator, Sequence
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.custom.choice import choose_agent
from functions.chat.agents.limits import NO_MODEL
from functions.chat.answers.compose import MODEL_UNAVAILABLE, Question, Sources, compose, opening
from functions.chat.answers.evidence import Mode
from functions.chat.answers.history import recent_turns
from functions.chat.answers.prompt import CallerInput, Turn
from functions.chat.changes.passages import Changed
from functions.chat.conversations.model_choice import remember_choices
from functions.chat.conversations.questions import AnswerRequest, Begun
from functions.chat.conversations.titles import with_title
from functions.chat.models.models import ChatModels
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import Event, ModelName, Part
from functions.chat.usage.metering import MeteredModel, estimate
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.errors import ConfigError, UnprocessableContent, UpstreamError
from headwater.usage.budgets import reserve
from headwater.usage.prices import load_prices
from headwater.usage.record import Tokens, cost_of, payer_of

SETTLE_S = 60.0
"""Seconds after an answer's time-out until its reservation expires."""


class Wish(msgspec.Struct, frozen=True):
    """How a question is to be answered. `filter`, `model` and `agent`: None for those of the question before."""

    filter: str | None = None
    model: str | None = None
    mode: Mode | Literal["agent"] = "documents"
    agent: str | None = None
    half_life_days: float | None = None
    continues: uuid.UUID | None = None
    changed: Changed | None = None
    is_titled: bool = False


class StartedAnswer(NamedTuple):
    """An answer that has been started, and its first events.

    `request` is None for an agent's, which steps of the queue write.
    """

    request: AnswerRequest | None
    model: MeteredModel
    instructions: str
    events: Sequence[Event] = ()


class Answerer:
    """Answers questions. Loads a model with the first question that needs it."""

    def __init__(self, database: Database, settings: Settings, sources: Sources) -> None:
        self.database = database
        self.settings = settings
        self.sources = sources
        self.models = ChatModels(settings)

    def check_model(self, *, is_owner: bool) -> None:
        """Raise ConfigError if a model can't be used because of a setting, UpstreamError to callers but owners."""
        try:
            self.models.check()
            load_prices(self.settings.prices)
        except ConfigError as error:
            raise error if is_owner else UpstreamError(MODEL_UNAVAILABLE) from error

    def check_mode(self, mode: str, agent: str | None, *, has_queue: bool) -> None:
        """Raise UnprocessableContent if this installation can't run agents, or only an agent's question names one."""
        if mode != "agent" and agent is not None:
            raise UnprocessableContent("agent: only a question with `mode: agent` has one.")
        if mode == "agent" and not self.models.are_configured:
            raise UnprocessableContent(f"mode: {NO_MODEL}")
        if mode == "agent" and not has_queue:
            raise UnprocessableContent("mode: agents need the queue `chat`. Set CHAT_URL.")

    def choose_model(
        self,
        tx: Connection,
        caller: Caller,
        text: str,
        *,
        history: Sequence[Turn] = (),
        given: str | None = None,
        remembered: str = "",
        allowed: Sequence[str] | None,
        added: CallerInput = CallerInput(),  # noqa: B008 - frozen
        estimated: Tokens | None = None,
    ) -> MeteredModel:
        """Return the model that answers a caller's question, and reserve its estimated cost, or that of `estimated`.

        `given` is the model that the question names, `remembered` that of its conversation, which may have become
        unavailable; `allowed` are those of the workspace, None for all. Raises UnprocessableContent if the given one is
        not allowed, BudgetExceeded.
        """
        payer, prices, reservation = payer_of(caller), load_prices(self.settings.prices), None
        names = self.models.allowed_names(allowed)
        if given and given not in names:
            raise UnprocessableContent(f"model: {given} is not available. Choose one of {', '.join(names)}.")
        model = self.models.choose(given or remembered, names)
        if model.configured:
            recent = recent_turns(history, self.settings.chat_history_tokens)
            cost = cost_of(prices, model.name, estimated or estimate(text, recent, added))
            reservation = reserve(tx, payer, cost, for_s=self.settings.chat_timeout_s + SETTLE_S)
        return MeteredModel(model, self.database, prices, payer, reservation)

    def answer(
        self, question: Question, model: MeteredModel, *, is_open: bool = False
    ) -> Generator[list[Part], None, None]:
        """Yield the parts of an answer in groups, as `compose` does, and the title of a new conversation.

        They begin with its `opening`, unless it `is_open` already.
        """
        history = recent_turns(question.history, self.settings.chat_history_tokens)
        question = msgspec.structs.replace(question, history=history)
        try:
            if not is_open:
                yield opening(question.answer, model)
            groups = compose(question, self.sources, model, self.settings.chat_timeout_s)
            if question.new_title and model.configured and self.settings.chat_titles:
                yield from with_title(groups, question, model, self.database)
            else:
                yield from groups
        finally:
            model.close()


def start_answer(
    tx: Connection, caller: Caller, conversation_id: str, begun: Begun, wish: Wish, *, answerer: Answerer
) -> StartedAnswer:
    """Choose the model of an answer, reserve its estimated cost, and store the request.

    An agent's answer gets its first step; the caller wakes the queue, and closes the model. Raises
    UnprocessableContent, BudgetExceeded.
    """
    remembered = remember_choices(tx, caller, conversation_id, model=wish.model, document_filter=wish.filter)
    workspace = remembered.workspace
    model = answerer.choose_model(
        tx,
        caller,
        begun.question,
        history=begun.history,
        given=wish.model,
        remembered=remembered.model,
        allowed=workspace.allowed,
    )
    chosen = wish.model or remembered.model
    if wish.mode != "agent":
        request = AnswerRequest(
            caller.subject,
            caller.role,
            remembered.filter,
            chosen,
            wish.mode,
            wish.half_life_days,
            wish.continues,
            wish.changed,
            wish.is_titled,
        )
        first = opening(begun.answer, model)
        events = message_log.remember_request(tx, begun.answer, msgspec.json.encode(request), first)
        return StartedAnswer(request, model, workspace.instructions, events)
    agent = choose_agent(tx, caller, conversation_id, wish.agent, answerer.settings.agents_dir)
    task = store.new_task(
        caller,
        begun.question,
        recent_turns(begun.history, answerer.settings.chat_history_tokens),
        document_filter=remembered.filter,
        model=chosen,
        models=workspace.allowed,
        instructions=workspace.instructions,
        agent=agent,
        client_id=conversation_id,
    )
    store.begin(tx, begun.answer, task, ModelName(model.name, model.configured, agent=True, agent_name=agent))
    return StartedAnswer(None, model, workspace.instructions)
