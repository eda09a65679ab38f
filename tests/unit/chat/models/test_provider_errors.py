"""The sentences that users read instead of a provider's errors."""

import pytest
from google.auth.exceptions import RefreshError

from functions.chat.answers.prompt import ModelMisconfigured
from functions.chat.models.provider_errors import translate_error
from headwater.errors import PermanentError, UpstreamError


class ProviderError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__("text of the provider")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ProviderError(401), ModelMisconfigured, "GOOGLE_API_KEY"),
        (ProviderError(429), UpstreamError, "Try again in a minute"),
        (ProviderError(529), UpstreamError, "overloaded"),
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


@pytest.mark.parametrize(("retryable", "kind"), [(False, ModelMisconfigured), (True, UpstreamError)])
def test_refused_service_account_is_a_setting_to_change(retryable: bool, kind: type[Exception]) -> None:
    error = RefreshError("invalid_grant", retryable=retryable)  # type: ignore[no-untyped-call]
    translated = translate_error(error, "vertexai", "vertexai:gemini")
    assert type(translated) is kind
    assert ("VERTEXAI_SERVICE_ACCOUNT" in translated.message) is not retryable
