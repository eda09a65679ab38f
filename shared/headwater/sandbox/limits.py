"""Limits of a command in the sandbox, and how it ended."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one command, with all processes that it starts.

    `disk_bytes` and `disk_files` count what it writes to `/work` and `/tmp`, with the given files.
    """

    seconds: float = 60.0
    memory_bytes: int = 512 * 1024**2
    processes: int = 64
    disk_bytes: int = 128 * 1024**2
    disk_files: int = 10_000
    output_bytes: int = 256_000


Reason = Literal["exit", "signal", "time", "memory", "processes", "disk", "output", "stopped"]
"""Why a command ended: by itself, by a signal, or because it exceeded a limit or its caller stopped it."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. `code` is its exit code, or the signal that ended it; 0 if it exceeded a limit.

    `files` are the regular files in `/work` by path, `skipped` the other entries with the reason. `output` has what it
    wrote to stdout and stderr, in order.
    """

    reason: Reason
    code: int
    output: bytes
    files: Mapping[str, bytes]
    skipped: Mapping[str, str]
    seconds: float

    def describe(self, limits: Limits) -> str:
        """Say in one sentence how the command ended."""
        if self.reason == "exit":
            return "The command succeeded." if self.code == 0 else f"The command failed with exit code {self.code}."
        if self.reason == "signal":
            return f"The command was ended by signal {self.code}."
        return f"The command was stopped: {_EXCEEDED[self.reason](limits)}."


_EXCEEDED: Mapping[Reason, Callable[[Limits], str]] = {
    "time": lambda limits: f"it ran for more than {limits.seconds:g} s",
    "memory": lambda limits: f"it used more than {limits.memory_bytes / 2**20:,.0f} MiB of memory",
    "processes": lambda limits: f"it started more than {limits.processes} processes and threads",
    "disk": lambda limits: (
        f"it filled its disk of {limits.disk_bytes / 2**20:,.0f} MiB and {limits.disk_files:,} files"
    ),
    "output": lambda limits: f"it wrote more than {limits.output_bytes:,} bytes of output",
    "stopped": lambda _: "its caller asked for that",
}
