"""Make httpx clients, which providers' libraries use, keep the applied deadline."""

import socket
from collections.abc import Iterable
from importlib import import_module
from typing import Any, TypeVar

from headwater.outbound.sockets import LimitedTLSSocket, Options, create_connection

C = TypeVar("C")


def limit_httpx(client: C) -> C:
    """Make a client of httpx, or of its fork httpx2, open its connections with limited sockets. Returns the client.

    Neither has an option for that: their transports build the connection pools, whose back end opens the sockets.
    """
    transports: Iterable[Any] = (client._transport, *client._mounts.values())  # type: ignore[attr-defined]
    for transport in transports:
        if transport is not None:  # None: hosts for which no proxy is used
            pool = transport._pool
            pool._network_backend = _backend(type(pool).__module__.partition(".")[0])
            pool._ssl_context.sslsocket_class = LimitedTLSSocket
    return client


def _backend(library: str) -> Any:
    """Return a back end of `httpcore` or `httpcore2` that opens limited sockets."""
    core, sync = import_module(library), import_module(f"{library}._backends.sync")

    class Backend(core.SyncBackend):  # type: ignore[name-defined, misc]
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Options | None = None,
        ) -> Any:
            source = None if local_address is None else (local_address, 0)
            options = [*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
            try:
                return sync.SyncStream(create_connection((host, port), timeout, source, options=options))
            except TimeoutError as error:
                raise core.ConnectTimeout(error) from error
            except OSError as error:
                raise core.ConnectError(error) from error

    return Backend()
