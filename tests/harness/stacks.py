"""Run `scripts/dev` for a test and stop it afterwards."""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from scripts.local.postgres import Cluster
from tests.harness.databases import cluster_folder, initialized_cluster
from tests.harness.paths import ROOT
from tests.harness.ports import free_port

START_TIMEOUT_S = 150.0
PORTS = 6
FUNCTIONS = ("chat", "collection", "embedding")


@dataclass(frozen=True)
class RunningStack:
    """A stack that is ready. `supervisor`: the process of `scripts/dev`. `log`: its output on the terminal."""

    data: Path
    base_port: int
    supervisor: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        """The web app's base URL."""
        return f"http://127.0.0.1:{self.base_port}"

    @property
    def ports(self) -> dict[str, int]:
        """Each service's port, by name."""
        return dict(self._processes()["ports"])

    @property
    def pids(self) -> dict[str, int]:
        """Each service's current process id, by name, and that of `supervisor`."""
        return dict(self._processes()["pids"])

    @property
    def token(self) -> str:
        """The token that the API and localcloud require."""
        return (self.data / "token").read_text()

    @property
    def authorization(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def secrets(self) -> set[str]:
        """The token, the passwords and the key of the data folder."""
        stored = json.loads((self.data / "secrets.json").read_text())
        return {self.token, (self.data / "pg" / "password").read_text(), *stored.values()}

    def family(self) -> list[psutil.Process]:
        """Return all descendants of the supervisor."""
        return list(psutil.Process(self.supervisor.pid).children(recursive=True))

    def get(self, part: str, path: str, timeout_s: float = 120) -> bytes:
        """Return the body of `GET path` from one service."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[part]}{path}", headers=self.authorization)
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return bytes(answer.read())

    def kill(self, part: str) -> None:
        """Kill a service and its workers with SIGKILL and wait until the supervisor has restarted it."""
        old = self.pids[part]
        children = Path(f"/proc/{old}/task/{old}/children").read_text().split()
        for pid in (old, *map(int, children)):
            with suppress(ProcessLookupError):  # a child that has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.pids[part] not in (old, None))

    def log_entries(self, part: str) -> list[dict[str, Any]]:
        """Return the JSON entries of a service's log file, oldest first; entries of rotated files are left out."""
        lines = (self.data / "logs" / f"{part}.log").read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _processes(self) -> dict[str, dict[str, int]]:
        processes: dict[str, dict[str, int]] = json.loads((self.data / "processes.json").read_text())
        return processes


def wait_until(condition: Callable[[], object], timeout_s: float = 120, pause_s: float = 0.05) -> None:
    """Wait until a condition holds, or fail. `pause_s`: seconds between two tries."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition is still false after {timeout_s:g} s"
        time.sleep(pause_s)


def have_ended(family: list[psutil.Process], timeout_s: float = 60) -> bool:
    """Wait until processes have ended. Returns False if one still runs after `timeout_s`."""
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def temporary_data(*, empty: bool = False) -> Iterator[Path]:
    """A data folder with an initialized cluster, in memory if that has much space. It doesn't exist yet if `empty`.

    If the tests run as root, its Postgres is in another folder, which is removed too.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as folder, cluster_folder() as cluster:
        data = Path(folder) / "data"
        if not empty:
            data.mkdir()
            subprocess.run(["cp", "-a", initialized_cluster(), cluster], check=True)
            (data / "pg").symlink_to(cluster)
        yield data
        Cluster(data / "pg", port=0).destroy()


@contextmanager
def running_stack(
    data: Path, *arguments: str, base_port: int | None = None, first_source: bool = False
) -> Iterator[RunningStack]:
    """Run `scripts/dev` until the block ends. The workspace is empty unless `first_source`."""
    base_port = base_port or free_port(in_a_row=PORTS)
    log = data.with_name(f"{data.name}.log")
    command = [str(ROOT / "scripts" / "dev"), "--port", str(base_port), "--data", str(data), *arguments]
    command += [] if first_source else ["--empty"]
    with log.open("ab") as output:
        begins_at = output.tell()  # the log has the ready line of an earlier stack on the same data
        supervisor = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    stack = RunningStack(data, base_port, supervisor, log)
    try:
        _wait_until_ready(stack, begins_at)
        yield stack
    finally:
        supervisor.send_signal(signal.SIGINT)
        try:
            supervisor.wait(timeout=120)
        finally:
            supervisor.kill()
            supervisor.wait()


def _wait_until_ready(stack: RunningStack, begins_at: int) -> None:
    line = f"ready {stack.url}".encode()
    deadline = time.monotonic() + START_TIMEOUT_S
    while line not in (output := stack.log.read_bytes()[begins_at:]):
        late = time.monotonic() > deadline
        if late or stack.supervisor.poll() is not None:
            raise AssertionError(
                f"the stack {'is not ready in time' if late else 'ended'}:\n{output[-4000:].decode(errors='replace')}"
            )
        time.sleep(0.1)
