"""Load the chat model that `CHAT_MODEL` names: a provider's, through LangChain, or the extractive one.

A provider's package takes 0.7 to 2.7 s to import, so it is imported when its model first answers. API keys and base
URLs come from the settings only, never from the environment.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from functions.chat.answers.prompt import ChatModel, ModelInput, build_messages
from functions.chat.models.extractive import Extractive
from headwater import logs
from headwater.config import Settings
from headwater.errors import ConfigError, HeadwaterError, PermanentError, UpstreamError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

MAX_RETRIES = 2
"""Retries by a provider's own client before the first token, on 429, 5xx and connection errors."""


def load_model(settings: Settings) -> ChatModel:
    """Return the model that `CHAT_MODEL` names. Raises ConfigError if it is unknown or its key is missing."""
    if settings.chat_model == "extractive":
        return Extractive()
    provider, _, model = settings.chat_model.partition(":")
    if provider not in _PROVIDERS or not model:
        known = ", ".join(f"{name}:MODEL" for name in _PROVIDERS)
        raise ConfigError(f"CHAT_MODEL {settings.chat_model!r} is unknown. Set it to extractive or one of {known}.")
    key = f"{provider.removesuffix('_genai')}_api_key"
    if not getattr(settings, key) and not (provider == "openai" and settings.openai_base_url):
        raise ConfigError(
            f"{key.upper()} is missing for CHAT_MODEL={settings.chat_model}. Set it, or another CHAT_MODEL."
        )
    return LanguageModel(settings, provider, model)


class LanguageModel:
    """A provider's language model, called through LangChain."""

    configured = True

    def __init__(self, settings: Settings, provider: str, model: str) -> None:
        self.settings = settings
        self.provider = provider
        self.model = model
        self.name = settings.chat_model

    @cached_property
    def _client(self) -> "BaseChatModel":
        return _PROVIDERS[self.provider](self.settings, self.model)

    def answer(self, model_input: ModelInput) -> Iterator[str]:
        """Yield the answer piece by piece. Raises UpstreamError or PermanentError that say what to do."""
        finished = False
        try:
            for chunk in self._client.stream([(turn.role, turn.text) for turn in build_messages(model_input)]):
                finished = finished or not _FINISH_KEYS.isdisjoint(chunk.response_metadata)
                if chunk.text:
                    yield str(chunk.text)
        except Exception as error:  # noqa: BLE001 - every provider's client has its own errors
            # The provider's message is not logged: it may quote the prompt.
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            logs.event("model.failed", severity=30, model=self.name, kind=kind, status=_status(error))
            raise translate_error(error, self.provider, self.name) from None
        if not finished:
            raise UpstreamError(
                f"{_display_name(self.provider)} closed the connection before the answer was complete. Try again."
            )


_FINISH_KEYS = {"finish_reason", "stop_reason", "status"}
"""Metadata keys that providers set on the last chunk; without one, the connection was cut."""

_DISPLAY_NAMES = {"anthropic": "Anthropic", "google_genai": "Google", "groq": "Groq", "openai": "OpenAI"}


def _display_name(provider: str) -> str:
    return _DISPLAY_NAMES[provider]


def _status(error: Exception) -> int | None:
    for name in ("status_code", "code"):
        if isinstance(status := getattr(error, name, None), int):
            return status
    return None


def translate_error(error: Exception, provider: str, model: str) -> HeadwaterError:
    """Translate a provider's error by its HTTP status. The provider's own message is not passed on."""
    status = _status(error)
    key = f"{provider.removesuffix('_genai')}_api_key".upper()
    name = _display_name(provider)
    refused = f"{name} rejected the API key in {key} for {model}. Set a key that may use this model."
    errors: dict[int | None, HeadwaterError] = {
        401: PermanentError(refused),
        403: PermanentError(refused),
        404: PermanentError(f"{name} has no model {model}. Correct CHAT_MODEL."),
        429: UpstreamError(f"{name}'s rate limit or quota is reached. Try again in a minute."),
        None: UpstreamError(f"The connection to {name} failed. Try again."),
    }
    if "timeout" in type(error).__name__.lower():
        return UpstreamError(f"{name} did not answer in time. Try again, or raise CHAT_TIMEOUT_S.")
    if status is None or status in errors:
        return errors[status]
    if status < 500:
        return PermanentError(
            f"{name} rejected the question (HTTP {status}). If this conversation is long, start a new one."
        )
    return UpstreamError(f"{name} is failing (HTTP {status}). Try again in a few minutes.")


def _openai(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=model,
        api_key=SecretStr(settings.openai_api_key or "none"),
        base_url=settings.openai_base_url or "https://api.openai.com/v1",
        # Other servers have only chat completions; OpenAI prefers its responses API for some models.
        use_responses_api=False if settings.openai_base_url else None,
        stream_usage=False,
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


def _anthropic(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_anthropic import ChatAnthropic
    from pydantic import SecretStr

    return ChatAnthropic(
        model_name=model,
        stop=None,
        api_key=SecretStr(settings.anthropic_api_key),
        base_url=settings.anthropic_base_url or "https://api.anthropic.com",
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


def _google_genai(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_google_genai import ChatGoogleGenerativeAI
    from pydantic import SecretStr

    return ChatGoogleGenerativeAI(
        model=model,
        api_key=SecretStr(settings.google_api_key),
        vertexai=False,
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


def _groq(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_groq import ChatGroq
    from pydantic import SecretStr

    return ChatGroq(
        model=model,
        api_key=SecretStr(settings.groq_api_key),
        base_url="https://api.groq.com",
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


_PROVIDERS: Mapping[str, Callable[[Settings, str], "BaseChatModel"]] = {
    "anthropic": _anthropic,
    "google_genai": _google_genai,
    "groq": _groq,
    "openai": _openai,
}
