"""Sockets that keep the applied deadline (`headwater.outbound.deadline`), for any client that can be given sockets.

Each wait is limited to what the deadline leaves, and to the socket's own time-out. The rest is as with `socket`.
"""

import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from headwater.outbound.deadline import DeadlineExceeded, check_wanted, limited

T = TypeVar("T")
Lookup = Callable[..., Sequence[tuple[Any, ...]]]
"""Same signature as `socket.getaddrinfo`: host, port and `type`; returns tuples that end with a socket address."""
Options = Iterable[tuple[int, int, int | bytes]]

_lookups = threading.BoundedSemaphore(64)
"""Limits the threads of lookups: `getaddrinfo` can't be interrupted, so a slow lookup is left to its thread."""


class LimitedSocket(socket.socket):
    """A socket whose every wait is limited."""

    _own_timeout_s: float | None = None

    def settimeout(self, value: float | None) -> None:
        """Set the time-out of each wait, in seconds; None for endless ones."""
        self._own_timeout_s = value
        super().settimeout(value)

    def gettimeout(self) -> float | None:
        """Return what `settimeout` has set."""
        return self._own_timeout_s

    def connect(self, address: Any) -> None:
        """Connect to an address."""
        self._wait_once(super().connect, address)

    def recv(self, *arguments: Any) -> bytes:
        """Receive bytes."""
        return self._wait(super().recv, *arguments)

    def recv_into(self, *arguments: Any) -> int:
        """Receive bytes into a buffer."""
        return self._wait(super().recv_into, *arguments)

    def send(self, *arguments: Any) -> int:
        """Send what the server takes at once."""
        return self._wait(super().send, *arguments)

    def sendall(self, *arguments: Any) -> None:
        """Send all bytes."""
        self._wait_once(super().sendall, *arguments)

    def _wait_once(self, call: Callable[..., T], *arguments: Any, at_most_s: float = math.inf) -> T:
        own_s = math.inf if self._own_timeout_s is None else self._own_timeout_s
        wait_s = min(own_s, at_most_s, limited(None) or math.inf)
        super().settimeout(None if wait_s == math.inf else wait_s)
        try:
            return call(*arguments)
        except TimeoutError:
            limited(None)  # raises DeadlineExceeded if that was the reason
            raise

    def _wait(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call a function that can be repeated after a time-out, as long as its result is wanted."""
        started = time.monotonic()
        while True:
            slice_s = check_wanted()
            try:
                return self._wait_once(call, *arguments, at_most_s=slice_s)
            except TimeoutError as error:
                own_s = self._own_timeout_s
                is_over = own_s is not None and time.monotonic() - started >= own_s
                if is_over or slice_s == math.inf or isinstance(error, DeadlineExceeded):
                    raise


class LimitedTLSSocket(LimitedSocket, ssl.SSLSocket):
    """The same with TLS. `ssl.SSLContext.sslsocket_class` makes a context use it."""

    def do_handshake(self, block: bool = False) -> None:
        """Do the TLS handshake."""
        self._wait(super().do_handshake, block)


def tls_context() -> ssl.SSLContext:
    """Return the context of TLS clients, which verifies servers, with limited sockets. All clients share it.

    To load the certificates takes 16 ms. They are loaded again if their paths change (`SSL_CERT_FILE`).
    """
    return _tls_context(ssl.get_default_verify_paths())


@cache
def _tls_context(_paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = LimitedTLSSocket
    return context


def create_connection(
    address: tuple[str, int], timeout: float | None = None, source_address: Any = None, *, options: Options = ()
) -> LimitedSocket:
    """Connect to a host and port, as `socket.create_connection` does.

    Looking the host up, and connecting to each of its addresses, may take `timeout` seconds each.
    """
    failure: OSError = OSError("The host has no address.")
    for _, _, _, _, found in look_up(address[0], address[1], timeout):
        try:
            return open_socket(found, timeout, source_address, options=options)
        except OSError as error:
            failure = error
    raise failure


def open_socket(
    address: Sequence[Any], timeout: float | None, source_address: Any = None, *, options: Options = ()
) -> LimitedSocket:
    """Connect to an IP address and port."""
    sock = LimitedSocket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(timeout)
        if source_address:
            sock.bind(source_address)
        sock.connect(tuple(address))
    except BaseException:
        sock.close()
        raise
    return sock


def look_up(
    host: str, port: int, timeout: float | None, lookup: Lookup = socket.getaddrinfo
) -> Sequence[tuple[Any, ...]]:
    """Look a host up within a time-out and the applied deadline. Raises socket.gaierror or TimeoutError.

    The address of a host needs no thread: nothing is waited for.
    """
    if _is_address(host):
        return lookup(host, port, type=socket.SOCK_STREAM)
    answers: SimpleQueue[Sequence[tuple[Any, ...]] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(lookup(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - raised again below
            answers.put(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=-1 if (wait_s := limited(timeout)) is None else wait_s):
        limited(None)
        raise TimeoutError("Too many names are being looked up.")
    try:
        threading.Thread(target=run, name="lookup", daemon=True).start()
    except RuntimeError:  # the process may have no more threads
        _lookups.release()
        raise
    try:
        answer = answers.get(timeout=limited(timeout))
    except Empty:
        limited(None)
        raise TimeoutError("Looking the host's name up took too long.") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
