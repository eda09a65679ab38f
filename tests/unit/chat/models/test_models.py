"""The choice of a language model by `CHAT_MODEL`, and the errors that users see."""

import pytest

from functions.chat.models.models import LanguageModel, load_model, translate_error
from headwater.config import Settings
from headwater.errors import ConfigError, PermanentError, UpstreamError


def settings(model: str, **changes: str) -> Settings:
    return Settings(database_url="unused", chat_model=model, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["gpt-5", "openai:", "openai", "mistral:large", "", ":"])
def test_unknown_model_error_names_the_setting(model: str) -> None:
    with pytest.raises(ConfigError, match="CHAT_MODEL"):
        load_model(settings(model, openai_api_key="k"))


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("openai:gpt-5", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("google_genai:gemini", "GOOGLE_API_KEY"),
        ("groq:llama", "GROQ_API_KEY"),
    ],
)
def test_missing_api_key_error_names_the_setting(model: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        load_model(settings(model))


def test_model_name_may_contain_colons() -> None:
    model = load_model(settings("openai:llama3.2:3b", openai_base_url="http://127.0.0.1:1/v1"))
    assert isinstance(model, LanguageModel)
    assert (model.name, model.model, model.configured) == ("openai:llama3.2:3b", "llama3.2:3b", True)
    assert not load_model(settings("extractive")).configured


class ProviderError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__("text of the provider")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ProviderError(401), PermanentError, "GOOGLE_API_KEY"),
        (ProviderError(429), UpstreamError, "Try again in a minute"),
        (ProviderError(529), UpstreamError, "529"),
        (ProviderError(422), PermanentError, "422"),
        (TimeoutError(), UpstreamError, "CHAT_TIMEOUT_S"),
        (OSError(), UpstreamError, "connection"),
    ],
)
def test_provider_error_says_what_to_do(error: Exception, kind: type[Exception], words: str) -> None:
    translated = translate_error(error, "google_genai", "google_genai:gemini")
    assert type(translated) is kind
    assert words in translated.message
    assert "text of the provider" not in translated.message
