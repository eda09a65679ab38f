"""HTTP client for JSON APIs of embedding providers: limits of time and size, no redirects, no retries.

Not LangChain's classes, for the reasons in docs/decisions/0033. Every error is one of ours, and says whether a retry
may succeed. A provider's message is read, but never passed on: it may quote a text or a key.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from headwater.errors import HeadwaterError, PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import exceeded_limit_s, within
from headwater.retry_after import read_retry_after

DEFAULT_RETRY_AFTER_S = 5.0
"""Seconds to wait after a rate limit error without `Retry-After`."""

_CHUNK_BYTES = 262_144
_CONNECT_S = 10.0
_MAX_ERROR_BYTES = 65_536


class Answer(NamedTuple):
    """A response: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Names(NamedTuple):
    """Words for the messages of errors: the model's name, and the settings of its key and base URL."""

    model: str
    key_setting: str
    url_setting: str


class JsonClient:
    """Posts JSON. Keeps connections open. Safe to share between threads."""

    def __init__(self, names: Names, *, timeout_s: float, connections: int) -> None:
        from urllib3 import PoolManager, Timeout

        from headwater.outbound.google_session import limit_pools

        self._names = names
        self._timeout_s = timeout_s
        timeout = Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s)
        self._pools = limit_pools(PoolManager(maxsize=connections, timeout=timeout, retries=False))

    def post(self, url: str, headers: Mapping[str, str], body: Mapping[str, Any], *, max_bytes: int) -> Any:
        """Return the JSON of a successful answer, which may have `max_bytes` bytes. Raises HeadwaterError."""
        content = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        try:
            with within(self._timeout_s):
                answer = self._send(url, {"Content-Type": "application/json", **headers}, content, max_bytes)
        except HeadwaterError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary to urllib3, which has many kinds of errors
            raise self._unreachable(error) from None
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise no_vectors(self._names) from None

    def _send(self, url: str, headers: Mapping[str, str], content: bytes, max_bytes: int) -> Answer:
        response = self._pools.request(
            "POST", url, headers=dict(headers), body=content, redirect=False, preload_content=False
        )
        try:
            received = bytearray()
            limit = max_bytes if response.status == 200 else _MAX_ERROR_BYTES
            while piece := response.read(_CHUNK_BYTES, decode_content=True):
                received += piece
                if len(received) > limit:
                    if response.status != 200:
                        break  # its beginning has the code
                    raise PermanentError(f"{self._names.model} sent an answer of more than {limit:,} bytes.")
            return Answer(response.status, response.headers, bytes(received))
        finally:
            if response.connection is not None:  # not read to its end
                response.close()

    def _unreachable(self, error: Exception) -> UpstreamError:
        (name, _, url_setting), kind = self._names, type(error).__name__
        if limit_s := exceeded_limit_s(error):
            return UpstreamError(f"{name} did not finish its answer in {limit_s:g} s (EMBEDDING_TIMEOUT_S).")
        return UpstreamError(
            f"Can't reach {name}: connection failed or timed out ({kind}). Check {url_setting} and the server."
        )

    def _refusal(self, answer: Answer) -> HeadwaterError:
        """Return the error for an answer that is not 200, by its status and the codes in it."""
        name, status, codes = self._names.model, answer.status, _codes(answer.body)
        if misconfigured := self._misconfigured(status, codes):
            return SystemicError(misconfigured)
        retry_after_s = _retry_after_s(answer)
        if status == 429:
            message = f"The rate limit or quota of {name} is reached."
            return UpstreamError(message, DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s)
        if 400 <= status < 500 and status != 408:
            return PermanentError(f"{name} rejects the text (HTTP {status}). {_advice(codes, status)}")
        return UpstreamError(f"{name} is unavailable (HTTP {status}).", retry_after_s)

    def _misconfigured(self, status: int, codes: set[str]) -> str:
        """Return what an owner has to change, "" if the error has another cause."""
        name, key_setting, url_setting = self._names
        if status in (401, 403) or codes & _KEY_CODES:
            return f"The provider rejects {key_setting} for {name}. Set a valid key."
        if status == 402:
            return f"The provider's account for {name} has no credit left. Add credit there."
        if status == 404 or codes & _MODEL_CODES:
            return f"The provider has no model {name}. Check EMBEDDING_MODEL and {url_setting}."
        if 300 <= status < 400:
            return f"{name} redirects to another address. Set {url_setting} to that one."
        return ""


def no_vectors(names: Names) -> UpstreamError:
    """Return the error for an answer that is not JSON, or has no vectors."""
    return UpstreamError(f"{names.model} answered without vectors. Check {names.url_setting} and the server.")


_TOO_LONG = {"context_length_exceeded", "string_above_max_length", "max_tokens_per_request"}
_POLICY = {"content_filter", "content_policy_violation"}
_KEY_CODES = {"API_KEY_INVALID", "invalid_api_key"}
_MODEL_CODES = {"invalid_model", "model_not_found", "DeploymentNotFound"}
"""Codes of errors. Sources: OpenAI, "Error codes"; Azure OpenAI, "Content filtering"; Google, `google.rpc.ErrorInfo`;
Mistral's errors with status 400."""


def _codes(body: bytes) -> set[str]:
    """Return the codes in an error's JSON: the values of `code`, `type`, `reason` and `status`, two levels deep."""
    with suppress(ValueError, RecursionError):
        content = json.loads(body)
        levels = [content, *_parts(content)]
        levels += [part for level in levels for part in _parts(level)]
        return {
            str(level[field])
            for level in levels
            if isinstance(level, dict)
            for field in ("code", "type", "reason", "status")
            if field in level
        }
    return set()


def _parts(value: object) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return []
    nested = [part for item in value[:20] if isinstance(item, list) for part in item[:20]]
    return [*value[:20], *nested]


def _advice(codes: set[str], status: int) -> str:
    """Say why a text is rejected, and what to do."""
    if status == 413 or codes & _TOO_LONG:
        reason = "It is longer than the model accepts."
    elif codes & _POLICY:
        reason = "The provider's content policy forbids it."
    else:
        reason = "It may be too long, or against the provider's content policy."
    return f"{reason} Change or divide this part of the document, or exclude the document."


def _retry_after_s(answer: Answer) -> float | None:
    """Return how long the provider asks to wait: by a header, or by Google's `RetryInfo`; None if it doesn't ask."""
    asked_ms = read_retry_after(answer.headers.get("retry-after-ms"))  # of OpenAI and Azure, more exact
    if asked_ms is not None:
        return asked_ms / 1000
    asked_s = read_retry_after(answer.headers.get("retry-after"))
    if asked_s is not None:
        return asked_s
    with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        for detail in json.loads(answer.body)["error"]["details"]:
            if delay := detail.get("retryDelay"):
                return read_retry_after(str(delay).removesuffix("s"))
    return None
