"""Runs commands as processes of this machine, with timeout, cancellation and clean-up of their children.

Each process leads a process group, so that signals reach its children too. If localcloud dies, `orphan_killer` ends the
groups.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.run.execution import orphan_killer

# Runs the command only after localcloud has added the process to the orphan killer and written a line. If localcloud
# dies before, `read` fails and nothing is run, so no process is left behind.
_WAIT_FOR_GO = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, its complete environment, and a file to which stdout and stderr are appended."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    output: Path


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended. `code`: the exit code, or -N for signal N."""

    code: int
    timed_out: bool = False
    stopped: bool = False


class Processes:
    """Runs commands. Call `start` before the first one and `close` at the end."""

    def __init__(self, lock: Path, grace_s: float) -> None:
        self._lock = lock
        self._grace_s = grace_s
        self._orphan_killer: asyncio.subprocess.Process | None = None
        # Keeps a reference until they have ended: asyncio kills unreferenced processes without a grace period.
        self._running: set[asyncio.subprocess.Process] = set()

    async def start(self) -> None:
        """Start the orphan killer; wait until no process of an earlier localcloud with the same lock runs."""
        command = [sys.executable, "-I", "-S", str(Path(orphan_killer.__file__)), str(self._lock), str(self._grace_s)]
        pipe = asyncio.subprocess.PIPE
        self._orphan_killer = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert self._orphan_killer.stdout is not None
        if await self._orphan_killer.stdout.readline() != b"ready\n":
            raise ChildProcessError("the orphan killer did not start")

    async def close(self) -> None:
        """End all processes and wait for them."""
        if self._orphan_killer is not None and self._orphan_killer.stdin is not None:
            self._orphan_killer.stdin.close()
            await self._orphan_killer.wait()

    async def run(self, command: Command, *, timeout_s: float, stop: asyncio.Event) -> ProcessExit:
        """Run a command until it exits. After `timeout_s`, or when `stop` is set, it gets SIGTERM, then SIGKILL.

        A command that cannot be run exits with 127 or 126, as in a shell, and its output says why. Errors: OSError if
        no process could be started. Cancelling this call does not end the process; `close` does.
        """
        process = await self._spawn(command)
        self._running.add(process)
        self._notify("add", process.pid)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        exited = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({exited, stopped}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        was_running, was_stopped = not exited.done(), stopped.done()
        stopped.cancel()
        if was_running:
            orphan_killer.signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait({exited}, timeout=self._grace_s)
        orphan_killer.signal_group(process.pid, signal.SIGKILL)  # the process, or children that it left running
        code = await exited
        self._notify("remove", process.pid)
        self._running.discard(process)
        return ProcessExit(code, timed_out=was_running and not was_stopped, stopped=was_running and was_stopped)

    async def _spawn(self, command: Command) -> asyncio.subprocess.Process:
        command.output.parent.mkdir(parents=True, exist_ok=True)
        with command.output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *_WAIT_FOR_GO,
                *command.argv,
                env=dict(command.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _notify(self, word: str, group: int) -> None:
        assert self._orphan_killer is not None
        assert self._orphan_killer.stdin is not None
        self._orphan_killer.stdin.write(f"{word} {group}\n".encode())
