"""Processes that are restarted when they end, as Cloud Run and a supervisor would.

Their commands come from `scripts/local/stack.py`.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from scripts.local.orphan_killer import OrphanKiller
from scripts.local.stack import Service

_PAUSE_S = 0.1


class RestartingProcess:
    """A process that is restarted whenever it ends."""

    def __init__(self, service: Service, orphan_killer: OrphanKiller, log: Path) -> None:
        self.service = service
        self.pid = 0
        self.starts = 0
        self._orphan_killer = orphan_killer
        self._log = log
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._restart, name=service.name, daemon=True)
        self._thread.start()

    def family(self) -> list[psutil.Process]:
        """Return the process and its descendants."""
        return family_of(self.pid)

    def stop_restarting(self) -> dict[int, signal.Signals]:
        """Stop restarting the process. Returns its id with the signal that stops it."""
        self._stopped.set()
        send(signal.SIGCONT, self.family())
        return {self.pid: self.service.stop_signal}

    def _restart(self) -> None:
        while not self._stopped.is_set():
            with self._log.open("ab") as output:
                process = subprocess.Popen(
                    self.service.command,
                    env=dict(self.service.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    **self.service.popen,
                )
            self._orphan_killer.watch(process.pid, self.service.stop_signal)
            self.pid = process.pid
            self.starts += 1
            process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its children may hold its port
            self._orphan_killer.forget(process.pid)
            self._stopped.wait(_PAUSE_S)


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def job_workers(cloud_pid: int) -> list[psutil.Process]:
    """Return the job workers below localcloud, ordered by process id."""
    found = []
    for process in family_of(cloud_pid):
        with suppress(psutil.NoSuchProcess):
            if "functions.job" in process.cmdline():
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    """Send a signal to each process that is still alive."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
