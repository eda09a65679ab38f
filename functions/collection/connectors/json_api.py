"""Call the JSON API of a hosted service with a token: paced, with limits of size and time, short pauses waited out.

The token is sent to the API's own address only. Redirects are errors.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3.exceptions as http
from urllib3 import BaseHTTPResponse

from functions.collection.connectors.api_values import Refused, read_reason
from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.guarded_http import GuardedHttp
from headwater.outbound.http_errors import translate_http_error
from headwater.outbound.pacing import wait_for_turn
from headwater.redaction import quote
from headwater.retry_after import read_pause

REQUEST_S = 30.0
MAX_JSON_BYTES = 32_000_000
MAX_REFUSAL_BYTES = 64_000
MAX_WAITS, MAX_WAIT_S = 3, 10.0
"""Pauses that a server asks for are waited out, so often and so long. Longer ones pause the source."""
DEFAULT_PAUSE_S = 5.0
_CHUNK_BYTES = 65_536
_FORM = "application/x-www-form-urlencoded"


class Answer(msgspec.Struct, frozen=True):
    """An answer with a status of success."""

    media_type: str
    content: bytes


class _Request(msgspec.Struct, frozen=True):
    method: str
    target: str
    body: bytes | None = None
    media_type: str = ""
    max_bytes: int = MAX_JSON_BYTES
    timeout_s: float = REQUEST_S


class JsonApi:
    """A client of the API at `base`.

    `explain(status, code)` returns what the user should do about a refusal, such as "Check the token"; "" for nothing.
    `is_limit(status, code)` recognises the service's refusals for too many requests besides 429.
    """

    def __init__(
        self,
        client: GuardedHttp,
        base: str,
        headers: Mapping[str, str],
        *,
        delay_s: float = 0.0,
        explain: Callable[[int, str], str] = lambda _status, _code: "",
        is_limit: Callable[[int, str], bool] = lambda _status, _code: False,
    ) -> None:
        self._http = client
        self._base = base.rstrip("/")
        self._headers = dict(headers)
        self._delay_s = delay_s
        self._explain = explain
        self._is_limit = is_limit

    def get(self, path: str, query: Mapping[str, object] | None = None, *, timeout_s: float = REQUEST_S) -> Any:
        """Request a path and decode the answer. Raises Refused, SystemicError for a refused token, or UpstreamError."""
        return self._decode(self.download(path, query, max_bytes=MAX_JSON_BYTES, timeout_s=timeout_s))

    def post(self, path: str, body: object, *, timeout_s: float = REQUEST_S) -> Any:
        """Send JSON to a path and decode the answer. Raises the same errors."""
        content = msgspec.json.encode(body)
        return self._decode(self._send(_Request("POST", path, content, "application/json", timeout_s=timeout_s)))

    def post_form(self, path: str, fields: Mapping[str, str], *, timeout_s: float = REQUEST_S) -> Any:
        """Send a form to a path and decode the answer. Raises the same errors."""
        request = _Request("POST", path, urlencode(fields).encode(), _FORM, timeout_s=timeout_s)
        return self._decode(self._send(request))

    def download(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        max_bytes: int,
        timeout_s: float = REQUEST_S,
    ) -> Answer:
        """Request a path. Raises the same errors; PermanentError for an answer of more than `max_bytes`."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._send(_Request("GET", target, max_bytes=max_bytes, timeout_s=timeout_s))

    def _send(self, request: "_Request") -> Answer:
        for attempt in range(MAX_WAITS + 1):
            try:
                return self._exchange(request)
            except UpstreamError as error:
                pause_s = error.retry_after_s
                if pause_s is None or pause_s > MAX_WAIT_S or attempt == MAX_WAITS:
                    raise
                time.sleep(pause_s)
        raise AssertionError("unreachable")

    def _exchange(self, request: "_Request") -> Answer:
        url = f"{self._base}{request.target}"
        headers = {**self._http.headers, "Accept-Encoding": "gzip, deflate", **self._headers}
        headers |= {"Content-Type": request.media_type} if request.media_type else {}
        options: dict[str, Any] = {"redirect": False, "preload_content": False, "decode_content": False}
        try:
            wait_for_turn(url, self._delay_s)
            with within(request.timeout_s):
                response = self._http.request(request.method, url, body=request.body, headers=headers, **options)
                try:
                    return self._read(response, request.max_bytes)
                finally:
                    if response.connection is not None:  # not read to its end
                        response.close()
        except (http.HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, quote(self._base), urlsplit(self._base).hostname or "") from None
        except (ValueError, UnicodeError) as error:
            raise PermanentError(f"{quote(url)} is not a valid address ({quote(error)}).") from None

    def _read(self, response: BaseHTTPResponse, max_bytes: int) -> Answer:
        status = response.status
        if 300 <= status < 400:
            raise SystemicError(f"{quote(self._base)} redirects (HTTP {status}). Enter the address of the API itself.")
        limit = max_bytes if status < 300 else MAX_REFUSAL_BYTES
        content = bytearray()
        while piece := response.read(_CHUNK_BYTES, decode_content=True):
            content += piece
            if len(content) > limit and status < 300:
                raise PermanentError(f"the answer has more than {limit:,} bytes")
            if len(content) > limit:
                break
        if status >= 300:
            raise self._refusal(status, bytes(content[:limit]), read_pause(response.headers))
        return Answer(response.headers.get("Content-Type", ""), bytes(content))

    def _refusal(self, status: int, content: bytes, pause_s: float | None) -> UpstreamError | PermanentError:
        code, message = read_reason(content)
        host = urlsplit(self._base).hostname or self._base
        reason = f" ({message or code})" if message or code else ""
        if status == 429 or self._is_limit(status, code):
            return UpstreamError(
                f"{host} limits requests (HTTP {status}). Collecting goes on later.",
                5.0 if pause_s is None else pause_s,
            )
        if status >= 500 or status in (408, 409):
            return UpstreamError(f"{host} answered with HTTP {status}{reason}. Try again later.", pause_s)
        advice = self._explain(status, code)
        text = f"{host} answered with HTTP {status}{reason}.{f' {advice}' if advice else ''}"
        return SystemicError(text) if status == 401 else Refused(text, status, code)

    def _decode(self, answer: Answer) -> Any:
        try:
            return msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = f"{quote(self._base)} sent an answer that isn't valid JSON ({quote(error)})"
            raise SystemicError(f"{reason}. Check the address of the API.") from None
