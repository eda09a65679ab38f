"""Requests to targets: an HTTP/1.1 client that keeps connections open and leaves time limits to its caller.

In flows an `OutboundRequest`, out flow the status and headers of the answer; its body is read to the end and dropped.
Redirects are answers like any other. Cancelling a call (a deadline) closes its connection, which is how the target
may learn of it. Each request has a trace of its own, as Google's front ends see to it.
"""

import asyncio
import ssl
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from localcloud.http1 import MAX_HEAD_BYTES, Head, ProtocolError, read_body, read_head, write_head

MAX_IDLE_S = 30.0
TRACE_HEADER = "X-Cloud-Trace-Context"

# Scheme, host, port: what a connection can be used for again.
Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """What to send: an absolute http(s) URL, ASCII only; headers without Host and Content-Length."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """What came back, when all of it came back."""

    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float | None = None  # time.monotonic(); None while it has never been used


class _StaleError(Exception):
    """A connection that was kept open turned out to be closed before the target answered a single byte."""


class Outbound:
    """Sends requests; one for the whole process."""

    def __init__(self) -> None:
        self._idle: dict[Origin, deque[_Connection]] = {}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the final answer. Errors: OSError (no answer), ProtocolError (not HTTP)."""
        url = urlsplit(request.url)
        origin = _origin(url)
        message = _message(request, url)
        connection = self._take(origin)
        if connection is not None:
            with suppress(_StaleError):  # closed by the target while it lay idle: its right, no failure of the request
                return await self._exchange(connection, origin, message, request.method)
        return await self._exchange(await self._connect(origin), origin, message, request.method)

    def close(self) -> None:
        """Close the connections that lie idle."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _connect(self, origin: Origin) -> _Connection:
        scheme, host, port = origin
        tls = self._tls if scheme == "https" else None
        try:
            return _Connection(*await asyncio.open_connection(host, port, ssl=tls, limit=MAX_HEAD_BYTES))
        except UnicodeError as error:  # a host name that IDNA can't encode
            raise ProtocolError(f"not a host name: {host!r}") from error

    async def _exchange(self, connection: _Connection, origin: Origin, message: bytes, method: str) -> OutboundResponse:
        reusable = False
        try:
            head = await self._first_head(connection, message)
            while head.first_line[1].startswith("1"):  # 100 Continue, 103 Early Hints: not the answer yet
                head = await _next_head(connection)
            status = _status(head)
            has_body = method != "HEAD" and status not in (204, 304)
            if has_body:
                async for _ in read_body(connection.reader, head.headers, until_close=True):
                    pass
            delimited = not has_body or "content-length" in head.headers or "transfer-encoding" in head.headers
            reusable = delimited and head.keeps_alive
            return OutboundResponse(status, head.headers)
        finally:
            if reusable:
                self._keep(origin, connection)
            else:
                # Not close(), which would first deliver what a target that overran its time has not read yet.
                connection.writer.transport.abort()

    async def _first_head(self, connection: _Connection, message: bytes) -> Head:
        try:
            connection.writer.write(message)
            await connection.writer.drain()
            return await _next_head(connection)
        except ConnectionError as error:
            if connection.idle_since is not None:
                raise _StaleError from error
            raise

    def _take(self, origin: Origin) -> _Connection | None:
        """Return the connection used last, unless the target has closed it or it lay idle for long."""
        connections = self._idle.get(origin)
        oldest = time.monotonic() - MAX_IDLE_S
        while connections:
            connection = connections.pop()
            if not connection.reader.at_eof() and (connection.idle_since or 0) > oldest:
                return connection
            connection.writer.close()
        return None

    def _keep(self, origin: Origin, connection: _Connection) -> None:
        now = time.monotonic()
        connection.idle_since = now
        connections = self._idle.setdefault(origin, deque())
        connections.append(connection)
        while (connections[0].idle_since or 0) < now - MAX_IDLE_S:
            connections.popleft().writer.close()


async def _next_head(connection: _Connection) -> Head:
    head = await read_head(connection.reader)
    if head is None:
        raise ConnectionResetError("the target closed the connection without an answer")
    return head


def _origin(url: SplitResult) -> Origin:
    return url.scheme, url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _message(request: OutboundRequest, url: SplitResult) -> bytes:
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    headers = [("Host", url.netloc.rpartition("@")[2]), *request.headers]
    if not any(name.lower() == TRACE_HEADER.lower() for name, _ in headers):
        headers.append((TRACE_HEADER, f"{uuid.uuid4().hex}/0;o=0"))
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(request.body))))
    return write_head(f"{request.method} {path} HTTP/1.1", headers) + request.body


def _status(head: Head) -> int:
    code = head.first_line[1]
    if not head.first_line[0].startswith("HTTP/1.") or len(code) != 3 or not code.isdecimal():
        raise ProtocolError(f"not the first line of a response: {' '.join(head.first_line)[:80]!r}")
    return int(code)
