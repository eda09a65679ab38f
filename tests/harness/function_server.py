"""A function as functions-framework serves it: settings flow in, a running process with a base URL flows out."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.harness.paths import ROOT


@contextmanager
def served(name: str, port: int, environment: Mapping[str, str], log: Path | None = None) -> Iterator[httpx.Client]:
    """Serve a function until the block ends; the client's base URL is the function's, `log` is what it prints."""
    source = ROOT / "functions" / name / "main.py"
    options = ["--source", str(source), "--target", name, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") if log else tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "functions_framework", *options],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                _wait(client, process)
                yield client
        finally:
            process.terminate()
            process.wait(20)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the function has ended"
        try:
            client.get("/heartbeat").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the function doesn't answer")
