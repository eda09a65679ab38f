"""Run commands in the sandbox as an unprivileged user, from tests that run as root."""

import ctypes  # noqa: F401 - loaded on demand otherwise, when we may no longer read it
import os
import pwd
from collections.abc import Iterator

import msgspec

from headwater.sandbox.limits import Limits, Outcome
from headwater.sandbox.runner import Launcher, Sandbox

SYSTEM_PYTHON = "/usr/bin/python3"
"""A Python that every user may read."""


class Result(msgspec.Struct, frozen=True):
    """An outcome, as it is sent between processes."""

    reason: str
    code: int
    output: bytes
    files: dict[str, bytes]
    skipped: dict[str, str]


def to_result(outcome: Outcome) -> Result:
    """Return what is compared."""
    return Result(outcome.reason, outcome.code, outcome.output, dict(outcome.files), dict(outcome.skipped))


class UnprivilegedSandbox:
    """A sandbox that an unprivileged user starts. Served by a `ChildProcess`."""

    def __init__(self, launcher: Launcher) -> None:
        account = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.chdir("/")
        self.sandbox = Sandbox(launcher, SYSTEM_PYTHON)

    def run(self, command: list[str], given: dict[str, bytes], limits: Limits) -> Iterator[Result]:
        """Run a command."""
        yield to_result(self.sandbox.run(command, given, limits))
