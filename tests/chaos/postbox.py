"""A proxy in front of localcloud that loses, doubles, delays and refuses tickets by plan.

lost         answered as if it were created
doubled      created twice, under two names
late         due later than requested, so that others overtake it
unanswered   created, and the connection closes without an answer
refused      503, nothing is created
"""

import base64
import datetime as dt
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.chaos.plans import Fate


@dataclass
class Postbox:
    """A proxy between the functions and localcloud. Tickets are counted from 1 in each schedule."""

    cloud_port: int
    url: str = ""
    fates: Mapping[int, tuple[Fate, float]] = field(default_factory=dict)
    tickets: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, fates: Mapping[int, tuple[Fate, float]]) -> None:
        """Start counting from 1, with these fates."""
        with self.lock:
            self.fates, self.tickets = fates, 0

    def next_fate(self) -> tuple[Fate | None, float]:
        """Return what happens to the next ticket."""
        with self.lock:
            self.tickets += 1
            return self.fates.get(self.tickets, (None, 0.0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    postbox: Postbox

    def handle(self) -> None:
        with suppress(ConnectionError):  # the function is gone
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.partition("?")[0].endswith("/tasks"):
            return self._answer(self._forward(body))
        fate, late_s = self.postbox.next_fate()
        if fate == "lost" and not _is_watchdog(body):
            return self._answer((200, json.dumps(json.loads(body)["task"]).encode()))
        if fate == "refused":
            return self._answer((503, b'{"error": {"code": 503, "status": "UNAVAILABLE", "message": "not now"}}'))
        if fate == "doubled":
            self._forward(_renamed(body))
        answer = self._forward(_postponed(body, late_s) if fate == "late" else body)
        return self._answer(None if fate == "unanswered" else answer)

    def do_GET(self) -> None:
        self._answer(self._forward(b""))

    do_DELETE = do_PATCH = do_POST

    def _forward(self, body: bytes) -> tuple[int, bytes] | None:
        """Forward a request to localcloud. Returns None if it does not answer."""
        cloud = http.client.HTTPConnection("127.0.0.1", self.postbox.cloud_port, timeout=30)
        try:
            headers = {"Content-Type": "application/json", "Authorization": self.headers["Authorization"]}
            cloud.request(self.command, self.path, body, headers)
            answer = cloud.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            cloud.close()

    def _answer(self, answer: tuple[int, bytes] | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer[0])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


def _is_watchdog(body: bytes) -> bool:
    ticket = json.loads(base64.b64decode(json.loads(body)["task"]["httpRequest"]["body"]))
    return bool(ticket["watch"])


def _renamed(body: bytes) -> bytes:
    request = json.loads(body)
    request["task"]["name"] += "-again"
    return json.dumps(request).encode()


def _postponed(body: bytes, late_s: float) -> bytes:
    request = json.loads(body)
    due = request["task"].get("scheduleTime")
    moment = dt.datetime.fromisoformat(due) if due else dt.datetime.now(dt.UTC)
    request["task"]["scheduleTime"] = (moment + dt.timedelta(seconds=late_s)).isoformat()
    return json.dumps(request).encode()


@contextmanager
def postbox(cloud_port: int) -> Iterator[Postbox]:
    """Run a postbox in front of localcloud."""
    box = Postbox(cloud_port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"postbox": box}))
    server.daemon_threads = True
    box.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
