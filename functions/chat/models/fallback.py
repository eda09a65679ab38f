"""Call the models in an order: if one fails before its first piece, the next one answers.

On this instance, a model that failed is tried last for a while: for as long as the provider asks for, or a default.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.chat.answers.pieces import Piece, Using
from functions.chat.answers.prompt import ModelInput, ModelMisconfigured, Tool, Turn
from functions.chat.models.chunks import ChunkReader
from functions.chat.models.language_model import LanguageModel
from headwater import logs
from headwater.errors import HeadwaterError, UpstreamError

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput

PAUSE_S = 30.0
"""Seconds for which a model that failed is passed over, unless its provider asks for another time."""

MISCONFIGURED_PAUSE_S = 300.0
"""The same for a model whose settings or account have to be changed."""

MAX_PAUSE_S = 3600.0


class Pauses:
    """Until when models are passed over. An instance has one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, name: str, error: HeadwaterError) -> None:
        """Pass a model over that failed."""
        asked_s = error.retry_after_s if isinstance(error, UpstreamError) else MISCONFIGURED_PAUSE_S
        self._until[name] = self._clock() + min(MAX_PAUSE_S, PAUSE_S if asked_s is None else asked_s)

    def is_paused(self, name: str) -> bool:
        """Return True if a model is passed over."""
        return self._until.get(name, 0.0) > self._clock()

    def order(self, models: Sequence[LanguageModel]) -> list[LanguageModel]:
        """Return the models in the order in which they are tried: paused ones last, those first whose pause ends first.

        If all are paused, they are tried nevertheless.
        """
        return sorted(models, key=lambda model: self._until.get(model.name, 0.0) if self.is_paused(model.name) else 0.0)


class FallbackModel:
    """Several language models as one."""

    configured = True

    def __init__(self, models: Sequence[LanguageModel], pauses: Pauses) -> None:
        self.models = models
        self.pauses = pauses

    @property
    def name(self) -> str:
        """The name of the model that is tried first."""
        return self.pauses.order(self.models)[0].name

    def warm(self) -> None:
        """Warm the model that is tried first."""
        self.pauses.order(self.models)[0].warm()

    def answer(self, model_input: ModelInput) -> Generator[Piece, None, None]:
        """Yield the answer of the first model that doesn't fail; before each attempt, which model it is."""
        return self._try(lambda model: model.answer(model_input))

    def stream(self, turns: Sequence[Turn], tools: Sequence[Tool] = ()) -> Generator[Piece, None, None]:
        """Yield the answer to messages in the same way."""
        return self._try(lambda model: model.stream(turns, tools))

    def stream_messages(
        self,
        messages: "LanguageModelInput",
        tools: Sequence[Tool],
        new_reader: Callable[[], ChunkReader],
        tool_choice: str = "",
    ) -> Generator[Piece, None, None]:
        """Yield the answer to LangChain's messages in the same way. Each model has a reader of its own."""
        return self._try(lambda model: model.stream_messages(messages, tools, new_reader, tool_choice))

    def write_json(self, turns: Sequence[Turn], schema: Mapping[str, Any], /) -> Generator[Piece, None, None]:
        """Yield JSON text by a schema in the same way."""
        return self._try(lambda model: model.write_json(turns, schema))

    def _try(self, call: Callable[[LanguageModel], Generator[Piece, None, None]]) -> Generator[Piece, None, None]:
        order = self.pauses.order(self.models)
        failed: set[str] = set()
        for model in order:
            preferred = self.models[: self.models.index(model)]
            passed_over = (each.name for each in preferred if each.name in failed or self.pauses.is_paused(each.name))
            yield Using(model.name, tuple(passed_over))
            has_begun = False
            try:
                for piece in call(model):
                    has_begun = True
                    yield piece
                return
            except (UpstreamError, ModelMisconfigured) as error:
                self.pauses.add(model.name, error)
                if has_begun or model is order[-1]:
                    raise
                failed.add(model.name)
                logs.event("model.passed_over", severity=30, model=model.name, error=error)
