"""Translate the errors of chat providers into sentences that say what to do.

A provider's own message is read, but never passed on: it may quote the prompt or a key.
"""

import json
from collections.abc import Mapping
from typing import Any

from functions.chat.answers.prompt import ModelMisconfigured
from functions.chat.models.providers import PROVIDERS
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s
from headwater.retry_after import read_pause

_KINDS = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "billing_error": 402,
    "insufficient_quota": 402,
    "insufficient_credits": 402,
    "credit balance": 402,
    "request_too_large": 413,
    "context_length_exceeded": 413,
    "maximum context length": 413,
    "prompt is too long": 413,
    "input token count": 413,
    "rate_limit": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "api_error": 500,
    "server_error": 500,
    "invalid_request_error": 400,
}
"""Words in a provider's error, in lower case, and the HTTP status that they mean. The first that occurs counts."""


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that an error means, or None for a failed connection.

    Errors in the middle of a stream come with status 200 or none; and some providers answer 400 when the credit is used
    up or the prompt is too long. So the words of the error count first.
    """
    error = _client_error(error)
    if _is_refused_account(error):
        return 401
    status = _http_status(error)
    body = getattr(error, "body", None)
    words = f"{json.dumps(body, default=str)} {getattr(error, 'type', '')} {error}".lower()
    if status in (None, 200, 400, 429):
        meant = next((number for kind, number in _KINDS.items() if kind in words), None)
        if meant is not None and (status != 429 or meant == 402):
            return meant
    if status == 200 or (status is None and body is not None):
        return _code_in(body) or 500
    return status


def _client_error(error: Exception) -> Exception:
    """Return the error of the provider's client, which LangChain's client for Google wraps."""
    cause = error.__cause__
    is_wrapped = _http_status(error) is None and isinstance(cause, Exception) and _http_status(cause) is not None
    return cause if is_wrapped and isinstance(cause, Exception) else error


def _is_refused_account(error: Exception) -> bool:
    """Return True if Google gives no access token for the service account's key (`google.auth.exceptions`)."""
    return type(error).__name__ == "RefreshError" and getattr(error, "retryable", None) is False


def _http_status(error: Exception) -> int | None:
    numbers = (getattr(error, name, None) for name in ("status_code", "code"))
    return next((number for number in numbers if isinstance(number, int)), None)


def is_in_stream(error: Exception) -> bool:
    """Return True if a provider reported a temporary error in a stream that had begun with status 200."""
    error = _client_error(error)
    began = getattr(error, "status_code", 200) == 200 and getattr(error, "body", None) is not None
    return began and (status_of(error) or 0) >= 500


def _code_in(body: Any) -> int | None:
    """Return the status code in an error's body, such as `{"error": {"code": 502}}`."""
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    code = str(inner.get("code")) if isinstance(inner, Mapping) else ""
    return int(code) if code.isdecimal() and len(code) == 3 and code[0] in "45" else None


def translate_error(
    error: Exception, provider: str, model: str, base_url: str = "", limit: str = "CHAT_TIMEOUT_S"
) -> HeadwaterError:
    """Translate a provider's error.

    `base_url`: the server's URL if the installation has set one. `limit`: the setting of the time that was exceeded, if
    one was.
    """
    status = status_of(error)
    name = PROVIDERS[provider].title
    if exceeded_limit_s(error) or "timeout" in type(error).__name__.lower():
        return UpstreamError(f"{name} did not answer in time. Try again, or raise {limit}.")
    if status is None and isinstance(error, ValueError):  # no events at all, or events that are not JSON
        return UpstreamError(
            f"{name} sent an answer that can't be read. Try again."
            + (f" If this continues, check {PROVIDERS[provider].url.upper()}." if base_url else "")
        )
    if misconfigured := _misconfigured(status, provider, model, base_url):
        return ModelMisconfigured(misconfigured)
    if status == 413:
        return PermanentError(
            "This conversation is too long for the model. Start a new one, or ask a shorter question."
        )
    if status is not None and status < 500 and status != 429:
        return PermanentError(f"{name} rejected the question (HTTP {status}). Check that {model} is a chat model.")
    temporary = {
        429: f"{name}'s rate limit or quota is reached. Try again in a minute.",
        529: f"{name} is overloaded at the moment. Try again in a few minutes.",
        None: f"The connection to {name} failed. Try again.",
    }
    message = temporary.get(status, f"{name} is failing (HTTP {status}). Try again in a few minutes.")
    return UpstreamError(message, _pause(error))


def _misconfigured(status: int | None, provider: str, model: str, base_url: str) -> str:
    """Return what an owner has to change, "" if the error has another cause."""
    name, key, url = PROVIDERS[provider].title, PROVIDERS[provider].key.upper(), PROVIDERS[provider].url.upper()
    if status in (401, 403):
        if key.endswith("_API_KEY"):
            return f"{name} rejected the API key in {key} for {model}. Set a key that may use this model."
        return f"{name} refused access to {model}. Check the account and its rights ({key or url})."
    if status == 402:
        return f"The account at {name} has no credit left. Add credit there, then try again."
    if status == 404 and base_url:
        return (
            f"The server in {url} has no model {model}, or the URL is wrong. Correct CHAT_MODELS or {url}, which "
            "usually ends in /v1."
        )
    return f"{name} has no model {model}. Correct CHAT_MODELS." if status == 404 else ""


def _pause(error: Exception) -> float | None:
    """Return the seconds that a provider's response asks to wait; None if it doesn't ask."""
    headers = getattr(getattr(_client_error(error), "response", None), "headers", None)
    return None if headers is None else read_pause(headers)
