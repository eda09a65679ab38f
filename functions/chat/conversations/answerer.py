"""Answer questions with the models of the settings, within the caller's budgets."""

from collections.abc import Generator, Sequence

import msgspec
from sqlalchemy.engine import Connection

from functions.chat.answers.compose import MODEL_UNAVAILABLE, Question, Sources, compose, opening
from functions.chat.answers.history import recent_turns
from functions.chat.answers.prompt import CallerInput, Turn
from functions.chat.conversations.titles import with_title
from functions.chat.models.models import ChatModels
from functions.chat.streams.ui_message_stream import Part
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
