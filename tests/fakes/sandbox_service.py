"""The service `sandbox` as Cloud Run runs it: behind a check of the caller's ID token, and started again when it ends.

with sandbox_service() as service:
    RemoteSandbox(service.url, workspace_id, service.session())
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import jwt
import requests

from tests.harness.paths import ROOT
from tests.harness.ports import free_port
from tests.harness.stacks import wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEY = "the key with which this fake of Google signs tokens"
AUDIENCE_VARIABLE = "FAKE_CLOUD_RUN_AUDIENCE"


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Pass requests with an ID token for this service on; refuse others, as Cloud Run does."""
    from functions.sandbox.main import application as service

    token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    try:
        jwt.decode(token, KEY, ["HS256"], audience=os.environ[AUDIENCE_VARIABLE])
    except jwt.InvalidTokenError:
        if environ["PATH_INFO"] not in ("/heartbeat", "/ready"):
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
    return service(environ, start_response)


def id_token(audience: str) -> str:
    """Return an ID token for a service."""
    claims = {"aud": audience, "iss": "https://accounts.google.com", "exp": time.time() + 3600}
    return jwt.encode(claims, KEY, "HS256")


class SandboxService:
    """The running service. `starts` counts its instances."""

    def __init__(self) -> None:
        self.starts = 0
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._is_closed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run_instances)
        self._thread.start()
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        """Return whether an instance answers."""
        try:
            return requests.get(f"{self.url}/ready", timeout=60).status_code == 200
        except requests.RequestException:
            return False

    def session(self) -> requests.Session:
        """Return a session whose requests have a token for the service."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {id_token(self.url)}"
        session.trust_env = False
        return session

    def kill(self) -> None:
        """Kill the running instance."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the service."""
        self._is_closed.set()
        if self._process:
            self._process.terminate()
        self._thread.join()

    def _run_instances(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config=python:functions.sandbox.gunicorn_config"]
        command += [f"--bind=127.0.0.1:{self.port}", "tests.fakes.sandbox_service:application"]
        while not self._is_closed.is_set():
            self.starts += 1
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, AUDIENCE_VARIABLE: self.url},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if self._is_closed.is_set():
                self._process.terminate()
            self._process.wait()


@contextmanager
def sandbox_service() -> Iterator[SandboxService]:
    """Run the service until the block ends."""
    service = SandboxService()
    try:
        yield service
    finally:
        service.close()
