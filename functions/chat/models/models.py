"""Chat models: `CHAT_MODEL` flows in, something that answers flows out: LangChain's chat models, or quotations.

A provider's package is imported when its model answers for the first time, never before: that costs 0.7 to 2.7 s.
Keys and addresses come from the settings alone. Called by `routes`; `answer` runs what `answer` returns.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from functions.chat.answers.prompt import Asked, build
from functions.chat.models.extractive import Extractive
from headwater import logs
from headwater.config import Settings
from headwater.errors import ConfigError, HeadwaterError, PermanentError, UpstreamError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

MAX_RETRIES = 2
"""How often a provider's own client tries again before the first token, on 429, 5xx and broken connections."""


class ChatModel(Protocol):
    """Answers a question from passages."""

    @property
    def name(self) -> str:
        """What `CHAT_MODEL` calls it."""
        ...

    @property
    def configured(self) -> bool:
        """Whether this is a language model."""
        ...

    def answer(self, asked: Asked) -> Iterator[str]:
        """Yield the answer's text piece by piece, with citations that nobody has checked yet."""
        ...


def load_model(settings: Settings) -> ChatModel:
    """Choose the model that `CHAT_MODEL` names; raises ConfigError when it or its key is missing."""
    if settings.chat_model == "extractive":
        return Extractive()
    provider, _, model = settings.chat_model.partition(":")
    if provider not in _PROVIDERS or not model:
        known = ", ".join(f"{name}:MODEL" for name in _PROVIDERS)
        raise ConfigError(f"CHAT_MODEL: {settings.chat_model!r} is not known; expected extractive or one of {known}.")
    key = f"{provider.removesuffix('_genai')}_api_key"
    if not getattr(settings, key) and not (provider == "openai" and settings.openai_base_url):
        raise ConfigError(f"CHAT_MODEL is {settings.chat_model}, but {key.upper()} is missing. Set it, or CHAT_MODEL.")
    return LanguageModel(settings, provider, model)


class LanguageModel:
    """A language model of a provider, by way of LangChain."""

    configured = True

    def __init__(self, settings: Settings, provider: str, model: str) -> None:
        self.settings = settings
        self.provider = provider
        self.model = model
        self.name = settings.chat_model

    @cached_property
    def _client(self) -> "BaseChatModel":
        return _PROVIDERS[self.provider](self.settings, self.model)

    def answer(self, asked: Asked) -> Iterator[str]:
        """Yield the answer piece by piece; raises UpstreamError or PermanentError with what to do."""
        ended = False
        try:
            for chunk in self._client.stream([(turn.role, turn.text) for turn in build(asked)]):
                ended = ended or not _ENDS.isdisjoint(chunk.response_metadata)
                if chunk.text:
                    yield str(chunk.text)
        except Exception as error:  # noqa: BLE001 - the boundary to clients of which each has errors of its own
            # What the provider says stays out of the log: it may quote the prompt.
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            logs.event("model.failed", severity=30, model=self.name, kind=kind, status=_status(error))
            raise explain(error, self.provider, self.name) from None
        if not ended:
            raise UpstreamError(f"{self.provider} broke off in the middle of the answer. Ask again.")


_ENDS = {"finish_reason", "stop_reason", "status"}
"""Where each provider says that an answer is over; a connection that merely closes says nothing."""


def _status(error: Exception) -> int | None:
    for name in ("status_code", "code"):
        if isinstance(status := getattr(error, name, None), int):
            return status
    return None


def explain(error: Exception, provider: str, model: str) -> HeadwaterError:
    """Say what to do about a provider's error, by its HTTP status; no word of the provider's own is passed on."""
    status = _status(error)
    key = f"{provider.removesuffix('_genai')}_api_key".upper()
    refused = f"{provider} refuses the key in {key} for {model}. Set one that is valid for it."
    known: dict[int | None, HeadwaterError] = {
        401: PermanentError(refused),
        403: PermanentError(refused),
        404: PermanentError(f"{provider} knows no model of the name in CHAT_MODEL, {model}. Correct it."),
        429: UpstreamError(f"{provider} is asked too often, or the quota is used up. Wait a little, then ask again."),
        None: UpstreamError(f"The connection to {provider} failed or broke off. Ask again."),
    }
    if "timeout" in type(error).__name__.lower():
        return UpstreamError(f"{provider} did not answer in time. Ask again, or raise CHAT_TIMEOUT_S.")
    if status is None or status in known:
        return known[status]
    if status < 500:
        return PermanentError(f"{provider} refuses the question (HTTP {status}). If this is long, begin a new one.")
    return UpstreamError(f"{provider} fails at the moment (HTTP {status}). Ask again in a while.")


def _openai(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=model,
        api_key=SecretStr(settings.openai_api_key or "none"),
        base_url=settings.openai_base_url or "https://api.openai.com/v1",
        # Other servers know nothing but chat completions; OpenAI's own prefers responses for some models.
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
