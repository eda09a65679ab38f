"""Providers of language models, and the construction of LangChain's client for each.

A provider's package takes 0.7 to 2.7 s to import, so it is imported when its client is built. API keys and base URLs
come from the settings only, never from the environment.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from functions.chat.models.stream_end import client_for_asyncio, client_that_notes_done
from headwater.config import Settings
from headwater.errors import ConfigError
from headwater.outbound.httpx_clients import limit_httpx

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from langchain_core.language_models import BaseChatModel

Connect = Callable[[Settings, str, int], "BaseChatModel"]
"""Builds a client from the settings, a model's name and the number of retries before the first token."""


class Provider(msgspec.Struct, frozen=True):
    """A provider: its name as people write it, and the settings that it uses.

    `key` and `url` are names of settings, "" for none. `requires` are those without which it can't be called; with a
    server of the installation's own in `url`, the key is not required.
    """

    title: str
    connect: Connect
    key: str
    url: str
    requires: tuple[str, ...] = ()
    own_server_needs_no_key: bool = False

    def missing(self, settings: Settings) -> list[str]:
        """Return the names of the required settings that are missing."""
        free = self.own_server_needs_no_key and getattr(settings, self.url)
        return [
            name.upper() for name in self.requires if not getattr(settings, name) and not (free and name == self.key)
        ]


def _openai(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    return _openai_protocol(
        settings,
        model,
        retries,
        key=settings.openai_api_key,
        url=settings.openai_base_url or "https://api.openai.com/v1",
        # Other servers have only chat completions; OpenAI prefers its responses API for some models.
        use_responses_api=False if settings.openai_base_url else None,
    )


def _openrouter(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    url = settings.openrouter_base_url or "https://openrouter.ai/api/v1"
    return _openai_protocol(settings, model, retries, key=settings.openrouter_api_key, url=url)


def _ollama(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    return _openai_protocol(
        settings, model, retries, key="", url=f"{settings.ollama_base_url.rstrip('/').removesuffix('/v1')}/v1"
    )


def _openai_compatible(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    key, url = settings.openai_compatible_api_key, settings.openai_compatible_base_url
    return _openai_protocol(settings, model, retries, key=key, url=url)


def _mistralai(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    url = settings.mistral_base_url or "https://api.mistral.ai/v1"
    # Mistral sends the usage without being asked, and rejects `stream_options`.
    return _openai_protocol(settings, model, retries, key=settings.mistral_api_key, url=url, stream_usage=False)


def _openai_protocol(
    settings: Settings,
    model: str,
    retries: int,
    *,
    key: str,
    url: str,
    use_responses_api: bool | None = False,
    stream_usage: bool = True,
) -> "BaseChatModel":
    from pydantic import SecretStr

    from functions.chat.models.joined_chunks import JoiningCompletions
    from functions.chat.models.openai_reasoning import ReasoningChatOpenAI

    chat = ReasoningChatOpenAI(
        model=model,
        api_key=SecretStr(key or "none"),
        base_url=url,
        use_responses_api=use_responses_api,
        stream_usage=stream_usage,
        http_client=limit_httpx(client_that_notes_done(settings.chat_timeout_s)),
        http_async_client=client_for_asyncio(),
        timeout=settings.chat_timeout_s,
        max_retries=retries,
    )
    chat.client = JoiningCompletions(chat.client)
    return chat


def _azure_openai(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    from langchain_openai import AzureChatOpenAI
    from pydantic import SecretStr

    from functions.chat.models.joined_chunks import JoiningCompletions

    chat = AzureChatOpenAI(
        azure_deployment=model,
        model=model,
        api_key=SecretStr(settings.azure_openai_api_key),
        azure_endpoint=settings.azure_openai_endpoint,
        api_version=settings.azure_openai_api_version,
        stream_usage=True,
        http_client=limit_httpx(client_that_notes_done(settings.chat_timeout_s)),
        http_async_client=client_for_asyncio(),
        timeout=settings.chat_timeout_s,
        max_retries=retries,
    )
    chat.client = JoiningCompletions(chat.client)
    return chat


def _anthropic(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    from langchain_anthropic import ChatAnthropic
    from pydantic import SecretStr

    chat = ChatAnthropic(
        model_name=model,
        stop=None,
        api_key=SecretStr(settings.anthropic_api_key),
        base_url=settings.anthropic_base_url or "https://api.anthropic.com",
        timeout=settings.chat_timeout_s,
        max_retries=retries,
    )
    limit_httpx(chat._client._client)  # LangChain takes no client of ours
    return chat


def _google_genai(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    from pydantic import SecretStr

    key = SecretStr(settings.google_api_key or "none")
    url = settings.google_base_url or None
    return _google(settings, model, retries, api_key=key, vertexai=False, base_url=url)


def _vertexai(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    return _google(
        settings,
        model,
        retries,
        vertexai=True,
        project=settings.vertexai_project or settings.google_cloud_project,
        location=settings.vertexai_location,
        credentials=_google_credentials(settings.vertexai_service_account),
        base_url=settings.vertexai_base_url or None,
    )


def _google(settings: Settings, model: str, retries: int, **options: Any) -> "BaseChatModel":
    from langchain_google_genai import ChatGoogleGenerativeAI

    chat = ChatGoogleGenerativeAI(
        model=model,
        timeout=settings.chat_timeout_s,
        max_retries=retries + 1,  # attempts, with the first
        **options,
    )
    if (chat.profile or {}).get("reasoning_output"):
        chat.include_thoughts = True  # others reject it
    assert chat.client
    limit_httpx(chat.client._api_client._httpx_client)  # LangChain takes no client of ours
    return chat


def _google_credentials(key: str) -> "Credentials":
    """Return a service account's credentials, or those of the identity that the function runs as.

    Raises ConfigError without either.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.oauth2 import service_account

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    if not key:
        try:
            found: tuple[Credentials, str | None] = google.auth.default(scopes)
        except DefaultCredentialsError:
            raise ConfigError(
                "There are no credentials for Vertex AI. Set VERTEXAI_SERVICE_ACCOUNT to the key of a service account, "
                "or run on Cloud Run with one."
            ) from None
        return found[0]
    try:
        made: Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            json.loads(key), scopes=scopes
        )
    except ValueError as error:
        raise ConfigError(
            f"VERTEXAI_SERVICE_ACCOUNT is not the key of a service account ({type(error).__name__}). Set it to the "
            "JSON text of a key."
        ) from None
    return made


def _groq(settings: Settings, model: str, retries: int) -> "BaseChatModel":
    from groq import DefaultHttpxClient
    from langchain_groq import ChatGroq
    from pydantic import SecretStr

    return ChatGroq(
        model=model,
        api_key=SecretStr(settings.groq_api_key),
        base_url=settings.groq_base_url or "https://api.groq.com",
        http_client=limit_httpx(DefaultHttpxClient(timeout=settings.chat_timeout_s)),
        timeout=settings.chat_timeout_s,
        max_retries=retries,
    )


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider("Anthropic", _anthropic, "anthropic_api_key", "anthropic_base_url", ("anthropic_api_key",)),
    "azure_openai": Provider(
        "Azure OpenAI",
        _azure_openai,
        "azure_openai_api_key",
        "azure_openai_endpoint",
        ("azure_openai_api_key", "azure_openai_endpoint"),
    ),
    "google_genai": Provider("Google", _google_genai, "google_api_key", "google_base_url", ("google_api_key",)),
    "groq": Provider("Groq", _groq, "groq_api_key", "groq_base_url", ("groq_api_key",)),
    "mistralai": Provider("Mistral", _mistralai, "mistral_api_key", "mistral_base_url", ("mistral_api_key",)),
    "ollama": Provider("Ollama", _ollama, "", "ollama_base_url"),
    "openai": Provider(
        "OpenAI", _openai, "openai_api_key", "openai_base_url", ("openai_api_key",), own_server_needs_no_key=True
    ),
    "openai_compatible": Provider(
        "The model's server",
        _openai_compatible,
        "openai_compatible_api_key",
        "openai_compatible_base_url",
        ("openai_compatible_base_url",),
    ),
    "openrouter": Provider(
        "OpenRouter", _openrouter, "openrouter_api_key", "openrouter_base_url", ("openrouter_api_key",)
    ),
    "vertexai": Provider("Vertex AI", _vertexai, "vertexai_service_account", "vertexai_base_url"),
}
