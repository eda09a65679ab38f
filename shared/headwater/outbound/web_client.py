"""Fetch web pages and files with the guarded HTTP client: conditional requests, redirects, limits of size and time.

Redirects are followed here and not by urllib3, which would read the bodies of redirects, of any size, into memory.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec
import urllib3.exceptions as http
from urllib3 import BaseHTTPResponse

from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.outbound.guarded_http import MAX_REDIRECTS, GuardedHttp
from headwater.outbound.http_errors import translate_http_error
from headwater.outbound.pacing import wait_for_turn
from headwater.redaction import quote
from headwater.retry_after import read_pause

_CHUNK_BYTES = 65_536
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_DECODING = {"Accept-Encoding": "gzip, deflate"}


class TooLarge(PermanentError):
    """The answer has more bytes than the limit."""


class WebResponse(msgspec.Struct, frozen=True):
    """An answer. `url` is where redirects led to; `content` is decompressed. Header names are in lower case."""

    status: int
    url: str
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; "" if the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class WebClient:
    """Fetches addresses that users enter, or that pages link to."""

    def __init__(self, http: GuardedHttp, *, max_bytes: int, limit_name: str = "MAX_FILE_BYTES") -> None:
        self._http = http
        self._max_bytes = max_bytes
        self._limit_name = limit_name

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 30.0,
        delay_s: float = 0.0,
        before_request: Callable[[str], None] = lambda _: None,
    ) -> WebResponse:
        """Request a URL and read the answer, within `timeout_s`, each redirect too.

        Requests to a host are `delay_s` apart: this waits for its turn first. `before_request` is called with each URL,
        those of redirects too, and may raise.

        Returns answers of any status except 429 and 5xx, for which it raises UpstreamError, as it does for servers that
        can't be reached. Raises TooLarge, AddressRefused, PermanentError for redirects that lead nowhere, and
        SystemicError for invalid certificates.
        """
        host = urlsplit(url).hostname or url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                before_request(url)
                wait_for_turn(url, delay_s)
                with within(timeout_s):
                    answer = self._request(url, {**self._http.headers, **_DECODING, **(headers or {})})
                if isinstance(answer, WebResponse):
                    return answer
                url = answer
        except (http.HTTPError, DeadlineExceeded) as error:
            raise translate_http_error(error, url, host) from None
        except (ValueError, UnicodeError) as error:
            raise PermanentError(f"{quote(url)} is not a valid address ({quote(error)}).") from None
        raise PermanentError(f"{quote(url)} redirects too often.")

    def _request(self, url: str, headers: Mapping[str, str]) -> WebResponse | str:
        """Return the answer, or where it redirects to."""
        response = self._http.request(
            "GET", url, headers=dict(headers), redirect=False, preload_content=False, decode_content=False
        )
        try:
            target = response.headers.get("Location")
            if response.status in _REDIRECTS and target:
                return _redirected(url, target)
            return self._read(response, url)
        finally:
            if response.connection is not None:  # not read to its end
                response.close()

    def _read(self, response: BaseHTTPResponse, url: str) -> WebResponse:
        if response.status == 429 or response.status >= 500:
            message = f"{quote(url)} answered with HTTP {response.status}. Try again later."
            raise UpstreamError(message, read_pause(response.headers))
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status == 304:
            response.drain_conn()  # it has no body, so the connection can be used again
        if response.status != 200:
            return WebResponse(response.status, url, headers)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self._max_bytes:
            raise self._too_large(url)
        content = bytearray()
        while piece := response.read(_CHUNK_BYTES, decode_content=True):
            content += piece
            if len(content) > self._max_bytes:
                raise self._too_large(url)
        return WebResponse(response.status, url, headers, bytes(content))

    def _too_large(self, url: str) -> TooLarge:
        return TooLarge(f"{quote(url)} has more than {self._max_bytes:,} bytes ({self._limit_name}).")


def _redirected(url: str, target: str) -> str:
    found = urldefrag(urljoin(url, target)).url
    if urlsplit(found).scheme not in ("http", "https"):
        raise PermanentError(f"{quote(url)} redirects to {quote(found)}, which is not a web address.")
    return found
