"""A real localcloud process, the stock clients and gcloud that talk to it, and an HTTP target on loopback, for tests.

with localcloud(folder) as cloud, http_target() as target:
    queue = cloud.create_queue("q")
    cloud.create_task(queue, target.url)
    [hit] = target.wait_for(1)

with localcloud(folder, *SHELL_IMAGE) as cloud:
    job = cloud.create_job("j", "exit 3")
    assert cloud.ended(cloud.execute(job)).failed_count == 1
"""

import json
import os
import shutil
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

import psutil
import urllib3
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.run_v2 import Execution, ExecutionsClient, JobsClient, TasksClient
from google.cloud.tasks_v2 import CloudTasksClient

from tests.harness.paths import ROOT

LOCATION = "projects/demo/locations/here"
# Jobs with the image `shell` run their first argument as a script.
SHELL_IMAGE = ("--image", "shell=/bin/sh -c")
PATIENCE_S = 60.0
FAST_RETRIES = {"min_backoff": {"nanos": 10_000_000}, "max_backoff": {"nanos": 50_000_000}}


def wait_until(condition: Callable[[], Any]) -> Any:
    """Return the condition's first true value; fails after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


def is_alive(pid: int) -> bool:
    """Tell whether a process still does anything."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Cloud:
    """A running localcloud and the stock client that talks to it."""

    def __init__(self, data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "localcloud", "--port", "0", "--data", str(data), *arguments]
        variables = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_events)
        self._reader.start()
        started = wait_until(lambda: self.events or self.process.poll() is not None)
        assert started is not True, "localcloud did not start"
        self.url = f"http://127.0.0.1:{self.events[0]['port']}"
        self.client = CloudTasksClient(**self._connection())
        self.jobs: Any = JobsClient(**self._connection())
        self.executions: Any = ExecutionsClient(**self._connection())
        self.job_tasks: Any = TasksClient(**self._connection())
        self._http = urllib3.PoolManager()

    def _connection(self) -> dict[str, Any]:
        return {
            "transport": "rest",
            "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call]
            "client_options": ClientOptions(api_endpoint=self.url),
        }

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.events.extend(map(json.loads, iter(lines.readline, "")))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        clients: tuple[Any, ...] = (self.client, self.jobs, self.executions, self.job_tasks)
        for client in clients:
            client.transport.close()
        self._http.clear()
        return code

    def rest(self, verb: str, path: str, body: Any = None, *, host: str | None = None) -> tuple[int, Any]:
        """Make a plain request and return status and JSON; `host` is the Host header."""
        headers = {"Host": host} if host else {}
        response = self._http.request(verb, self.url + path, json=body, headers=headers, retries=False)
        return response.status, response.json()

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

    def create_job(self, job_id: str, script: str, **settings: Any) -> str:
        """Create a job of one task that runs a shell script and is never retried, unless told otherwise."""
        variables = [{"name": name, "value": value} for name, value in settings.pop("env", {}).items()]
        container = {"image": "registry.example/demo/shell:v1", "args": [script], "env": variables}
        execution: dict[str, Any] = {
            name: settings.pop(name) for name in ("task_count", "parallelism") if name in settings
        }
        job = {"template": {**execution, "template": {"containers": [container], "max_retries": 0, **settings}}}
        self.jobs.create_job(parent=LOCATION, job=job, job_id=job_id).result(PATIENCE_S)
        return f"{LOCATION}/jobs/{job_id}"

    def execute(self, job: str, **overrides: Any) -> str:
        """Begin an execution of a job; returns its name."""
        return str(self.jobs.run_job(request={"name": job, "overrides": overrides}).metadata.name)

    def ended(self, execution: str) -> Execution:
        """Return an execution once it has ended."""
        found: Execution = wait_until(
            lambda: (now := self.executions.get_execution(name=execution)).completion_time and now
        )
        return found

    def logs(self, execution: str, task: int = 0, attempt: int = 0) -> str:
        """Return what an attempt at a task has written so far, '' before it began."""
        short = execution.rpartition("/")[2]
        _, found = self.rest("GET", f"/localcloud/executions/{short}/logs?task={task}&attempt={attempt}")
        return found["logs"][0]["text"] if found["logs"] else ""

    def says(self, execution: str, words: str, task: int = 0, attempt: int = 0) -> None:
        """Wait until an attempt has written certain words."""
        wait_until(lambda: words in self.logs(execution, task, attempt))


class Gcloud:
    """The real gcloud, as `scripts/gcloud-local` starts it against a localcloud."""

    def __init__(self, cloud: Cloud, data: Path) -> None:
        self._command = [str(ROOT / "scripts" / "gcloud-local"), "--endpoint", cloud.url, "--data", str(data)]

    @staticmethod
    def is_missing() -> bool:
        """Tell whether there is none on this machine."""
        return shutil.which("gcloud") is None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [*self._command, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; returns its stdout."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed; returns what it prints as JSON."""
        return json.loads(self(*arguments, "--format=json"))


@contextmanager
def localcloud(data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """Run a localcloud on a free port until the block ends; `environment` is what its jobs find on top of ours."""
    cloud = Cloud(data, *arguments, environment=environment)
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
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

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
