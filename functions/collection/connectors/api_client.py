"""Call the JSON API of a hosted service: pages, conditional requests, refusals, limits of size and time.

The authorization is sent to the API's own origin only: a redirect or a link to a next page elsewhere is refused.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from functions.collection.connectors.api_values import AccessDenied, Refusal, Refused, as_dict, read_refusal
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
MAX_ANSWER_BYTES = 32_000_000
MAX_REFUSAL_BYTES = 64_000
MAX_REDIRECTS = 3
MAX_WAITS = 3
"""Short pauses of one request that are waited out."""
_CHUNK_BYTES = 65_536
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')
_MAX_HEADER_CHARS = 10_000
_FORM = "application/x-www-form-urlencoded"


class AnswerTooLarge(PermanentError):
    """The answer has more bytes than are accepted."""


class ApiAnswer(msgspec.Struct, frozen=True):
    """An answer with a status of success, 304, 404 or 410. Header names are in lower case.

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
    def media_type(self) -> str:
        return self.headers.get("content-type", "")

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

    def read_list(self, kind: type[T]) -> tuple[list[T], dict[str, str]]:
        """Decode a list, entry by entry. Returns the entries, and the reasons for those of another form, by name.

        Raises UpstreamError if the answer isn't a list, or no entry of several has the form.
        """
        entries: list[T] = []
        problems: dict[str, str] = {}
        found = self.read(list[msgspec.Raw])
        for position, one in enumerate(found, 1):
            try:
                entries.append(msgspec.json.decode(one, type=kind))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                problems[_name_of(one) or str(position)] = f"{quote(self.url)} describes it wrongly ({quote(error)})"
        if problems and not entries and len(found) > 1:
            self.read(list[kind])  # type: ignore[valid-type]
        return entries, problems


def _name_of(entry: msgspec.Raw) -> str:
    """Return the number or name by which a code host knows an entry; "" without one."""
    try:
        fields = as_dict(msgspec.json.decode(entry))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    names = (fields.get(name) for name in ("number", "iid", "tag_name", "slug", "id"))
    return next((str(name)[:200].replace("\0", "") for name in names if isinstance(name, int | str)), "")


class ApiService(msgspec.Struct, frozen=True):
    """What is known of a service: its name in messages, `delay_s` between two requests, and its refusals.

    `explain` returns what users should do about a refusal, "" for nothing. Refusals with one of `limit_codes` are for
    too many requests. They last `limit_pause_s` if the server names no time; pauses up to `max_wait_s` are waited out,
    longer ones pause the source.
    """

    name: str
    delay_s: float = 0.1
    explain: Callable[[Refusal], str] = lambda _: ""
    limit_codes: frozenset[str] = frozenset()
    limit_pause_s: float = 5.0
    max_wait_s: float = 10.0


class _Request(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    max_bytes: int = 0
    elsewhere: bool = False
    timeout_s: float = REQUEST_S


class ApiClient:
    """A client of the API at `api`. `headers` authorize requests.

    Raises SystemicError if they can't be sent, such as those of a token with typographic dashes.
    """

    def __init__(self, http: "GuardedHttp", api: str, service: ApiService, headers: Mapping[str, str]) -> None:
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise SystemicError("The token has characters that no token has. Copy it again from where it was made.")
        self.url = api.rstrip("/")
        self._service = service
        self._http = http
        self._origin = origin_of(api)
        self._plain_headers = {**http.headers, "Accept-Encoding": "gzip, deflate"}
        self._headers = dict(headers)

    def get(self, path: str, *, etag: str = "", timeout_s: float = REQUEST_S) -> ApiAnswer:
        """Request a path, or the URL of a next page; with an ETag, an unchanged answer has status 304.

        Raises Refused, AccessDenied, SystemicError for a refused token or a wrong address, and UpstreamError for what
        may work later, with the pause that the server asks for.
        """
        headers = {"If-None-Match": etag} if etag else {}
        return self._send(_Request("GET", self._url(path), headers, timeout_s=timeout_s))

    def post(self, path: str, body: Any = None, *, timeout_s: float = REQUEST_S) -> ApiAnswer:
        """Send JSON to a path or URL. Raises the same errors."""
        content = msgspec.json.encode(body) if body is not None else b""
        headers = {"Content-Type": "application/json"}
        return self._send(_Request("POST", self._url(path), headers, content, timeout_s=timeout_s))

    def get_json(self, path: str, query: Mapping[str, object] | None = None, *, timeout_s: float = REQUEST_S) -> Any:
        """Request a path and decode the answer, which may have any form. Raises the same errors, Refused for a 404."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._decode(self.get(target, timeout_s=timeout_s))

    def post_json(self, path: str, body: object, *, timeout_s: float = REQUEST_S) -> Any:
        """Send JSON to a path and decode the answer. Raises the same errors."""
        return self._decode(self.post(path, body, timeout_s=timeout_s))

    def post_form(self, path: str, fields: Mapping[str, str], *, timeout_s: float = REQUEST_S) -> Any:
        """Send a form to a path and decode the answer. Raises the same errors."""
        content, headers = urlencode(fields).encode(), {"Content-Type": _FORM}
        return self._decode(self._send(_Request("POST", self._url(path), headers, content, timeout_s=timeout_s)))

    def download(self, path: str, query: Mapping[str, object], *, max_bytes: int, elsewhere: bool = False) -> ApiAnswer:
        """Request a path. Raises the same errors; AnswerTooLarge for an answer of more than `max_bytes`.

        `elsewhere` follows redirects to other servers, such as a storage, without the authorization.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        request = _Request("GET", self._url(target), max_bytes=max_bytes, elsewhere=elsewhere)
        return self._present(self._send(request))

    def limit_error(self, pause_s: float | None) -> UpstreamError:
        """Return the error for too many requests."""
        pause_s = self._service.limit_pause_s if pause_s is None else pause_s
        return UpstreamError(f"{self._service.name}'s limit of requests is reached. Collecting goes on later.", pause_s)

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self.url}{path}"

    def _send(self, request: _Request) -> ApiAnswer:
        """Send a request; short pauses are waited out."""
        for _ in range(MAX_WAITS):
            try:
                return self._follow(request)
            except UpstreamError as error:
                pause_s = error.retry_after_s
                if pause_s is None or pause_s > self._service.max_wait_s:
                    raise
                time.sleep(pause_s)
        return self._follow(request)

    def _follow(self, request: _Request) -> ApiAnswer:
        """Send a request, and after a redirect of a GET, one to where it leads."""
        url = request.url
        for _ in range(MAX_REDIRECTS + 1):
            if origin_of(url) != self._origin and (url == request.url or not request.elsewhere):
                raise PermanentError(f"{self._service.name} refers to {quote(url)}, which is on another server.")
            answer = self._exchange(request, url)
            if isinstance(answer, ApiAnswer):
                return answer
            if request.method != "GET":
                raise PermanentError(
                    f"{quote(url)} redirects to {quote(answer)}. Enter the address that it redirects to."
                )
            url = answer
        raise PermanentError(f"{quote(url)} redirects too often.")

    def _exchange(self, request: _Request, url: str) -> ApiAnswer | str:
        """Send one request. Returns the answer, or where it redirects to."""
        import urllib3.exceptions

        from headwater.outbound.http_errors import translate_http_error

        wait_for_turn(url, self._service.delay_s)
        is_own = origin_of(url) == self._origin
        headers = {**self._plain_headers, **(self._headers if is_own else {}), **request.headers}
        options: dict[str, Any] = {"redirect": False, "preload_content": False, "decode_content": False}
        try:
            with within(request.timeout_s):
                response = self._http.request(request.method, url, body=request.body, headers=headers, **options)
                try:
                    return self._read(response, url, request.max_bytes or MAX_ANSWER_BYTES)
                finally:
                    if response.connection is not None:  # not read to its end
                        response.close()
        except (urllib3.exceptions.HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, quote(url), host_of(url)) from None
        except (ValueError, UnicodeError) as error:
            raise PermanentError(f"{quote(url)} is not a valid address ({quote(error)}).") from None

    def _read(self, response: "BaseHTTPResponse", url: str, max_bytes: int) -> ApiAnswer | str:
        status, headers = response.status, {name.lower(): value for name, value in response.headers.items()}
        if status in (301, 302, 303, 307, 308) and "location" in headers:
            return urljoin(url, headers["location"])
        if status == 304:
            response.drain_conn()
            return ApiAnswer(304, url, headers)
        is_success = 200 <= status < 300
        content = bytearray()
        while piece := response.read(_CHUNK_BYTES, decode_content=True):
            content += piece
            if is_success and len(content) > max_bytes:
                raise AnswerTooLarge(f"{quote(url)} sent more than {max_bytes:,} bytes.")
            if not is_success and len(content) > MAX_REFUSAL_BYTES:
                break
        answer = ApiAnswer(status, url, headers, bytes(content), read_pause(response.headers))
        if not is_success and not answer.is_missing:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: ApiAnswer) -> UpstreamError | PermanentError:
        service, status = self._service, answer.status
        code, message = read_refusal(answer.content)
        is_limit = answer.pause_s is not None or "rate limit" in message.lower()
        if status == 429 or code in service.limit_codes or (status == 403 and is_limit):
            return self.limit_error(answer.pause_s)
        text = f"{service.name} answered with HTTP {status}{f' ({message or code})' if message or code else ''}"
        if status >= 500 or status in (408, 409):
            return UpstreamError(f"{text}. Try again later.", answer.pause_s)
        advice = service.explain(Refusal(status, code))
        text = f"{text}.{f' {advice}' if advice else ''}"
        if status == 401:
            return SystemicError(text)
        return (AccessDenied if status == 403 else Refused)(text, status, code)

    def _present(self, answer: ApiAnswer) -> ApiAnswer:
        if answer.is_missing:
            raise self._refusal(answer)
        return answer

    def _decode(self, answer: ApiAnswer) -> Any:
        return self._present(answer).read(object)


def advise(refusal: Refusal) -> str:
    """Return what to do about a refusal, for services with a token."""
    if refusal.status == 401:
        return "Check the token: it may be mistyped, expired or revoked. Private content needs one."
    return "Check the token's permissions." if refusal.status == 403 else ""


def host_of(url: str) -> str:
    """Return the host of an API, to name it in messages."""
    return urlsplit(url).hostname or url
