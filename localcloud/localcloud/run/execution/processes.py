"""Processes of this machine: started, watched, ended, with all that they started themselves.

In flow a command, its environment and a file for its output; out flows how it ended. `execute` is the caller. Each
process leads a group of its own, so that a signal reaches its children too, and is held on a leash: should localcloud
die, what it started ends as well.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.run.execution import orphan_killer

# Waits until the leash holds it, so that there is no moment in which it could be left behind: localcloud writes a line
# when it does; should localcloud die before, the read ends at once and nothing is run.
_GATE = ("/bin/sh", "-c", 'read -r held && exec "$@" </dev/null', "sh")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: the whole environment, and a file that stdout and stderr are appended to."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    output: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: by an exit code, or by signal N as -N; and whether it did only because it had to."""

    code: int
    timed_out: bool = False
    stopped: bool = False


class Processes:
    """Runs commands; `start` before the first one, `close` at the end."""

    def __init__(self, lock: Path, grace_s: float) -> None:
        self._lock = lock
        self._grace_s = grace_s
        self._leash: asyncio.subprocess.Process | None = None
        # Kept until they have ended: asyncio kills a process, without grace, when nothing refers to it any more.
        self._running: set[asyncio.subprocess.Process] = set()

    async def start(self) -> None:
        """Start the leash; returns once nothing of an earlier localcloud with the same lock still runs."""
        command = [sys.executable, "-I", "-S", str(Path(orphan_killer.__file__)), str(self._lock), str(self._grace_s)]
        pipe = asyncio.subprocess.PIPE
        self._leash = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
        assert self._leash.stdout is not None
        if await self._leash.stdout.readline() != b"ready\n":
            raise ChildProcessError("the process that watches over others did not start")

    async def close(self) -> None:
        """End every process; returns when all have ended."""
        if self._leash is not None and self._leash.stdin is not None:
            self._leash.stdin.close()
            await self._leash.wait()

    async def run(self, command: Command, *, timeout_s: float, stop: asyncio.Event) -> Ended:
        """Run a command to its end, which comes after `timeout_s` or with `stop` at the latest (plus the grace).

        A command that can't be run ends with 127 or 126, as in a shell, and says why in its output. Errors: OSError
        when no process could be started at all. When cancelled, nothing is ended: `close` is for that.
        """
        process = await self._spawn(command)
        self._running.add(process)
        self._tell("hold", process.pid)
        assert process.stdin is not None
        process.stdin.write(b"held\n")
        process.stdin.close()
        exited = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({exited, stopped}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        was_running, was_stopped = not exited.done(), stopped.done()
        stopped.cancel()
        if was_running:
            orphan_killer.signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait({exited}, timeout=self._grace_s)
        orphan_killer.signal_group(process.pid, signal.SIGKILL)  # the process, or what it left behind
        code = await exited
        self._tell("release", process.pid)
        self._running.discard(process)
        return Ended(code, timed_out=was_running and not was_stopped, stopped=was_running and was_stopped)

    async def _spawn(self, command: Command) -> asyncio.subprocess.Process:
        command.output.parent.mkdir(parents=True, exist_ok=True)
        with command.output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *_GATE,
                *command.argv,
                env=dict(command.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _tell(self, word: str, group: int) -> None:
        assert self._leash is not None
        assert self._leash.stdin is not None
        self._leash.stdin.write(f"{word} {group}\n".encode())
