"""The choice of a language model by `CHAT_MODEL`."""

import ssl

import pytest

from functions.chat.answers.prompt import ModelMisconfigured, Turn
from functions.chat.models.language_model import LanguageModel
from functions.chat.models.models import load_model
from functions.chat.models.providers import PROVIDERS
from headwater.config import Settings
from headwater.errors import ConfigError


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


@pytest.mark.parametrize("key", ["no JSON", "{}"])
def test_invalid_service_account_is_named_by_the_answer(key: str) -> None:
    changes = {"vertexai_project": "p", "vertexai_service_account": key}
    model = LanguageModel(settings("vertexai:gemini", **changes), "vertexai:gemini")
    with pytest.raises(ModelMisconfigured, match="VERTEXAI_SERVICE_ACCOUNT is not the key of a service account"):
        list(model.stream([Turn("user", "Hello")]))


@pytest.mark.parametrize("provider", ["openai", "azure_openai"])
def test_second_model_loads_no_certificates(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        url = f"http://127.0.0.1:{number}/v1"
        changes = {"openai_base_url": url, "azure_openai_endpoint": url, "azure_openai_api_key": "key"}
        PROVIDERS[provider].connect(settings(f"{provider}:m", **changes), "m", 0)
        monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("certificates are loaded"))
