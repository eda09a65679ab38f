"""Runs a real localcloud process, with Google's client libraries and gcloud connected to it.

with localcloud(folder) as cloud, http_target() as target:
    queue = cloud.create_queue("q")
    cloud.create_task(queue, target.url)
    [hit] = target.wait_for(1)

with localcloud(folder, *SHELL_IMAGE) as cloud:
    job = cloud.create_job("j", "exit 3")
    assert cloud.wait_for_end(cloud.execute(job)).failed_count == 1
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
from pathlib import Path
from typing import Any

import psutil
import urllib3
from google.api_core.client_options import ClientOptions
from google.cloud.run_v2 import Execution, ExecutionsClient, JobsClient, TasksClient
from google.cloud.tasks_v2 import CloudTasksClient
from google.oauth2.credentials import Credentials

from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN
from tests.harness.paths import ROOT

LOCATION = "projects/demo/locations/here"
# Jobs with the image `shell` run their first argument as a script.
SHELL_IMAGE = ("--image", "shell=/bin/sh -c")
PATIENCE_S = 60.0
FAST_RETRIES = {"min_backoff": {"nanos": 10_000_000}, "max_backoff": {"nanos": 50_000_000}}


def wait_until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition; return its first true value. Fails after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
    return value


def is_alive(pid: int) -> bool:
    """Return True if a process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Cloud:
    """A running localcloud, and the client libraries connected to it."""

    def __init__(self, data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.token_file = data.with_name(f"{data.name}-token")
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(LOCAL_TOKEN)
        command = [
            sys.executable,
            "-m",
            "localcloud",
            "--port",
            "0",
            "--data",
            str(data),
            *arguments,
        ]
        command += ["--token-file", str(self.token_file)]
        variables = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read_events)
        self._reader.start()
        wait_until(lambda: self.events or self.process.poll() is not None)
        assert self.events, "localcloud did not start"
        self.url = f"http://127.0.0.1:{self.events[0]['port']}"
        self.client = CloudTasksClient(**self._connection())
        self.jobs: Any = JobsClient(**self._connection())
        self.executions: Any = ExecutionsClient(**self._connection())
        self.job_tasks: Any = TasksClient(**self._connection())
        self._http = urllib3.PoolManager()

    def _connection(self) -> dict[str, Any]:
        return {
            "transport": "rest",
            "credentials": Credentials(LOCAL_TOKEN),  # type: ignore[no-untyped-call]
            "client_options": ClientOptions(api_endpoint=self.url),
        }

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.events.extend(map(json.loads, iter(lines.readline, "")))

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the exit and return its code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        clients: tuple[Any, ...] = (self.client, self.jobs, self.executions, self.job_tasks)
        for client in clients:
            client.transport.close()
        self._http.clear()
        return code

    def rest(self, verb: str, path: str, body: Any = None, *, host: str | None = None) -> tuple[int, Any]:
        """Send a REST request; return status and JSON. `host`: the Host header."""
        headers = AUTHORIZATION | ({"Host": host} if host else {})
        response = self._http.request(verb, self.url + path, json=body, headers=headers, retries=False)
        return response.status, response.json()

    def create_queue(self, queue_id: str, **settings: Any) -> str:
        """Create a queue, by default with fast retries; return its name."""
        settings.setdefault("retry_config", FAST_RETRIES)
        name = f"{LOCATION}/queues/{queue_id}"
        self.client.create_queue(request={"parent": LOCATION, "queue": {"name": name, **settings}})
        return name

    def create_task(self, queue: str, url: str, *, task_id: str = "", **fields: Any) -> str:
        """Create a task that posts to a URL; return its name."""
        request = {"url": url, **fields.pop("http_request", {})}
        if task_id:
            fields["name"] = f"{queue}/tasks/{task_id}"
        created = self.client.create_task(request={"parent": queue, "task": {"http_request": request, **fields}})
        return str(created.name)

    def task_ids(self, queue: str) -> list[str]:
        """Return the last parts of the names of a queue's tasks."""
        return [task.name.rpartition("/")[2] for task in self.client.list_tasks(parent=queue)]

    def create_job(self, job_id: str, script: str, **settings: Any) -> str:
        """Create a job that runs a shell script, by default as one task without retries; return its name."""
        variables = [{"name": name, "value": value} for name, value in settings.pop("env", {}).items()]
        container = {"image": "registry.example/demo/shell:v1", "args": [script], "env": variables}
        execution: dict[str, Any] = {
            name: settings.pop(name) for name in ("task_count", "parallelism") if name in settings
        }
        job = {"template": {**execution, "template": {"containers": [container], "max_retries": 0, **settings}}}
        self.jobs.create_job(parent=LOCATION, job=job, job_id=job_id).result(PATIENCE_S)
        return f"{LOCATION}/jobs/{job_id}"

    def execute(self, job: str, **overrides: Any) -> str:
        """Start an execution of a job; return its name."""
        return str(self.jobs.run_job(request={"name": job, "overrides": overrides}).metadata.name)

    def wait_for_end(self, execution: str) -> Execution:
        """Wait until an execution has ended and return it."""
        ended: Execution = wait_until(
            lambda: (current := self.executions.get_execution(name=execution)).completion_time and current
        )
        return ended

    def logs(self, execution: str, task: int = 0, attempt: int = 0) -> str:
        """Return the output of a task's attempt so far, '' before its start."""
        short = execution.rpartition("/")[2]
        _, answer = self.rest("GET", f"/localcloud/executions/{short}/logs?task={task}&attempt={attempt}")
        return answer["logs"][0]["text"] if answer["logs"] else ""

    def wait_for_output(self, execution: str, text: str, task: int = 0, attempt: int = 0) -> None:
        """Wait until the output of an attempt contains a text."""
        wait_until(lambda: text in self.logs(execution, task, attempt))


class Gcloud:
    """The real gcloud, started by `scripts/gcloud-local` and connected to a localcloud. `folder` has the program."""

    def __init__(self, cloud: Cloud, data: Path, folder: Path) -> None:
        self._environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        self._command = [str(ROOT / "scripts" / "gcloud-local"), "--endpoint", cloud.url, "--data", str(data)]
        self._command += ["--token-file", str(cloud.token_file)]

    @staticmethod
    def is_missing() -> bool:
        """Return True if gcloud is not installed."""
        return shutil.which("gcloud") is None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command and wait for it."""
        command = [*self._command, *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str) -> str:
        """Run a command that must succeed; return its stdout."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed; return its output, parsed as JSON."""
        return json.loads(self(*arguments, "--format=json"))


@contextmanager
def localcloud(data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Cloud]:
    """Run a localcloud on a free port until the block ends. `environment`: additional variables, also for its jobs."""
    cloud = Cloud(data, *arguments, environment=environment)
    try:
        yield cloud
    finally:
        if cloud.process.poll() is None:
            cloud.stop()
