"""An HTTP/1.1 client for requests to targets, with persistent connections. Callers set the time limits.

Response bodies are read and dropped; redirects are not followed. Cancelling a call, as a deadline does, closes its
connection, so that the target can notice. Each request gets a trace ID, as Google's front ends add one.
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

# Scheme, host, port. Connections are reused within an origin.
Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A request. `url`: absolute, http(s), ASCII only. `headers`: without Host and Content-Length."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """A response whose body was received completely."""

    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float | None = None  # time.monotonic(); None before its first request has ended


class _StaleError(Exception):
    """The target closed an idle connection before it answered."""


class Outbound:
    """Sends requests. One client serves the whole process."""

    def __init__(self) -> None:
        self._idle: dict[Origin, deque[_Connection]] = {}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and return the response. Errors: OSError (no response), ProtocolError (not HTTP)."""
        url = urlsplit(request.url)
        origin = _origin(url)
        message = _message(request, url)
        connection = self._take(origin)
        if connection is not None:
            with suppress(_StaleError):  # the target may close idle connections: send again on a new one
                return await self._exchange(connection, origin, message, request.method)
        return await self._exchange(await self._connect(origin), origin, message, request.method)

    def close(self) -> None:
        """Close idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _connect(self, origin: Origin) -> _Connection:
        scheme, host, port = origin
        tls = self._tls if scheme == "https" else None
        try:
            return _Connection(*await asyncio.open_connection(host, port, ssl=tls, limit=MAX_HEAD_BYTES))
        except UnicodeError as error:  # a host name that IDNA cannot encode
            raise ProtocolError(f"invalid host name: {host!r}") from error

    async def _exchange(self, connection: _Connection, origin: Origin, message: bytes, method: str) -> OutboundResponse:
        reusable = False
        try:
            head = await self._first_head(connection, message)
            while head.first_line[1].startswith("1"):  # 100 Continue, 103 Early Hints: not the final response
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
                # Not close(), which would first send what the target has not read yet.
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
        """Take the most recently used connection that is open and was idle for less than MAX_IDLE_S."""
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
        raise ConnectionResetError("the target closed the connection without a response")
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
        raise ProtocolError(f"invalid first line of a response: {' '.join(head.first_line)[:80]!r}")
    return int(code)
