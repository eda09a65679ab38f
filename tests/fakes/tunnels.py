"""A web of public addresses on loopback: a proxy whose tunnels all lead to one server, and names that resolve to them.

with running_tunnels(port) as tunnels:
    settings = {"fetch_proxy": tunnels.url}
    tunnels.targets  # ["93.184.216.1:80"]
"""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any


class Tunnels:
    """Accepts CONNECT. `targets` are the addresses that clients asked for."""

    def __init__(self, server_port: int) -> None:
        self.targets: list[str] = []
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads[0].start()

    def close(self) -> None:
        """End all tunnels and stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in tuple(self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._open, client)

    def _start(self, target: Any, *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _open(self, client: socket.socket) -> None:
        head = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in head and (data := client.recv(4_096)):
                head += data
        if not head.startswith(b"CONNECT "):
            client.close()
            return
        self.targets.append(head.split()[1].decode())
        server = socket.create_connection(("127.0.0.1", self._server_port))
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        self._start(self._pump, server, client)
        self._pump(client, server)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        self._sockets.add(source)
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.discard(source)
        source.close()


@contextmanager
def running_tunnels(server_port: int) -> Iterator[Tunnels]:
    """Run the proxy until the block ends."""
    tunnels = Tunnels(server_port)
    try:
        yield tunnels
    finally:
        tunnels.close()


class Names:
    """Resolves names as `socket.getaddrinfo` does: those of a table, and all others to a public address."""

    def __init__(self, private: Mapping[str, str] | None = None) -> None:
        self.private = dict(private or {})

    def __call__(self, host: str, port: int, *arguments: Any, **options: Any) -> list[tuple[Any, ...]]:
        address = host if host[0].isdigit() else self.private.get(host, "93.184.216.34")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]
