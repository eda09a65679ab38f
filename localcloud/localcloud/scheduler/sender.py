"""Sends the requests of jobs: follows redirects, and answers requests to googleapis.com in this process.

That is how a schedule starts a Cloud Run job, and no request reaches Google. Redirects are followed because the
response of the redirected request counts (HttpTarget).
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from localcloud.http1 import ProtocolError
from localcloud.rest.router import Router
from localcloud.targets.http_request import encoded_url
from localcloud.targets.outbound import OutboundRequest, OutboundResponse
from localcloud.targets.outcome import Sender

MAX_REDIRECTS = 10


class JobRequestSender:
    """A sender with redirects. `router`, set after all services are built, answers requests to googleapis.com."""

    def __init__(self, outbound: Sender) -> None:
        self._outbound = outbound
        self.router = Router([])

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the final response. Errors: OSError (no response), ProtocolError (not HTTP)."""
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(request)
            location = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            request = _redirected(request, response.status, location)
        raise ProtocolError(f"more than {MAX_REDIRECTS} redirects")

    async def _send(self, request: OutboundRequest) -> OutboundResponse:
        host = urlsplit(request.url).hostname or ""
        if not f".{host}".endswith(".googleapis.com"):
            return await self._outbound.send(request)
        status, _ = await self.router.answer(request.method, request.url, request.body)
        return OutboundResponse(status, {})


def _redirected(request: OutboundRequest, status: int, location: str) -> OutboundRequest:
    """Return the request for a redirect (RFC 9110, 15.4): with GET, unless the status preserves the method."""
    url = encoded_url(urljoin(request.url, location))
    if not url.startswith(("http://", "https://")):
        raise ProtocolError(f"invalid redirect to {url[:80]!r}")
    if urlsplit(url).netloc != urlsplit(request.url).netloc:
        request = replace(request, headers=_without(request.headers, "authorization"))
    if status in (307, 308) or request.method in ("GET", "HEAD"):
        return replace(request, url=url)
    return OutboundRequest("GET", url, _without(request.headers, "content-type"), b"")


def _without(headers: Sequence[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [header for header in headers if header[0].lower() != name]
