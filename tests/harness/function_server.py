"""Serve a function in a process of its own: as functions-framework's command does, or as the images do.

Imports are most of a function's start, so its process is forked from one that has made them.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import psutil

from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN
from tests.harness.paths import ROOT
from tests.harness.stacks import FUNCTIONS

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["functions_framework._cli", "gunicorn.app.wsgiapp", *(f"functions.{name}.main" for name in FUNCTIONS)]
)


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
) -> Iterator[tuple[httpx.Client, BaseProcess]]:
    """Serve a function as `serve_function` does. Yields its process, too."""
    source = str(ROOT / "functions" / name / "main.py")
    if as_image:
        options = ["gunicorn", "--config=python:headwater.web.gunicorn_config", f"--bind=127.0.0.1:{port}"]
        options += [f"functions_framework:create_app({name!r}, {source!r})"]
    else:
        options = ["functions_framework", "--source", source, "--target", name]
        options += ["--host", "127.0.0.1", "--port", str(port)]
    variables = {**os.environ, "LOCAL_TOKEN": LOCAL_TOKEN, **environment}
    with tempfile.NamedTemporaryFile() as unread:
        process = _FORKS.Process(target=_run, args=(options, variables, log or Path(unread.name)))
        process.start()
        try:
            headers = AUTHORIZATION if environment.get("AUTH_MODE", "local") == "local" else {}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
                _wait(client, process)
                yield client, process
        finally:
            process.terminate()
            process.join(60)
            if process.is_alive():  # the end of the tests would wait for it, without a limit
                kill_function(process)
                raise AssertionError("the function still runs 60 s after SIGTERM")


def kill_function(process: BaseProcess) -> None:
    """Kill a function's process and its worker, as the end of an instance without a signal does."""
    server = psutil.Process(process.pid)
    for each in [server, *server.children(recursive=True)]:  # the server first, or it would start another worker
        each.kill()
    process.join(60)


def _run(options: Sequence[str], variables: Mapping[str, str], log: Path) -> None:
    """Run `python -m` in this process."""
    with log.open("wb", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(variables)
    sys.path[1:1] = filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = list(options)
    runpy.run_module(options[0], run_name="__main__", alter_sys=True)


def _wait(client: httpx.Client, process: BaseProcess) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.is_alive(), "the function has exited"
        try:
            client.get("/heartbeat").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the function does not answer")
