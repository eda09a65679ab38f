"""A real localcloud process and an HTTP target on loopback, for tests.

with localcloud(folder) as cloud, http_target() as target:
    queue = cloud.create_queue("q")
    cloud.create_task(queue, target.url)
    [hit] = target.wait_for(1)
"""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.tasks_v2 import CloudTasksClient

LOCATION = "projects/demo/locations/here"
PATIENCE_S = 20.0
FAST_RETRIES = {"min_backoff": {"nanos": 10_000_000}, "max_backoff": {"nanos": 50_000_000}}


def wait_until(condition: Callable[[], Any]) -> Any:
    """Return the condition's first true value; fails after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


class Cloud:
    """A running localcloud and the stock client that talks to it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "localcloud", "--port", "0", "--data", str(data), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_events)
        self._reader.start()
        started = wait_until(lambda: self.events or self.process.poll() is not None)
        assert started is not True, "localcloud did not start"
        self.url = f"http://127.0.0.1:{self.events[0]['port']}"
        self.client = CloudTasksClient(
            transport="rest",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options=ClientOptions(api_endpoint=self.url),
        )

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.events.extend(map(json.loads, iter(lines.readline, "")))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        self.client.transport.close()  # type: ignore[no-untyped-call]
        return code

    def create_queue(self, queue_id: str, **settings: Any) -> str:
        """Create a queue that retries fast unless told otherwise; returns its name."""
        settings.setdefault("retry_config", FAST_RETRIES)
        name = f"{LOCATION}/queues/{queue_id}"
        self.client.create_queue(request={"parent": LOCATION, "queue": {"name": name, **settings}})
        return name

    def create_task(self, queue: str, url: str, *, task_id: str = "", **fields: Any) -> str:
        """Create a task that posts to a URL; returns its name."""
        request = {"url": url, **fields.pop("http_request", {})}
        if task_id:
            fields["name"] = f"{queue}/tasks/{task_id}"
        created = self.client.create_task(request={"parent": queue, "task": {"http_request": request, **fields}})
        return str(created.name)

    def task_ids(self, queue: str) -> list[str]:
        """Return the short ids of a queue's tasks."""
        return [task.name.rpartition("/")[2] for task in self.client.list_tasks(parent=queue)]


@contextmanager
def localcloud(data: Path, *arguments: str) -> Iterator[Cloud]:
    """Run a localcloud on a free port until the block ends."""
    cloud = Cloud(data, *arguments)
    try:
        yield cloud
    finally:
        if cloud.process.poll() is None:
            cloud.end()


@dataclass(frozen=True)
class Hit:
    """A request that reached the target."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client_port: int


@dataclass(frozen=True)
class Reply:
    """What the target answers, after a while or once an event is set."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    after: threading.Event | None = None


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128  # a whole burst connects at once


class Target:
    """An HTTP server that records what it is asked and answers what the test wants."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.reply: Callable[[Hit], Reply] = lambda hit: Reply()
        self.busy = 0
        self.most_busy = 0
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/work"

    def answer_in_turn(self, *replies: Reply | int) -> None:
        """Give these answers one after the other, and 200 from then on."""
        left = [Reply(reply) if isinstance(reply, int) else reply for reply in replies]
        self.reply = lambda hit: left.pop(0) if left else Reply()

    def wait_for(self, count: int) -> list[Hit]:
        """Return the hits once there are that many."""
        wait_until(lambda: len(self.hits) >= count)
        return list(self.hits)

    def close(self) -> None:
        """Stop, and let go whatever still waits."""
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, hit: Hit) -> Reply:
        with self._lock:
            self.hits.append(hit)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            reply = self.reply(hit)
        self._released.wait(reply.delay_s)
        while reply.after and not reply.after.wait(0.02) and not self._released.is_set():
            pass
        with self._lock:
            self.busy -= 1
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
                reply = target._answer(Hit(time.time(), self.command, self.path, headers, body, port))
                self.send_response(reply.status)
                for name, value in {"Content-Length": "0", **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_POST = do_GET = do_PUT = do_DELETE = respond

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        return Handler


@contextmanager
def http_target() -> Iterator[Target]:
    """Serve on a free port until the block ends."""
    target = Target()
    try:
        yield target
    finally:
        target.close()
