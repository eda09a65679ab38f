"""A gunicorn worker whose threads never wait for clients: it reads whole requests first and buffers responses.

One thread polls all connections. It hands a request to a thread of the pool once its last byte has arrived, and sends
what a client has left unread when the response is complete. Each phase of a connection has a deadline. Why gunicorn's
own worker or another server doesn't suffice: docs/decisions/0018-read-whole-requests-before-a-thread-handles-them.md.
"""

import errno
import math
import selectors
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import gunicorn.config
import msgspec
from gunicorn.util import http_date
from gunicorn.workers.gthread import ThreadWorker

from headwater import logs
from headwater.config import Settings, get_settings
from headwater.errors import HeadwaterError, RequestTimeout, ServerBusy, problem
from headwater.web.request_reader import RequestReader, configure_parser
from headwater.web.shutdown import FINISH_S, HAND_BACK_S, get_lifetime

LINGER_S = 2.0
"""Seconds for which the input after a last response is discarded. Closing at once could destroy the response."""

MAX_UNSENT_BYTES = 1_000_000
"""What a client may leave unread of a stream, which is more than any answer has."""

SMALL_BYTES = 64 * 1024
"""Requests up to this size don't count towards `max_buffered_bytes`, so that large ones can't keep them out."""

SWITCH_S = 0.001
"""Seconds for which a thread computes while another one waits for the interpreter. With Python's 5 ms, a token waits so
long for each of the threads that begin an answer, at every step between its provider and its client."""

_READ_BYTES = 64 * 1024
_POLL_S = 0.5
_ACCEPTED_AT_A_TIME = 64


def set_as_default() -> None:
    """Make this gunicorn's default worker: functions-framework starts gunicorn without a way to set it."""
    gunicorn.config.WorkerClass.default = f"{__name__}.{BufferingWorker.__name__}"


def thread_count(settings: Settings) -> int:
    """Return the number of threads: for short requests, and for as many long ones as there may be."""
    return settings.threads + settings.long_requests


class ClientSocket(socket.socket):
    """A connection that never blocks: `sendall` keeps what the client doesn't take yet in `unsent`.

    Used by one thread at a time: the polling one, or the one that handles the connection's request.
    """

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.setblocking(False)
        self.unsent = bytearray()

    def sendall(self, data: Any, _: int = 0) -> None:
        """Send or keep the data. Raises ConnectionAbortedError if the client has left too much unread."""
        if len(self.unsent) > MAX_UNSENT_BYTES:
            raise ConnectionAbortedError("The client doesn't read the response.")
        self.unsent += data
        self.send_unsent()

    def send_unsent(self) -> None:
        """Send what the client takes now."""
        while self.unsent:
            try:
                del self.unsent[: self.send(self.unsent)]
            except BlockingIOError:
                return


class Connection:
    """A client's connection.

    `deadline`: when the current phase ends; infinite while a thread handles a request. `reader`: reads the request and
    holds it while it is handled; None while the rest of a response is sent. `counted_bytes`: what the request counts
    towards `max_buffered_bytes`. gunicorn uses the other attributes.
    """

    def __init__(self, sock: ClientSocket, client: Any, server: Any) -> None:
        self.sock = sock
        self.client = client
        self.server = server
        self.deadline = math.inf
        self.reader: RequestReader | None = None
        self.counted_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Return True if nothing of a request has arrived."""
        return self.reader is not None and self.reader.phase == "idle"


class BufferingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """The worker. gunicorn's class calls the application and writes its responses."""

    head_s = 10.0
    """Seconds for the whole head of a request, from its first byte."""

    body_s = 60.0
    """Seconds for the whole body after that."""

    send_s = 60.0
    """Seconds in which a client must read the rest of a complete response."""

    max_buffered_bytes = 64 * 1024**2
    """Limit of the requests in memory together, and of the complete responses that clients have not read yet."""

    def init_process(self) -> None:
        """Run the worker's process."""
        settings = get_settings()
        logs.configure(
            settings.log_level,
            service=settings.k_service or "headwater",
            version=settings.k_revision,
            secrets=settings.secrets,
        )
        configure_parser(self.cfg)
        self._connections: set[Connection] = set()
        self._buffered_bytes = 0
        self._next_check = 0.0
        self._finish_s = min(FINISH_S, max(0.0, self.cfg.graceful_timeout - HAND_BACK_S))
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads that handle requests."""
        return ThreadPoolExecutor(thread_count(get_settings()), thread_name_prefix="request")

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the graceful shutdown at SIGTERM."""
        get_lifetime().end(finish_s=self._finish_s)
        super().handle_exit(sig, frame)

    def run(self) -> None:
        """Serve until SIGTERM, then finish the requests that have begun, within `graceful_timeout`."""
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.set_accept_enabled(True)
        while self.alive and self.is_parent_alive():
            self._poll()
        self.set_accept_enabled(False)
        stopped_at = time.monotonic()
        for connection in self._connections:
            patience_s = LINGER_S if connection.is_idle else self._finish_s
            if connection.deadline < math.inf:
                connection.deadline = min(connection.deadline, stopped_at + patience_s)
        while self._connections and time.monotonic() < stopped_at + self.cfg.graceful_timeout:
            self._poll()
        for connection in list(self._connections):
            self._close(connection)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _poll(self) -> None:
        self.notify()
        self.wait_for_and_dispatch_events(_POLL_S)
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + _POLL_S
            for connection in [each for each in self._connections if each.deadline <= now]:
                self._attempt(connection, self._expire)

    def accept(self, listener: socket.socket) -> None:
        """Accept some connections. If there are too many, each takes the place of one that waits."""
        for _ in range(_ACCEPTED_AT_A_TIME):
            try:
                sock, client = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._evict()
                elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                    raise
                return
            if len(self._connections) >= self.worker_connections:
                self._evict()
            connection = Connection(ClientSocket(sock.detach()), client, listener.getsockname())
            self._connections.add(connection)
            self._attempt(connection, self._await_request)

    def _evict(self) -> None:
        """Close a connection that no thread handles: the one that has been idle longest, or else expires first."""
        waiting = [each for each in self._connections if each.deadline < math.inf]
        if waiting:
            self._close(min(waiting, key=lambda each: (not each.is_idle, each.deadline)))

    def _await_request(self, connection: Connection, received: bytes = b"") -> None:
        """Read the next request, which begins with the bytes received already."""
        connection.reader = RequestReader(self.cfg, connection.client)
        connection.deadline = time.monotonic() + self.cfg.keepalive
        self._watch(connection, selectors.EVENT_READ, self._receive)
        if received:
            self._feed(connection, connection.reader, received)

    def _receive(self, connection: Connection) -> None:
        received = connection.sock.recv(_READ_BYTES)
        if received and connection.reader:
            self._feed(connection, connection.reader, received)
        else:  # the client has closed the connection, or its direction of it
            self._close(connection)

    def _feed(self, connection: Connection, reader: RequestReader, received: bytes) -> None:
        phase = reader.phase
        try:
            is_complete = reader.feed(received)
            self._count_bytes(connection, reader.size)
        except HeadwaterError as error:
            self._refuse(connection, error)
            return
        if is_complete:
            self.poller.unregister(connection.sock)
            connection.deadline = math.inf
            self.enqueue_req(connection)
            return
        if reader.phase != phase:
            connection.deadline = time.monotonic() + (self.head_s if reader.phase == "head" else self.body_s)
        if reader.take_continue():
            connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_bytes(self, connection: Connection, size: int) -> None:
        """Count the bytes of large requests in memory. Raises ServerBusy if there are too many."""
        counted = size if size > SMALL_BYTES else 0
        self._buffered_bytes += counted - connection.counted_bytes
        connection.counted_bytes = counted
        if counted and self._buffered_bytes > self.max_buffered_bytes:
            raise ServerBusy("The server is receiving too many large requests. Try again in a few seconds.")

    def _forget_request(self, connection: Connection) -> None:
        connection.reader = None
        self._count_bytes(connection, 0)

    def handle(self, conn: Connection) -> bool:
        """Handle a request, on a thread of the pool. Returns True if the client may send another."""
        assert conn.reader
        logs.trace.set("")
        try:
            return bool(self.handle_request(conn.reader.request, conn))
        except (OSError, StopIteration):  # the client has gone, or the response failed after its beginning
            return False
        except Exception as error:  # noqa: BLE001 - the boundary: an error outside of our application
            request_id = uuid.uuid4().hex
            logs.event("request.crashed", severity=40, error=error, request_id=request_id)
            conn.sock.sendall(_response(error, request_id))
            return False

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        """Send the rest of a response, then read the next request or close. Runs on the polling thread."""
        rest = conn.reader.rest if conn.reader else b""
        self._forget_request(conn)
        is_reusable = not fs.cancelled() and not fs.exception() and fs.result()
        then = partial(self._await_request, received=rest) if is_reusable else self._linger
        self._attempt(conn, partial(self._send_rest, then=then))

    def _refuse(self, connection: Connection, error: HeadwaterError) -> None:
        """Answer an incomplete request with an error, and close the connection."""
        self.poller.unregister(connection.sock)
        self._forget_request(connection)
        request_id = uuid.uuid4().hex
        logs.event("request.refused", severity=30, status=error.status, reason=error.message, request_id=request_id)
        connection.sock.sendall(_response(error, request_id))
        self._send_rest(connection, then=self._linger)

    def _send_rest(self, connection: Connection, then: "Callable[[Connection], None]") -> None:
        """Send what is unsent, then call `then`."""
        connection.sock.send_unsent()
        if not connection.sock.unsent:
            then(connection)
            return
        connection.deadline = time.monotonic() + self.send_s
        self._watch(connection, selectors.EVENT_WRITE, partial(self._send_more, then=then))
        unread = sorted((each for each in self._connections if each.sock.unsent and not each.reader), key=_deadline)
        while sum(len(each.sock.unsent) for each in unread) > self.max_buffered_bytes:
            self._close(unread.pop(0))

    def _send_more(self, connection: Connection, then: "Callable[[Connection], None]") -> None:
        connection.sock.send_unsent()
        if not connection.sock.unsent:
            self.poller.unregister(connection.sock)
            then(connection)

    def _linger(self, connection: Connection) -> None:
        """Close the connection gracefully (RFC 9112, 9.6)."""
        connection.deadline = time.monotonic() + LINGER_S
        connection.sock.shutdown(socket.SHUT_WR)
        self._watch(connection, selectors.EVENT_READ, self._discard)

    def _discard(self, connection: Connection) -> None:
        if not connection.sock.recv(_READ_BYTES):
            self._close(connection)

    def _expire(self, connection: Connection) -> None:
        """End a phase that takes too long."""
        if connection.reader is None or connection.is_idle:
            self._close(connection)
        elif self.alive:
            part = (
                f"headers within {self.head_s:g}"
                if connection.reader.phase == "head"
                else f"body within {self.body_s:g}"
            )
            message = f"The server did not receive the request's {part} s. Check the connection and try again."
            self._refuse(connection, RequestTimeout(message))
        else:
            self._refuse(connection, ServerBusy("The server is shutting down. Try again."))

    def _watch(self, connection: Connection, events: int, call: "Callable[[Connection], None]") -> None:
        self.poller.register(connection.sock, events, lambda _: self._attempt(connection, call))

    def _attempt(self, connection: Connection, call: "Callable[[Connection], None]") -> None:
        """Call a function of a connection; close the connection if that fails."""
        if connection not in self._connections:  # closed by an earlier event
            return
        try:
            call(connection)
        except BlockingIOError:
            return
        except OSError:  # the client has gone
            self._close(connection)
        except Exception as error:  # noqa: BLE001 - the boundary: other connections must go on
            logs.event("connection.failed", severity=40, error=error)
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._forget_request(connection)
        with suppress(KeyError, ValueError):  # not registered, or closed by gunicorn
            self.poller.unregister(connection.sock)
        connection.sock.close()


def _deadline(connection: Connection) -> float:
    return connection.deadline


def _response(error: Exception, request_id: str) -> bytes:
    """Return an error as a response that ends the connection."""
    details = problem(error, request_id)
    status, content = HTTPStatus(details["status"]), msgspec.json.encode(details)
    lines = [f"HTTP/1.1 {status} {status.phrase}", f"Date: {http_date()}", "Connection: close"]
    lines += ["Content-Type: application/problem+json", f"Content-Length: {len(content)}"]
    lines += [f"X-Request-Id: {request_id}"]
    lines += [f"Retry-After: {error.retry_after_s:g}"] if isinstance(error, ServerBusy) else []
    return "\r\n".join([*lines, "", ""]).encode() + content
