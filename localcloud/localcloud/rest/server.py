"""The HTTP server: reads HTTP/1.1 requests from persistent connections and writes the router's answers.

Except for public methods, requests must send the token: `Authorization: Bearer …`. Only the user of localcloud can read
it, so neither other users of the machine nor web pages can call a method.

All handlers run on one event loop without interleaving (the few that wait return an awaitable at the end), so state
needs no locks. Dispatching runs in asyncio tasks of its own.
"""

import asyncio
import hmac
import ipaddress
import json
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from localcloud.http1 import MAX_HEAD_BYTES, Head, ProtocolError, body_length, read_body, read_head, write_head
from localcloud.rest.router import ApiError, Router

# Public DNS has no names with these suffixes, so DNS rebinding cannot use them.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".test")
MAX_BODY_BYTES = 10 * 1024 * 1024  # as Google limits REST requests


class Server:
    """Serves one router on one address, to clients that have the token."""

    def __init__(self, router: Router, token: str) -> None:
        self._router = router
        self._token = token
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def bind(self, host: str, port: int) -> int:
        """Bind the port and return it (for port 0, the one chosen). Errors: OSError if it is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES, start_serving=False)
        return int(self._server.sockets[0].getsockname()[1])

    async def listen(self) -> None:
        """Start answering on the bound port."""
        assert self._server is not None
        await self._server.start_serving()

    async def close(self) -> None:
        """Stop listening and close every connection, even during a request."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # A client that disconnected needs no answer. Only `close` cancels and awaits this task.
            with suppress(ConnectionError, asyncio.CancelledError):
                while await self._answer_one(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request. Return True if the connection stays open."""
        try:
            head = await read_head(reader)
            if head is None:
                return False
            self._check(head)
            if head.headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await _read_request(reader, head)
        except ProtocolError as error:
            return _reject(writer, ApiError("INVALID_ARGUMENT", str(error)))
        except ApiError as error:
            return _reject(writer, error)
        verb, target, _ = head.first_line
        status, payload = await self._router.answer(verb, target, body, head.headers.get("host", ""))
        _write_response(writer, status, payload, keep_alive=head.keeps_alive)
        await writer.drain()
        return head.keeps_alive

    def _check(self, head: Head) -> None:
        """Raise ApiError unless a request is allowed."""
        verb, target, _ = head.first_line
        if "origin" in head.headers:
            # Only browsers send Origin. Otherwise any web page could send requests into this machine's network.
            raise ApiError("PERMISSION_DENIED", "localcloud rejects requests of web pages (with an Origin header).")
        if target.startswith("/") and not _is_private(head.headers.get("host", "localhost")):
            # DNS rebinding: a web page whose name resolves to this machine sends no Origin with GET.
            raise ApiError("PERMISSION_DENIED", "localcloud accepts only private host names, such as localhost.")
        if not self._router.is_public(verb, target):
            check_token(head.headers.get("authorization", ""), self._token)


def check_token(authorization: str, token: str) -> None:
    """Raise ApiError unless an Authorization header has the token."""
    scheme, _, sent = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), token.encode()):
        raise ApiError(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Send localcloud's token, which is in the file `token` of "
            "its data folder or in its --token-file: `Authorization: Bearer …`.",
        )


async def _read_request(reader: asyncio.StreamReader, head: Head) -> bytes:
    """Return a request's body. Errors: ApiError, ProtocolError."""
    too_large = ApiError("INVALID_ARGUMENT", f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes.")
    if (body_length(head.headers) or 0) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for part in read_body(reader, head.headers):
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def _is_private(host: str) -> bool:
    """Return True for an IP address, a name without dots or a name with a private suffix."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_SUFFIXES)
    return True


def _reject(writer: asyncio.StreamWriter, error: ApiError) -> bool:
    _write_response(writer, error.http_status, json.dumps(error.body).encode(), keep_alive=False)
    return False


def _write_response(writer: asyncio.StreamWriter, status: int, payload: bytes, *, keep_alive: bool) -> None:
    headers = [("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", str(len(payload)))]
    if not keep_alive:
        headers.append(("Connection", "close"))
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Bearer realm="localcloud"'))
    writer.write(write_head(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", headers) + payload)
