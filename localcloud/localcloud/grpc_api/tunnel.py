"""Passes gRPC connections of localcloud's port on to the gRPC server, which the first of them starts."""

import asyncio
import importlib
from contextlib import suppress
from typing import TYPE_CHECKING

from localcloud.grpc_api.certificate import Certificate
from localcloud.rest.router import Router

if TYPE_CHECKING:
    from localcloud.grpc_api.server import GrpcServer

_PART_BYTES = 64 * 1024


class GrpcTunnel:
    """Starts the gRPC server and connects clients to it."""

    def __init__(self, router: Router, token: str, certificate: Certificate) -> None:
        self._router = router
        self._token = token
        self._certificate = certificate
        self._server: GrpcServer | None = None
        self._starting = asyncio.Lock()

    async def serve(
        self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tls: bool
    ) -> None:
        """Pass on a connection whose first bytes are `begun`, until it ends."""
        async with self._starting:
            server = self._server = self._server or await self._start()
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", server.tls_port if tls else server.port)
        upstream.write(begun)
        pumps = {asyncio.ensure_future(_pump(reader, upstream)), asyncio.ensure_future(_pump(upstream_reader, writer))}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            upstream.close()

    async def stop(self) -> None:
        """Stop the gRPC server, if it was started."""
        if self._server is not None:
            await self._server.stop()

    async def _start(self) -> "GrpcServer":
        # In a thread, since it takes a second.
        module = await asyncio.to_thread(importlib.import_module, "localcloud.grpc_api.server")
        server: GrpcServer = module.GrpcServer(self._router, self._token, self._certificate)
        await server.start()
        return server


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(_PART_BYTES):
            writer.write(part)
            await writer.drain()
