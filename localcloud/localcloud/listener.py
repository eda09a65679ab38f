"""The port: accepts connections and passes them on by protocol, HTTP/1.1 to REST, HTTP/2 and TLS to gRPC."""

import asyncio
from contextlib import suppress
from typing import Protocol

from localcloud.http1 import MAX_HEAD_BYTES

# The beginnings of a TLS connection (RFC 8446, 5.1) and of HTTP/2 without TLS (RFC 9113, 3.4).
_TLS = b"\x16"
_HTTP2 = b"PRI"


class Rest(Protocol):
    """Serves connections with HTTP/1.1."""

    async def serve(self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection whose first bytes are `begun`, until it ends."""
        ...


class Grpc(Protocol):
    """Serves connections with gRPC."""

    async def serve(
        self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tls: bool
    ) -> None:
        """Serve a connection whose first bytes are `begun`, until it ends."""
        ...


class Listener:
    """Listens on one address."""

    def __init__(self, rest: Rest, grpc: Grpc) -> None:
        self._rest = rest
        self._grpc = grpc
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
                await self._pass_on(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            begun = await reader.readexactly(len(_HTTP2))
        except asyncio.IncompleteReadError as error:
            begun = error.partial
        if begun.startswith(_TLS) or begun == _HTTP2:
            await self._grpc.serve(begun, reader, writer, tls=begun != _HTTP2)
        else:
            await self._rest.serve(begun, reader, writer)
