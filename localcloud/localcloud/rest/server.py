"""The REST server: reads HTTP/1.1 requests from persistent connections and writes the router's answers.

Except for public methods, requests must send the token: `Authorization: Bearer …`.

All handlers run on one event loop without interleaving (the few that wait return an awaitable at the end), so state
needs no locks. Dispatching runs in asyncio tasks of its own.
"""

import asyncio
import json
from http import HTTPStatus

from localcloud.http1 import Head, ProtocolError, body_length, read_body, read_head, write_head
from localcloud.rest.access import MAX_BODY_BYTES, check_not_a_page, check_token
from localcloud.rest.router import ApiError, Router


class RestServer:
    """Answers requests with one router, to clients that have the token."""

    def __init__(self, router: Router, token: str) -> None:
        self._router = router
        self._token = token

    async def serve(self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection whose first bytes are `begun`."""
        while await self._answer_one(reader, writer, begun):
            begun = b""

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: bytes) -> bool:
        """Answer the next request, whose first bytes are `begun`. Return True if the connection stays open."""
        try:
            head = await read_head(reader, begun)
            if head is None:
                return False
            check_not_a_page(head)
            if not self._router.is_public(*head.first_line[:2]):
                check_token(head.headers.get("authorization", ""), self._token)
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
