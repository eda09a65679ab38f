"""A proxy between a client and Postgres that counts round trips, adds TLS and breaks connections.

with running_proxy(cluster.port) as proxy:
    database = Database(proxy.through(url))
    …
    proxy.cut()
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Proxy:
    """Forwards data. `round_trips`: how often the client sent data after the server did."""

    def __init__(self, server_port: int, certificate: ssl.SSLContext | None) -> None:
        self.round_trips = 0
        self._server_port, self._certificate = server_port, certificate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._client_sent_last = False
        self._pumps = [threading.Thread(target=self._accept)]
        self._pumps[0].start()

    def through(self, url: str, host: str = "127.0.0.1", **query: str) -> str:
        """Return the URL of the same database behind the proxy, with these parameters instead of the URL's own."""
        parsed = sa.make_url(url).set(host=host, port=self.port, query=query)
        return parsed.render_as_string(hide_password=False)

    @property
    def connections(self) -> int:
        """The number of connections that neither side has ended."""
        return len(self._sockets) // 2

    def cut(self) -> None:
        """Break all current connections, as a restart of client or server does."""
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Break all connections and stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for pump in self._pumps:
            pump.join(30)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._pumps.append(threading.Thread(target=self._serve, args=(client,)))
                self._pumps[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            stream = client
            if self._certificate is not None and client.recv(8) == _SSL_REQUEST:
                client.sendall(b"S")
                stream = self._certificate.wrap_socket(client, server_side=True)
            with stream:
                self._sockets |= {stream, server}
                back = threading.Thread(target=self._pump, args=(server, stream))
                back.start()
                self._pump(stream, server)
                back.join()
                self._sockets -= {stream, server}

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        is_server = source.getpeername()[1] == self._server_port
        with suppress(OSError):
            while data := source.recv(65536):
                self.round_trips += not is_server and not self._client_sent_last
                self._client_sent_last = not is_server
                sink.sendall(data)
        for connection in (source, sink):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_proxy(server_port: int, certificate: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy in front of a server. With a certificate, its clients use TLS."""
    proxy = Proxy(server_port, certificate)
    try:
        yield proxy
    finally:
        proxy.close()
