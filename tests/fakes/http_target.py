"""An HTTP target on loopback for tasks and schedules: records requests and sends the replies that a test sets.

with http_target() as target:
    cloud.create_task(queue, target.url)
    [hit] = target.wait_for(1)
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.harness.localcloud import wait_until


@dataclass(frozen=True)
class Hit:
    """A request that the target received."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client_port: int


@dataclass(frozen=True)
class Reply:
    """A reply, sent after `delay_s` or when `after` is set."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    after: threading.Event | None = None


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128  # a burst of tasks connects at once


class Target:
    """An HTTP server that records requests. `reply` decides on the replies."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.reply: Callable[[Hit], Reply] = lambda hit: Reply()
        self.concurrent = 0
        self.max_concurrent = 0
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def reply_in_turn(self, *replies: Reply | int) -> None:
        """Send these replies one after the other, then 200."""
        left = [Reply(reply) if isinstance(reply, int) else reply for reply in replies]
        self.reply = lambda hit: left.pop(0) if left else Reply()

    def wait_for(self, count: int) -> list[Hit]:
        """Wait for `count` requests and return all so far."""
        wait_until(lambda: len(self.hits) >= count)
        return list(self.hits)

    def close(self) -> None:
        """Stop the server; delayed replies are sent at once."""
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _record(self, hit: Hit) -> Reply:
        with self._lock:
            self.hits.append(hit)
            self.concurrent += 1
            self.max_concurrent = max(self.max_concurrent, self.concurrent)
            reply = self.reply(hit)
        self._released.wait(reply.delay_s)
        while reply.after and not reply.after.wait(0.02) and not self._released.is_set():
            pass
        with self._lock:
            self.concurrent -= 1
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = dict(self.headers.items())
                port = self.client_address[1]
                reply = target._record(Hit(time.time(), self.command, self.path, headers, body, port))
                self.send_response(reply.status)
                for name, value in {"Content-Length": "0", **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_POST = do_GET = do_PUT = do_DELETE = respond

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        return Handler


@contextmanager
def http_target() -> Iterator[Target]:
    """Run a target on a free port until the block ends."""
    target = Target()
    try:
        yield target
    finally:
        target.close()
