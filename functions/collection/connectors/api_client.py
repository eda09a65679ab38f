"""Call JSON APIs of code hosts: pages by `Link` headers, conditional requests, rate limits, limits of size and time.

The token is sent to the API's own origin only: a redirect or a link to a next page elsewhere is refused.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

import msgspec

from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.pacing import wait_for_turn
from headwater.queue.providers import origin_of
from headwater.redaction import quote
from headwater.retry_after import read_pause

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from headwater.outbound.guarded_http import GuardedHttp

T = TypeVar("T")

REQUEST_S = 30.0
DELAY_S = 0.1
"""Between two requests to a host. GitHub allows 900 requests a minute (GitHub, "Rate limits for the REST API")."""
LIMIT_PAUSE_S = 60.0
"""Pause after a refusal for too many requests that names no time, as GitHub asks for."""
MAX_ANSWER_BYTES = 32_000_000
MAX_REDIRECTS = 3
_CHUNK_BYTES = 65_536
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')
_MAX_HEADER_CHARS = 10_000


class AccessDenied(PermanentError):
    """The token may not read this."""


class AnswerTooLarge(PermanentError):
    """The answer has more than MAX_ANSWER_BYTES."""


class RequestRefused(PermanentError):
    """The server refuses the request, for example because a link to a next page has expired."""


class ApiAnswer(msgspec.Struct, frozen=True):
    """An answer with status 200, 201, 304, 404 or 410. Header names are in lower case.

    `pause_s`: the seconds that the server asks to wait before the next request, if it does.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    content: bytes = b""
    pause_s: float | None = None

    @property
    def is_missing(self) -> bool:
        """Whether there is no such resource, or none that the token may see."""
        return self.status in (404, 410)

    @property
    def next_url(self) -> str | None:
        """The address of the next page, by the `Link` header (RFC 8288)."""
        link = _NEXT.search(self.headers.get("link", "")[:_MAX_HEADER_CHARS])
        return urljoin(self.url, link[1]) if link else None

    def read(self, kind: type[T]) -> T:
        """Decode the answer. Raises UpstreamError if it has another form."""
        try:
            return msgspec.json.decode(self.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError(
                f"{quote(self.url)} sent an answer that can't be read ({quote(error)}). Check the address."
            ) from None


class ApiClient:
    """A client of one API. `service` names it in messages, `headers` authorize requests."""

    def __init__(self, http: "GuardedHttp", api: str, service: str, headers: Mapping[str, str]) -> None:
        self.api = api.rstrip("/")
        self.service = service
        self._http = http
        self._origin = origin_of(api)
        self._headers = {**http.headers, "Accept-Encoding": "gzip, deflate", **headers}

    def get(self, path: str, *, etag: str = "", timeout_s: float = REQUEST_S) -> ApiAnswer:
        """Request a path, or the URL of a next page; with an ETag, an unchanged answer has status 304.

        Raises AccessDenied, RequestRefused, SystemicError for a refused token, and UpstreamError for what may work
        later, with the pause that the server asks for.
        """
        url = path if "://" in path else f"{self.api}{path}"
        headers = {"If-None-Match": etag} if etag else {}
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange("GET", url, headers, None, timeout_s)
            if isinstance(answer, ApiAnswer):
                return answer
            url = answer
        raise PermanentError(f"{quote(url)} redirects too often.")

    def post(self, path: str, body: Any = None, *, timeout_s: float = REQUEST_S) -> ApiAnswer:
        """Send JSON to a path or URL. Raises the same errors; a redirect is one."""
        url = path if "://" in path else f"{self.api}{path}"
        content = msgspec.json.encode(body) if body is not None else b""
        answer = self._exchange("POST", url, {"Content-Type": "application/json"}, content, timeout_s)
        if isinstance(answer, ApiAnswer):
            return answer
        raise PermanentError(f"{quote(url)} redirects to {quote(answer)}. Enter the address that it redirects to.")

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float
    ) -> ApiAnswer | str:
        """Send one request. Returns the answer, or where it redirects to."""
        import urllib3.exceptions

        from headwater.outbound.http_errors import translate_http_error

        if origin_of(url) != self._origin:
            raise PermanentError(f"{self.service} refers to {quote(url)}, which is on another server.")
        wait_for_turn(url, DELAY_S)
        try:
            with within(timeout_s):
                response = self._http.request(
                    method,
                    url,
                    body=body,
                    headers={**self._headers, **headers},
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
                try:
                    return self._read(response, url)
                finally:
                    if response.connection is not None:  # not read to its end
                        response.close()
        except (urllib3.exceptions.HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, quote(url), self._origin or url) from None
        except (ValueError, UnicodeError) as error:
            raise PermanentError(f"{quote(url)} is not a valid address ({quote(error)}).") from None

    def _read(self, response: "BaseHTTPResponse", url: str) -> ApiAnswer | str:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status in (301, 302, 303, 307, 308) and "location" in headers:
            return urljoin(url, headers["location"])
        if response.status == 304:
            response.drain_conn()
            return ApiAnswer(304, url, headers)
        content = bytearray()
        while piece := response.read(_CHUNK_BYTES, decode_content=True):
            content += piece
            if len(content) > MAX_ANSWER_BYTES:
                raise AnswerTooLarge(f"{quote(url)} sent more than {MAX_ANSWER_BYTES:,} bytes.")
        answer = ApiAnswer(response.status, url, headers, bytes(content), read_pause(response.headers))
        if answer.status not in (200, 201) and not answer.is_missing:
            raise self._refusal(answer)
        return answer

    def refuse_rate(self, pause_s: float | None) -> UpstreamError:
        """Return the error for too many requests."""
        pause_s = LIMIT_PAUSE_S if pause_s is None else pause_s
        return UpstreamError(f"{self.service}'s limit of requests is reached. Collecting goes on later.", pause_s)

    def _refusal(self, answer: ApiAnswer) -> UpstreamError | PermanentError:
        reason = _message(answer.content)
        text = f"{self.service} answered with HTTP {answer.status}{f' ({reason})' if reason else ''}"
        is_limit = answer.pause_s is not None or "rate limit" in reason.lower()
        if answer.status == 429 or (answer.status == 403 and is_limit):
            return self.refuse_rate(answer.pause_s)
        if answer.status >= 500:
            return UpstreamError(f"{text}. Try again later.", answer.pause_s)
        if answer.status == 401:
            return SystemicError(
                f"{text}. Check the token: it may be mistyped, expired or revoked. Private content needs one."
            )
        if answer.status == 403:
            return AccessDenied(f"{text}. Check the token's permissions.")
        return RequestRefused(f"{text} for {quote(answer.url)}.")


class _Problem(msgspec.Struct):
    message: Any = ""
    error: Any = ""


def _message(content: bytes) -> str:
    """Return the reason in an error's body, or ""."""
    try:
        problem = msgspec.json.decode(content[:_CHUNK_BYTES], type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    reason = problem.message or problem.error
    return quote(reason).rstrip(".") if isinstance(reason, str) else ""
