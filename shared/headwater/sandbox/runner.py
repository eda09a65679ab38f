"""Run a command in the sandbox: find out how this system can do it, start the supervisor, collect the outcome."""

import json
import os
import platform
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Literal, Protocol

import msgspec

from headwater.errors import UnprocessableContent
from headwater.sandbox import bubblewrap, files, landlock, layout, seccomp
from headwater.sandbox.frames import ALIVE, Frame, FrameBuffer, SandboxFailed, SandboxUnavailable, collect
from headwater.sandbox.limits import Limits, Outcome

Launcher = Literal["bubblewrap", "system calls"]

_LAUNCHERS: Sequence[Launcher] = ("bubblewrap", "system calls")
_PROBE = ("/bin/sh", "-c", "test ! -e /etc/shadow && cat given && echo made > made")
_PROBE_LIMITS = Limits(seconds=10, memory_bytes=64 * 1024**2, processes=8, disk_bytes=1024**2, disk_files=100)
_GRACE_S = 30.0
"""Seconds after a command's limit for starting it, and returning its files."""
_START = "import sys; sys.path.insert(0, sys.argv[1]); from headwater.sandbox.supervisor import main; main()"
_POLL_S = 0.2
_ALIVE_S = 0.5


class CommandRunner(Protocol):
    """What runs commands: a sandbox on this system, or a service (`remote`).

    `max_given_bytes`: the most that it takes of files.
    """

    max_given_bytes: int

    def run(
        self,
        command: Sequence[str],
        given: Mapping[str, bytes],
        limits: Limits,
        *,
        on_output: Callable[[bytes], object] = len,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run a command in a folder with the given files, and return how it ended.

        `on_output` gets the output as it is written; `is_stopped` is asked about twice a second. Raises
        UnprocessableContent for paths that aren't below a folder or files that don't fit the disk, SandboxUnavailable,
        SandboxFailed.
        """


class Sandbox:
    """Runs commands. Each has a sandbox of its own, of which nothing remains but the returned files.

    `python` is the Python that starts it, and that commands find as `python3`. `folders` are folders that commands find
    at other paths, read-only.
    """

    max_given_bytes = 10**9

    def __init__(
        self, launcher: Launcher, python: str = sys.executable, folders: Mapping[str, str] | None = None
    ) -> None:
        self.launcher = launcher
        self.python = python
        self.folders = {} if folders is None else folders

    def run(
        self,
        command: Sequence[str],
        given: Mapping[str, bytes],
        limits: Limits,
        *,
        on_output: Callable[[bytes], object] = len,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run a command, as `CommandRunner` says."""
        return collect(self.frames(command, given, limits, is_stopped=is_stopped), on_output)

    def frames(
        self,
        command: Sequence[str],
        given: Mapping[str, bytes],
        limits: Limits,
        *,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Frame]:
        """Run a command, and yield what its supervisor sends, and ALIVE twice a second while there is nothing.

        Closing the iterator ends the command. Raises UnprocessableContent, SandboxFailed.
        """
        try:
            files.check_paths(list(given))
        except ValueError as error:
            raise UnprocessableContent(f"The files can't be written: {error}.") from error
        header = {
            "launcher": self.launcher,
            "folders": dict(self.folders),
            "command": list(command),
            "limits": msgspec.structs.asdict(limits),
            "files": [(path, len(content)) for path, content in given.items()],
        }
        process = _start(self.python)
        try:
            _write(process, json.dumps(header).encode(), given)
            yield from _frames(process, time.monotonic() + limits.seconds + _GRACE_S, is_stopped)
        finally:
            process.kill()  # the kernel then ends everything in the sandbox
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    _close(pipe)


def find_sandbox(front_end: str = "") -> Sandbox:
    """Return a sandbox that works here: by bubblewrap if it is installed, else by system calls.

    Each is tried once in a process. `front_end`: a folder whose `node_modules` and `bin` commands find, if they exist.
    Raises SandboxUnavailable, which says why neither works.
    """
    found = _find_once()
    if isinstance(found, str):
        raise SandboxUnavailable(found)
    places = {layout.NODE_MODULES: f"{front_end}/node_modules", layout.NODE: f"{front_end}/bin"} if front_end else {}
    folders = {inside: outside for inside, outside in places.items() if os.path.isdir(outside)}
    return Sandbox(found.launcher, folders=folders)


@cache
def _find_once() -> Sandbox | str:
    """Return a sandbox, or why there is none."""
    problems = []
    for launcher in _LAUNCHERS:
        if (problem := probe(launcher)) is None:
            return Sandbox(launcher)
        problems.append(f"{launcher}: {problem}")
    return "Code can't be run safely on this system. " + " ".join(problems)


def probe(launcher: Launcher) -> str | None:
    """Run a command. Return None if its outcome is right, else the problem as a sentence."""
    if problem := _missing(launcher):
        return problem
    try:
        outcome = Sandbox(launcher).run(_PROBE, {"given": b"given"}, _PROBE_LIMITS)
    except (SandboxUnavailable, SandboxFailed) as error:
        return error.message
    if outcome.reason == "exit" and outcome.code == 0 and outcome.files.get("made") == b"made\n":
        return None
    return f"{outcome.describe(_PROBE_LIMITS)} Output: {outcome.output.decode(errors='replace').strip()[:300]}"


def _missing(launcher: Launcher) -> str | None:
    if sys.platform != "linux" or not seccomp.is_supported(platform.machine()):
        return f"It needs Linux on x86-64 or arm64, and this is {sys.platform} on {platform.machine()}."
    if launcher == "system calls":
        return None if landlock.version() else "The kernel has no Landlock."
    missing = [name for name in bubblewrap.PROGRAMS if not bubblewrap.find_program(name)]
    return f"{' and '.join(missing)} not found. Install the packages bubblewrap and util-linux." if missing else None


def _start(python: str) -> subprocess.Popen[bytes]:
    folder = str(Path(__file__).parents[2])
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [python, "-I", "-S", "-c", _START, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={},
        cwd="/",
        start_new_session=True,
        bufsize=0,
    )


def _write(process: subprocess.Popen[bytes], header: bytes, given: Mapping[str, bytes]) -> None:
    """Send the header and the files. The pipe stays open: closing it stops the command."""
    assert process.stdin
    try:
        for content in (struct.pack(">I", len(header)) + header, *given.values()):
            left = memoryview(content)
            while left:
                left = left[process.stdin.write(left) :]
    except BrokenPipeError:
        return  # it has refused, and says why


def _frames(process: subprocess.Popen[bytes], deadline: float, is_stopped: Callable[[], bool]) -> Iterator[Frame]:
    """Yield the supervisor's frames until it ends. Asks it to stop if the caller wants that."""
    alive_at = time.monotonic() + _ALIVE_S
    assert process.stdin
    assert process.stdout
    source = process.stdout.fileno()
    received = FrameBuffer()
    while True:
        yield from received.take()
        if time.monotonic() > deadline:
            raise SandboxFailed("The sandbox did not end in time and was stopped. Try again.")
        if not process.stdin.closed and is_stopped():
            _close(process.stdin)
        if select.select([source], [], [], _POLL_S)[0]:
            chunk = os.read(source, 1 << 20)
            if not chunk:
                return
            received.add(chunk)
        if time.monotonic() > alive_at:
            alive_at = time.monotonic() + _ALIVE_S
            yield ALIVE, b""


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return
