"""A hostile server on loopback: it keeps its clients waiting, each way in another phase of an exchange.

    with hostile_server("body") as server:
        client.request("GET", server.url)

A client that waits for more than `LIFE_S` seconds is cut off.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

DRIP_S = 0.02
LIFE_S = 20.0

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"


def _drip(sock: socket.socket, data: bytes = b"x") -> Iterator[None]:
    """Send `data` again and again, slowly."""
    while True:
        sock.sendall(data)
        yield
        time.sleep(DRIP_S)


def _flood(sock: socket.socket, data: bytes) -> Iterator[None]:
    """Send `data` again and again, as fast as the client reads."""
    while True:
        sock.sendall(data)
        yield


def _after(start: bytes, go_on: Callable[[socket.socket, bytes], Iterator[None]], data: bytes) -> "Way":
    def answer(sock: socket.socket) -> Iterator[None]:
        sock.recv(65_536)
        sock.sendall(start)
        yield from go_on(sock, data)

    return answer


def _silent(_: socket.socket) -> Iterator[None]:
    while True:
        time.sleep(DRIP_S)
        yield


def _unread(sock: socket.socket) -> Iterator[None]:
    """Read a byte now and then."""
    while sock.recv(1):
        time.sleep(DRIP_S)
        yield


Way = Callable[[socket.socket], Iterator[None]]
WAYS: dict[str, Way] = {
    "silence": _silent,
    "unread requests": _unread,
    "status line": _after(b"HTTP/1.1 200 ", _drip, b"O"),
    "header": _after(_OK + b"X-Header: ", _drip, b"x"),
    "headers": _after(_OK, _drip, b"X-Header: x\r\n"),
    "flood of headers": _after(_OK, _flood, b"X-Header: x\r\n" * 100),
    "interim answers": _after(b"", _drip, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "flood of interim answers": _after(b"", _flood, b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "body": _after(_OK + b"Content-Length: 1000000\r\n\r\n", _drip, b"f"),
    "body until the end": _after(_OK + b"\r\n", _drip, b"f"),
    "chunks": _after(_OK + b"Transfer-Encoding: chunked\r\n\r\n", _drip, b"1\r\nf\r\n"),
    "size of a chunk": _after(_OK + b"Transfer-Encoding: chunked\r\n\r\n", _drip, b"f"),
    "event stream": _after(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", _drip, b": wait\n\n"),
    "redirect": _after(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000000\r\n\r\n", _drip, b"f"),
    "error": _after(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n", _drip, b"f"),
    "TLS handshake": _after(b"\x16\x03\x03\x3f\xff", _drip, b"\x02"),
}
"""By the phase in which clients wait."""


@dataclass
class HostileServer:
    """A running server. `closed` counts the connections that clients have closed."""

    url: str
    closed: int = 0
    opened: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, opened: int = 0, closed: int = 0) -> None:
        """Count connections."""
        with self._lock:
            self.opened, self.closed = self.opened + opened, self.closed + closed


@contextmanager
def hostile_server(way: str) -> Iterator[HostileServer]:
    """Run a server until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(0.05)
    scheme = "https" if way == "TLS handshake" else "http"
    server = HostileServer(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    stopped = threading.Event()

    def serve(sock: socket.socket) -> None:
        until = time.monotonic() + LIFE_S
        with sock, suppress(OSError):
            if way == "unread requests":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            for _ in WAYS[way](sock):
                if stopped.is_set() or time.monotonic() > until:
                    return
        server.count(closed=1)

    def accept() -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                sock, _ = listener.accept()
                sock.settimeout(LIFE_S)
                server.count(opened=1)
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        stopped.set()
        accepting.join()
        listener.close()
