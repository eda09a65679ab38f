"""Serve a WSGI application with gunicorn and the configuration of the images, and talk to it over sockets."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.harness.ports import free_port


class Client:
    """A connection to a server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._received = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._received.close()
        self.socket.close()

    def send(self, data: bytes) -> "Client":
        """Send bytes."""
        self.socket.sendall(data)
        return self

    def response(self) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Read one response with `Content-Length`: status, body and headers."""
        status = int(self._received.readline().split()[1])
        headers = http.client.parse_headers(self._received)
        return status, self._received.read(int(headers["Content-Length"])), headers

    def is_closed(self) -> bool:
        """Wait for the next byte; return True if the server closes the connection instead."""
        try:
            return self._received.read(1) == b""
        except ConnectionResetError:
            return True


@dataclass(frozen=True)
class Server:
    """A running gunicorn. `output`: the file with its log."""

    port: int
    process: "subprocess.Popen[bytes]"
    output: Path

    def connect(self) -> Client:
        """Open a connection."""
        return Client(self.port)

    def has_connection(self, client: Client) -> bool:
        """Return True if a client's connection is still open at the server."""
        [worker] = psutil.Process(self.process.pid).children()
        ports = {connection.raddr.port for connection in worker.net_connections("tcp4") if connection.raddr}
        return client.socket.getsockname()[1] in ports

    def terminate(self) -> None:
        """Send SIGTERM and wait until the worker handles it."""
        self.process.send_signal(signal.SIGTERM)
        self.wait_for("Handling signal: term")

    def wait_for(self, text: str) -> None:
        """Wait until the log contains a text."""
        deadline = time.monotonic() + 120
        while text not in self.output.read_text():
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.02)


@contextmanager
def gunicorn_server(folder: Path, application: str, *options: str, **settings: str) -> Iterator[Server]:
    """Serve `app` of a module with this source, until the block ends."""
    (folder / "app.py").write_text(application)
    port, output = free_port(), folder / "output"
    command = [sys.executable, "-m", "gunicorn", "--config=python:headwater.web.gunicorn_config"]
    command += [f"--bind=127.0.0.1:{port}", f"--chdir={folder}", *options, "app:app"]
    environment = {**os.environ, "DATABASE_URL": "postgresql+pg8000://app@127.0.0.1:9/none", **settings}
    with output.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    server = Server(port, process, output)
    try:
        server.wait_for("Booting worker")
        yield server
    finally:
        process.terminate()
        process.wait(60)
