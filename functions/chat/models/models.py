"""Choose the chat model of a question: those of `CHAT_MODELS` in their order, or the extractive one."""

from collections.abc import Sequence
from functools import cached_property

from functions.chat.answers.prompt import ChatModel
from functions.chat.models.extractive import Extractive
from functions.chat.models.fallback import FallbackModel, Pauses
from functions.chat.models.language_model import LanguageModel
from headwater.config import Settings
from headwater.errors import ConfigError


def load_model(settings: Settings) -> ChatModel:
    """Return the models of the settings as one. Raises ConfigError if one is unknown or a setting is missing."""
    return ChatModels(settings).choose()


class ChatModels:
    """The models of an installation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names: tuple[str, ...] = tuple(dict.fromkeys(settings.chat_models or (settings.chat_model,)))
        self._pauses = Pauses()

    @cached_property
    def _models(self) -> dict[str, LanguageModel]:
        """The language models by name, none if the only model is the extractive one. Raises ConfigError."""
        if not self.are_configured:
            return {}
        if Extractive.name in self.names:
            raise ConfigError("CHAT_MODELS: extractive can't be combined with other models. Remove it, or them.")
        is_only = len(self.names) == 1
        return {name: LanguageModel(self.settings, name, is_only=is_only) for name in self.names}

    @property
    def are_configured(self) -> bool:
        """Whether there are language models, not the extractive one."""
        return self.names != (Extractive.name,)

    def check(self) -> None:
        """Raise ConfigError if a model is unknown or a setting is missing."""
        _ = self._models

    def allowed_names(self, allowed: Sequence[str] | None) -> list[str]:
        """Return the models that a workspace may use, in their order; all if it allows none of them (None: all)."""
        return [name for name in self.names if allowed is None or name in allowed] or list(self.names)

    def choose(self, first: str = "", allowed: Sequence[str] | None = None) -> ChatModel:
        """Return the model that answers: `first`, then the allowed ones in their order (None: all).

        Raises ConfigError.
        """
        if not self._models:
            return Extractive()
        names = sorted(self.allowed_names(allowed), key=lambda name: name != first)
        models = [self._models[name] for name in names]
        return models[0] if len(self._models) == 1 else FallbackModel(models, self._pauses)
