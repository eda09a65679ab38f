"""Translate the errors of chat providers into sentences that say what to do.

A provider's own message is read, but never passed on: it may quote the prompt or a key.
"""

import json
from collections.abc import Mapping
from typing import Any

from functions.chat.answers.prompt import ModelMisconfigured
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s

DISPLAY_NAMES = {"anthropic": "Anthropic", "google_genai": "Google", "groq": "Groq", "openai": "OpenAI"}
"""Providers' names as people write them."""

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
    status = next(
        (number for name in ("status_code", "code") if isinstance(number := getattr(error, name, None), int)), None
    )
    body = getattr(error, "body", None)
    words = f"{json.dumps(body, default=str)} {getattr(error, 'type', '')} {error}".lower()
    if status in (None, 200, 400, 429):
        meant = next((number for kind, number in _KINDS.items() if kind in words), None)
        if meant is not None and (status != 429 or meant == 402):
            return meant
    if status == 200 or (status is None and body is not None):
        return _code_in(body) or 500
    return status


def is_in_stream(error: Exception) -> bool:
    """Return True if a provider reported a temporary error in a stream that had begun with status 200."""
    began = getattr(error, "status_code", 200) == 200 and getattr(error, "body", None) is not None
    return began and (status_of(error) or 0) >= 500


def _code_in(body: Any) -> int | None:
    """Return the status code in an error's body, such as `{"error": {"code": 502}}`."""
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    code = str(inner.get("code")) if isinstance(inner, Mapping) else ""
    return int(code) if code.isdecimal() and len(code) == 3 and code[0] in "45" else None


def translate_error(error: Exception, provider: str, model: str, base_url: str = "") -> HeadwaterError:
    """Translate a provider's error. `base_url`: the server's URL if the installation has set one."""
    status = status_of(error)
    name = DISPLAY_NAMES[provider]
    setting = provider.removesuffix("_genai").upper()
    refused = f"{name} rejected the API key in {setting}_API_KEY for {model}. Set a key that may use this model."
    not_found = f"{name} has no model {model}. Correct CHAT_MODEL."
    if base_url:
        not_found = (
            f"The server in {setting}_BASE_URL has no model {model}, or the URL is wrong. Correct CHAT_MODEL or "
            f"{setting}_BASE_URL, which usually ends in /v1."
        )
    errors: dict[int | None, HeadwaterError] = {
        401: ModelMisconfigured(refused),
        402: ModelMisconfigured(f"The account at {name} has no credit left. Add credit there, then try again."),
        403: ModelMisconfigured(refused),
        404: ModelMisconfigured(not_found),
        413: PermanentError("This conversation is too long for the model. Start a new one, or ask a shorter question."),
        429: UpstreamError(f"{name}'s rate limit or quota is reached. Try again in a minute."),
        529: UpstreamError(f"{name} is overloaded at the moment. Try again in a few minutes."),
        None: UpstreamError(f"The connection to {name} failed. Try again."),
    }
    if exceeded_limit_s(error) or "timeout" in type(error).__name__.lower():
        return UpstreamError(f"{name} did not answer in time. Try again, or raise CHAT_TIMEOUT_S.")
    if status is None and isinstance(error, ValueError):  # no events at all, or events that are not JSON
        return UpstreamError(
            f"{name} sent an answer that can't be read. Try again."
            + (f" If this continues, check {setting}_BASE_URL." if base_url else "")
        )
    if status is None or status in errors:
        return errors[status]
    if status < 500:
        return PermanentError(f"{name} rejected the question (HTTP {status}). Check that CHAT_MODEL is a chat model.")
    return UpstreamError(f"{name} is failing (HTTP {status}). Try again in a few minutes.")
