"""Requests that revoke tokens at authorization servers (RFC 7009), prepared with the tokens, sent now or later."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from headwater.errors import PermanentError, UpstreamError
from headwater.outbound.exchange import exchange

if TYPE_CHECKING:
    from headwater.outbound.guarded_http import GuardedHttp


class Revocation(msgspec.Struct, frozen=True):
    """A request to a revocation endpoint. Its body and headers are secret."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def send(client: "GuardedHttp", revocation: Revocation) -> None:
    """Send a request. Raises UpstreamError to try again, PermanentError for a refusal."""
    host = urlsplit(revocation.url).hostname or ""
    status, _, _ = exchange(client, "POST", revocation.url, revocation.body, revocation.headers, max_bytes=0)
    if status == 429 or status >= 500:
        raise UpstreamError(f"{host} answered with HTTP {status}.")
    if status >= 300:
        raise PermanentError(f"{host} refused to revoke a token (HTTP {status}).")
