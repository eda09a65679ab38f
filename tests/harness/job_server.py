"""Run the job without its start: a process that has imported the job's modules, and forks for each run.

    subprocess.run([job_program(), "migrate"], env=…)

The program passes arguments, environment, folder, standard streams and signals on, and ends as the run does. If it
is killed, so is the run. Imports are most of the processor time of a short run.
"""

import atexit
import contextlib
import gc
import marshal
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from tests.harness.fork_client import REQUEST
from tests.harness.paths import ROOT

_MODULES = (
    "functions.job.__main__",
    "functions.job.collect",
    "functions.job.drain",
    "alembic.command",
    "functions.collection.connectors.git.connector",
    "functions.collection.connectors.git.local",
    *(
        f"functions.collection.parsers.{name}.parser"
        for name in ("archive", "code", "email", "epub", "html", "markdown", "notebook", "office", "pdf", "spreadsheet")
    ),
    "headwater.blobs",
    "headwater.database.migrations",
    "headwater.database.pg8000_pipeline",
    "headwater.embedding.registry",
    "headwater.embedding.scales",
    "headwater.embedding.vector_index",
    "headwater.words.backfill",
    "numpy",
    "sqlalchemy.dialects.postgresql.pg8000",
)
"""What most runs import."""

_CLIENT = f"""{REQUEST}for number in (_signal.SIGTERM, _signal.SIGINT):
    _signal.signal(number, lambda received, _: server.send(bytes([received])))
code, number = server.recv(2) or (1, 0)
if number:
    if number != _signal.SIGKILL:
        _signal.signal(number, _signal.SIG_DFL)
    posix.kill(posix.getpid(), number)
posix._exit(code)
"""


@cache
def job_program() -> str:
    """Return the path of a program that runs the job. Its server ends with this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_job_server())


@contextlib.contextmanager
def _job_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has at most 107 bytes
        path, client = Path(folder) / "socket", Path(folder) / "job"
        client.write_text(_CLIENT.format(python=sys.executable, socket=path))
        client.chmod(0o755)
        command = [sys.executable, "-m", "tests.harness.job_server", str(path)]
        # Ends when its stdin does, also if the tests are killed.
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield str(client)


@dataclass(frozen=True)
class _Request:
    """A run that a client asks for."""

    streams: list[int]
    arguments: list[str]
    environment: dict[bytes, bytes]
    folder: str


def _receive(connection: socket.socket) -> _Request | None:
    """Read a client's request; None if the client was killed."""
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as reader:
        data = reader.read(int.from_bytes(size, "big"))
    if not size or len(data) < int.from_bytes(size, "big"):
        for stream in streams:
            os.close(stream)
        return None
    return _Request(list(streams), *marshal.loads(data))


def _serve(listener: socket.socket) -> _Request | None:
    """Fork for each request, until stdin ends. Returns the request in a fork, and None in the server."""
    clients: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ, "listener")
        selector.register(sys.stdin, selectors.EVENT_READ, "stdin")
        while True:
            for key, _ in selector.select():
                match key.data:
                    case "listener":
                        connection, _ = listener.accept()
                        if (request := _receive(connection)) is None:
                            connection.close()
                            continue
                        if not (pid := os.fork()):
                            for each in (listener, connection, *clients.values()):
                                each.close()
                            return request
                        for stream in request.streams:
                            os.close(stream)
                        clients[pid] = connection
                        selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                        selector.register(connection, selectors.EVENT_READ, (connection, pid))
                    case "stdin":
                        for pid in clients:
                            os.kill(pid, signal.SIGKILL)
                            os.waitpid(pid, 0)
                        return None
                    case connection, pid if pid in clients:
                        received = connection.recv(1)
                        os.kill(pid, received[0] if received else signal.SIGKILL)
                        if not received:
                            selector.unregister(connection)
                    case int() as pid:
                        _end(selector, key, clients.pop(pid))


def _end(selector: selectors.BaseSelector, key: selectors.SelectorKey, connection: socket.socket) -> None:
    """Tell the client how its run has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
    selector.unregister(key.fileobj)
    os.close(key.fd)
    with contextlib.suppress(KeyError):
        selector.unregister(connection)
    with contextlib.suppress(OSError):  # the client was killed
        connection.send(bytes([max(code, 0), max(-code, 0)]))
    connection.close()


def _run(request: _Request) -> None:
    """Become the job."""
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environb.update(request.environment)
    os.chdir(request.folder)
    sys.argv = ["functions.job", *request.arguments]
    del sys.modules["functions.job.__main__"]  # or Python warns that it was imported before
    runpy.run_module("functions.job", run_name="__main__", alter_sys=True)


def main() -> None:
    """Serve at the socket of the command line."""
    for name in _MODULES:
        import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)
        request = _serve(listener)
    if request is not None:
        _run(request)


if __name__ == "__main__":
    main()
