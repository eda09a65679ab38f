"""Load the chat model that `CHAT_MODEL` names: a provider's, through LangChain, or the extractive one.

A provider's package takes 0.7 to 2.7 s to import, so it is imported when its model first answers. API keys and base
URLs come from the settings only, never from the environment.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from functions.chat.answers.pieces import Finish, Piece, Thought
from functions.chat.answers.prompt import ChatModel, ModelInput, build_messages
from functions.chat.models.extractive import Extractive
from functions.chat.models.provider_errors import DISPLAY_NAMES, is_in_stream, status_of, translate_error
from functions.chat.models.stream_end import client_that_notes_done, done_was_sent
from functions.chat.streams.ui_message_stream import FinishReason
from headwater import logs
from headwater.config import Settings
from headwater.errors import ConfigError, UpstreamError
from headwater.outbound.deadline import is_not_wanted
from headwater.outbound.httpx_clients import limit_httpx

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk

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

    def answer(self, model_input: ModelInput) -> Iterator[Piece]:
        """Yield the answer piece by piece, then `Finish`. Raises UpstreamError or PermanentError that say what to do.

        If the provider fails in the stream before the first piece, the question is sent once more.
        """
        messages = [(turn.role, turn.text) for turn in build_messages(model_input)]
        reason, has_begun = "", False
        for attempt in range(2):
            try:
                for chunk in self._client.stream(messages):
                    reason = finish_reason(chunk.response_metadata) or reason
                    for piece in _pieces(chunk):
                        has_begun = True
                        yield piece
                break
            except Exception as error:  # noqa: BLE001 - every provider's client has its own errors
                if is_not_wanted(error):
                    return
                # The provider's message is not logged: it may quote the prompt.
                kind = f"{type(error).__module__}.{type(error).__qualname__}"
                logs.event("model.failed", severity=30, model=self.name, kind=kind, status=status_of(error))
                if attempt or has_begun or not is_in_stream(error):
                    raise translate_error(error, self.provider, self.name, self._base_url) from None
        if reason in _FAILURES or not (reason or done_was_sent()):
            raise UpstreamError(
                f"{DISPLAY_NAMES[self.provider]} ended the connection before the answer was complete. Try again."
            )
        yield Finish(_REASONS.get(reason, "stop"))

    @property
    def _base_url(self) -> str:
        return str(getattr(self.settings, f"{self.provider}_base_url", ""))


def finish_reason(metadata: Mapping[str, Any]) -> str:
    """Return why a provider ended an answer, in lower case, from a chunk's metadata; "" if the chunk is not the last.

    OpenAI's responses API has `status: incomplete` with a reason in `incomplete_details`.
    """
    details = metadata.get("incomplete_details") or {}
    names = ("finish_reason", "stop_reason", "status")
    return str(details.get("reason") or next((metadata[name] for name in names if metadata.get(name)), "")).lower()


def _pieces(chunk: "AIMessageChunk") -> Iterator[Piece]:
    """Yield a chunk's thoughts and text. A refusal's explanation is text, too."""
    for block in chunk.content if isinstance(chunk.content, list) else ():
        if isinstance(block, dict) and isinstance(thought := block.get("thinking"), str) and thought:
            yield Thought(thought)
    if text := str(chunk.text) or str(chunk.additional_kwargs.get("refusal") or ""):
        yield text


_FAILURES = {"error", "failed", "malformed_function_call"}
_LENGTH = ("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded")
_FILTER = ("content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii")
_REASONS: Mapping[str, FinishReason] = {
    **dict.fromkeys(_LENGTH, "length"),
    **dict.fromkeys(_FILTER, "content-filter"),
    **dict.fromkeys(("pause_turn", "language", "other"), "other"),
}
"""Providers' reasons for ending an answer early. All others are complete answers."""


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
        http_client=limit_httpx(client_that_notes_done(settings.chat_timeout_s)),
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


def _anthropic(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_anthropic import ChatAnthropic
    from pydantic import SecretStr

    chat = ChatAnthropic(
        model_name=model,
        stop=None,
        api_key=SecretStr(settings.anthropic_api_key),
        base_url=settings.anthropic_base_url or "https://api.anthropic.com",
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )
    limit_httpx(chat._client._client)  # LangChain takes no client of ours
    return chat


def _google_genai(settings: Settings, model: str) -> "BaseChatModel":
    from langchain_google_genai import ChatGoogleGenerativeAI
    from pydantic import SecretStr

    chat = ChatGoogleGenerativeAI(
        model=model,
        api_key=SecretStr(settings.google_api_key),
        vertexai=False,
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )
    assert chat.client
    limit_httpx(chat.client._api_client._httpx_client)  # nor here
    return chat


def _groq(settings: Settings, model: str) -> "BaseChatModel":
    from groq import DefaultHttpxClient
    from langchain_groq import ChatGroq
    from pydantic import SecretStr

    return ChatGroq(
        model=model,
        api_key=SecretStr(settings.groq_api_key),
        base_url="https://api.groq.com",
        http_client=limit_httpx(DefaultHttpxClient(timeout=settings.chat_timeout_s)),
        timeout=settings.chat_timeout_s,
        max_retries=MAX_RETRIES,
    )


_PROVIDERS: Mapping[str, Callable[[Settings, str], "BaseChatModel"]] = {
    "anthropic": _anthropic,
    "google_genai": _google_genai,
    "groq": _groq,
    "openai": _openai,
}
