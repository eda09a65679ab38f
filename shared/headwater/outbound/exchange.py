"""One request to a server that is not trusted, such as an authorization server, and the beginning of its response."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headwater.errors import PermanentError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

EXCHANGE_S = 15.0
"""Of one request and its response."""


def exchange(
    client: "GuardedHttp", method: str, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int
) -> tuple[int, bytes, Mapping[str, str]]:
    """Send a request; return the status, the first bytes of the body, and the headers. Follows no redirect.

    Raises UpstreamError if the server can't be reached or is too slow, PermanentError if it can't be asked.
    """
    import urllib3.exceptions as http

    from headwater.outbound.http_errors import translate_http_error

    host = urlsplit(url).hostname or quote(url)
    try:
        with within(EXCHANGE_S):
            response = client.request(
                method,
                url,
                body=body or None,
                headers={**client.headers, **headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                content = response.read(max_bytes) if max_bytes else b""
            finally:
                response.close()
    except (http.HTTPError, DeadlineExceeded) as error:
        raise translate_http_error(error, quote(url), host) from None
    except (ValueError, UnicodeError) as error:
        raise PermanentError(f"{quote(url)} is not a valid address ({quote(error)}).") from None
    return response.status, content, response.headers
