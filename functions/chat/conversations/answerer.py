"""Answer questions with the model that the settings name."""

from collections.abc import Generator
from functools import cached_property

from functions.chat.answers.compose import MODEL_UNAVAILABLE, Question, compose
from functions.chat.answers.prompt import ChatModel
from functions.chat.models.models import load_model
from functions.chat.retrieval.search import Search
from functions.chat.streams.ui_message_stream import Part
from headwater.config import Settings
from headwater.errors import ConfigError, UpstreamError


class Answerer:
    """Answers questions. Loads the model with the first one."""

    def __init__(self, settings: Settings, search: Search) -> None:
        self.settings = settings
        self.search = search

    @cached_property
    def model(self) -> ChatModel:
        """The chat model. Raises ConfigError while it or its key is missing."""
        return load_model(self.settings)

    def check_model(self, *, is_owner: bool) -> None:
        """Raise ConfigError if the model can't be used because of a setting, UpstreamError to callers but owners."""
        try:
            _ = self.model
        except ConfigError as error:
            raise error if is_owner else UpstreamError(MODEL_UNAVAILABLE) from error

    def answer(self, question: Question) -> Generator[list[Part], None, None]:
        """Yield the parts of an answer in groups, as `compose` does."""
        return compose(question, self.search, self.model, self.settings.chat_timeout_s)
