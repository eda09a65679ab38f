"""Serve a function in a process of its own: as functions-framework's command does, or as the images do."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN
from tests.harness.paths import ROOT


@contextmanager
def serve_function(
    name: str, port: int, environment: Mapping[str, str], log: Path | None = None, *, as_image: bool = False
) -> Iterator[httpx.Client]:
    """Serve a function. Yields a client with its base URL and, in local mode, its token; its output goes to `log`."""
    with start_function(name, port, environment, log, as_image=as_image) as (client, _):
        yield client


@contextmanager
def start_function(
    name: str, port: int, environment: Mapping[str, str], log: Path | None = None, *, as_image: bool = False
) -> Iterator[tuple[httpx.Client, "subprocess.Popen[bytes]"]]:
    """Serve a function as `serve_function` does. Yields its process, too."""
    source = str(ROOT / "functions" / name / "main.py")
    if as_image:
        options = ["gunicorn", "--config=python:headwater.web.gunicorn_config", f"--bind=127.0.0.1:{port}"]
        options += [f"functions_framework:create_app({name!r}, {source!r})"]
    else:
        options = ["functions_framework", "--source", source, "--target", name]
        options += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") if log else tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *options],
            cwd=ROOT,
            env={**os.environ, "LOCAL_TOKEN": LOCAL_TOKEN, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            headers = AUTHORIZATION if environment.get("AUTH_MODE", "local") == "local" else {}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
                _wait(client, process)
                yield client, process
        finally:
            process.terminate()
            process.wait(60)


def kill_function(process: "subprocess.Popen[bytes]") -> None:
    """Kill a function's process and its worker, as the end of an instance without a signal does."""
    server = psutil.Process(process.pid)
    for each in [server, *server.children(recursive=True)]:  # the server first, or it would start another worker
        each.kill()
    process.wait(60)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the function has exited"
        try:
            client.get("/heartbeat").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the function does not answer")
