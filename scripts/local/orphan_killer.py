"""Processes that end with the one that started them, even when that one is killed with -9.

Process ids flow in. A tiny watcher process reads them from a pipe; when its other end closes, by `close()` or by a
death of any kind, the watcher ends every process that is still held, with all that those started. Pipes and process
groups are everywhere; a kernel's parent-death signal is not, and it forgets grandchildren.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

GRACE_S = 2.0
DEATH_S = 5.0  # a killed process is gone, and its ports are free, once the kernel has taken it apart


class OrphanKiller:
    """Holds processes that lead their own group (`start_new_session=True`).

    The watcher keeps the file descriptors `keep` open, such as a lock that must outlive us until all has ended.
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
        """End this process and its descendants when we die."""
        self._tell(f"watch {pid} {stop_signal:d}")

    def forget(self, pid: int) -> None:
        """Forget a process that has ended, before its number is given to another."""
        self._tell(f"forget {pid}")

    def close(self) -> None:
        """End what is still held, and wait until that is done."""
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher.wait()

    def _tell(self, line: str) -> None:
        if self._watcher.stdin is not None and self._watcher.poll() is None:
            self._watcher.stdin.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def terminate(held: Mapping[int, signal.Signals], grace_s: float = GRACE_S) -> None:
    """Send each group its stop signal, and after `grace_s` kill what is left of it and of its descendants.

    Returns once they are gone, so that whoever starts next finds their ports free.
    """
    family = [process for pid in held for process in _family(pid)]
    for pid, stop_signal in held.items():
        _signal_group(pid, stop_signal)
    family = _wait(family, grace_s)
    for process in family:
        with suppress(psutil.NoSuchProcess):  # it has ended by itself at this very moment
            process.kill()
    for pid in held:
        _signal_group(pid, signal.SIGKILL)
    _wait(family, DEATH_S)


def _wait(family: list[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait until all have ended, but not for longer; returns those that still live."""
    deadline = time.monotonic() + patience_s
    while (family := [process for process in family if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return family


def _family(pid: int) -> list[psutil.Process]:
    """Find a process and its descendants: some, like Postgres's, lead groups of their own."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    """Tell whether a process still does anything: a zombie only waits for its parent to look."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _watch() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held: dict[int, signal.Signals] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, stop_signal]:
                held[int(pid)] = signal.Signals(int(stop_signal))
            case ["forget", pid]:
                held.pop(int(pid), None)
    terminate(held)


if __name__ == "__main__":
    _watch()
