"""Requests that revoke tokens at authorization servers (RFC 7009), prepared with the tokens, sent now or later."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.deadline import DeadlineExceeded, within
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp

EXCHANGE_S = 15.0
"""Of one request."""


class Revocation(msgspec.Struct, frozen=True):
    """A request to a revocation endpoint. All of it is secret."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def send(client: "GuardedHttp", revocation: Revocation) -> None:
    """Send a request. Follows no redirect. Raises UpstreamError to try again, PermanentError for a refusal."""
    import urllib3.exceptions as http

    from headwater.outbound.http_errors import translate_http_error

    host = urlsplit(revocation.url).hostname or ""
    try:
        with within(EXCHANGE_S):
            response = client.request(
                "POST",
                revocation.url,
                body=revocation.body,
                headers={**client.headers, **revocation.headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            response.close()
    except (http.HTTPError, DeadlineExceeded) as error:
        raise translate_http_error(error, quote(host), host) from None
    if response.status == 429 or response.status >= 500:
        raise UpstreamError(f"{host} answered with HTTP {response.status}.")
    if response.status >= 300:
        raise PermanentError(f"{host} refused to revoke a token (HTTP {response.status}).")
