"""Run the real gcloud without its start-up: a process that has imported gcloud's modules, and forks for each command.

    with gcloud_server() as bin:
        subprocess.run(["gcloud", "version"], env={"PATH": f"{bin}:…"})

`gcloud` in `bin` passes arguments, environment, folder and standard streams on, and exits with the command's exit code.
If it is killed, so is the command. Starting gcloud takes most of a command's processor time. Standard library only: the
server runs in the SDK's own Python.
"""

import contextlib
import gc
import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MODULES = (
    "apitools.base.py",
    "cloudsdk.google.protobuf.wrappers_pb2",
    "google.api_core.exceptions",
    "google.auth._cloud_sdk",
    "google.oauth2.credentials",
    "googlecloudsdk.api_lib.run.api_enabler",
    "googlecloudsdk.api_lib.run.traffic_pair",
    "googlecloudsdk.api_lib.secrets.api",
    "googlecloudsdk.calliope.cli",
    "googlecloudsdk.calliope.concepts.multitype",
    "googlecloudsdk.calliope.parser_completer",
    "googlecloudsdk.command_lib.artifacts.docker_util",
    "googlecloudsdk.command_lib.auth.auth_util",
    "googlecloudsdk.command_lib.concepts.concept_managers",
    "googlecloudsdk.command_lib.config.config_helper",
    "googlecloudsdk.command_lib.monitoring.flags",
    "googlecloudsdk.command_lib.projects.util",
    "googlecloudsdk.command_lib.run.build_util",
    "googlecloudsdk.command_lib.run.connection_context",
    "googlecloudsdk.command_lib.run.container_parser",
    "googlecloudsdk.command_lib.run.flags",
    "googlecloudsdk.command_lib.run.printers.traffic_printer",
    "googlecloudsdk.command_lib.run.serverless_operations",
    "googlecloudsdk.command_lib.secrets.args",
    "googlecloudsdk.command_lib.secrets.log",
    "googlecloudsdk.command_lib.util.apis.yaml_arg_schema",
    "googlecloudsdk.core.credentials.google_auth_credentials",
    "googlecloudsdk.core.credentials.p12_service_account",
    "googlecloudsdk.core.credentials.requests",
    "googlecloudsdk.core.credentials.store",
    "googlecloudsdk.generated_clients.apis.cloudresourcemanager.v1.cloudresourcemanager_v1_client",
    "googlecloudsdk.generated_clients.apis.cloudtasks.v2.cloudtasks_v2_client",
    "googlecloudsdk.generated_clients.apis.iam.v1.iam_v1_client",
    "googlecloudsdk.generated_clients.apis.monitoring.v3.monitoring_v3_client",
    "googlecloudsdk.generated_clients.apis.run.v1.resources",
    "googlecloudsdk.generated_clients.apis.run.v1.run_v1_client",
    "googlecloudsdk.generated_clients.apis.secretmanager.v1.secretmanager_v1_client",
    "googlecloudsdk.generated_clients.apis.serviceusage.v1.serviceusage_v1_client",
    "proto",
)
"""What most commands import."""


@contextlib.contextmanager
def gcloud_server() -> Iterator[Path]:
    """Serve the installed gcloud until the block ends. Yields a folder with a `gcloud`."""
    from tests.harness.fork_client import REQUEST  # gcloud's Python runs this file too, and can't import it

    program = REQUEST + 'sys.exit((server.recv(1) or b"\\1")[0])\n'
    sdk = Path(str(shutil.which("gcloud"))).resolve().parent.parent
    bundled = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    python = str(bundled if bundled.exists() else sys.executable)
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has at most 107 bytes
        path, client = Path(folder) / "socket", Path(folder) / "gcloud"
        client.write_text(program.format(python=sys.executable, socket=path))
        client.chmod(0o755)
        server = subprocess.Popen([python, "-S", __file__, str(sdk), str(path)], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield Path(folder)
        finally:
            server.terminate()
            server.wait()
            if server.stdout:
                server.stdout.close()


def _serve(sdk: str, path: str) -> None:
    sys.path[:0] = [f"{sdk}/lib/third_party", f"{sdk}/lib"]
    for name in _MODULES:
        __import__(name)
    from googlecloudsdk import gcloud_main  # type: ignore[import-not-found]  # of the SDK

    gc.freeze()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("ready", flush=True)
    try:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                _run(connection, gcloud_main)
            connection.close()
            _reap(os.WNOHANG)
    finally:
        _reap(0)


def _run(connection: socket.socket, gcloud_main: Any) -> None:
    """Run one command in this process, then exit."""
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as reader:
        data = reader.read(int.from_bytes(size, "big"))
    if not size or len(data) < int.from_bytes(size, "big"):  # the client was killed
        os._exit(1)
    arguments, environment, folder = marshal.loads(data)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environb.update(environment)
    os.chdir(folder)
    sys.argv = ["gcloud", *arguments]
    threading.Thread(target=lambda: (connection.recv(1), os._exit(1)), daemon=True).start()
    code: Any = 1
    try:
        gcloud_main.main()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(bytes([code if isinstance(code, int) else 1]))
        os._exit(0)


def _reap(options: int) -> None:
    """Wait for processes that have exited, so that their processor time counts."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


if __name__ == "__main__":
    _serve(*sys.argv[1:])
