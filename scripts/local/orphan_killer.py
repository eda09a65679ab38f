"""Kill child processes when their parent dies, even by SIGKILL, and remove their files.

The parent starts a small watcher process and sends it the ids of its children through a pipe. When the parent closes
the pipe or dies, the watcher terminates the children and their descendants. Linux's parent-death signal is no
substitute: macOS lacks it, and it does not reach grandchildren.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

GRACE_S = 2.0
KILL_TIMEOUT_S = 5.0  # the kernel may take a moment to remove a killed process and free its ports
POLL_S = 0.02


class OrphanKiller:
    """The watcher process and the pipe to it.

    Watched processes must lead their own process group (`start_new_session=True`). The watcher inherits the file
    descriptors `keep`; a lock among them is released only once all processes have ended.
    """

    def __init__(self, keep: tuple[int, ...] = ()) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "scripts.local.orphan_killer"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=keep,
            text=True,
            bufsize=1,
        )

    def watch(self, pid: int, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Terminate this process and its descendants when we die."""
        self._send(f"watch {pid} {stop_signal:d}")

    def forget(self, pid: int) -> None:
        """Stop watching a process that has ended; the system may reuse its id."""
        self._send(f"forget {pid}")

    def remove(self, folder: Path) -> None:
        """Remove this folder after the processes have ended, when we die or close."""
        self._send(f"remove {folder}")

    def close(self) -> None:
        """Terminate the watched processes and wait until they have ended."""
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait()

    def _send(self, line: str) -> None:
        if self._watcher.stdin is not None and self._watcher.poll() is None:
            self._watcher.stdin.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def terminate(stop_signals: Mapping[int, signal.Signals], grace_s: float = GRACE_S) -> None:
    """Send each process group its stop signal and kill what is left of it, and of its descendants, after `grace_s`.

    Returns once all have ended and their ports are free.
    """
    processes = [process for pid in stop_signals for process in _with_descendants(pid)]
    for pid, stop_signal in stop_signals.items():
        _signal_group(pid, stop_signal)
    processes = _wait(processes, grace_s)
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # ended in the meantime
            process.kill()
    for pid in stop_signals:
        _signal_group(pid, signal.SIGKILL)
    _wait(processes, KILL_TIMEOUT_S)


def _wait(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until all processes have ended. Returns those that run after the timeout."""
    deadline = time.monotonic() + timeout_s
    while (processes := [process for process in processes if _is_running(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return processes


def _with_descendants(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, including those that lead groups of their own, such as Postgres's."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_running(process: psutil.Process) -> bool:
    """Return False for zombies, too."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _run_watcher() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stop_signals: dict[int, signal.Signals] = {}
    folders: list[str] = []
    for line in sys.stdin:
        match line.rstrip("\n").split(" ", 1):
            case ["watch", process]:
                pid, stop_signal = map(int, process.split())
                stop_signals[pid] = signal.Signals(stop_signal)
            case ["forget", pid]:
                stop_signals.pop(int(pid), None)
            case ["remove", folder]:
                folders.append(folder)
    terminate(stop_signals)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _run_watcher()
