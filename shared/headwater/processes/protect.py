"""Keep other processes of the same user from reading this one, and find processes that have left their parent.

Processes of extensions and agents run as the user of the function that starts them.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_DUMPABLE = 4  # prctl(2)


def protect_memory() -> None:
    """Let no process of the same user read this one's memory, or its environment in `/proc` (Linux's PR_SET_DUMPABLE).

    Forked processes are protected, too; a program that one executes is not. Root may read all the same.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def kill_marked(name: str, value: str) -> None:
    """Kill each process of this user that was started with an environment variable, wherever it is in the tree.

    A process that has replaced its environment is not found. Does nothing where there is no `/proc`.
    """
    marker = f"\0{name}={value}\0".encode()
    # Again, until none is found: a process may have started another one meanwhile.
    for _ in range(10):
        found = [pid for pid, environment in _environments() if marker in b"\0" + environment]
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _environments() -> Iterator[tuple[int, bytes]]:
    """Yield the ids and environments of this user's processes. Those that have ended have none."""
    own = os.geteuid()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == own:
                yield int(folder.name), (folder / "environ").read_bytes()
