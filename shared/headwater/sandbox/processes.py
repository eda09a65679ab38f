"""Count the memory and the processes of a sandbox, from outside of it."""

import os
import time

_START_S = 5.0


class SandboxProcesses:
    """The processes of a sandbox, by its own `/proc`. `outer` is the process that starts its first one."""

    def __init__(self, outer: int) -> None:
        self._outer = outer
        self._folder: int | None = None
        self._give_up_at = time.monotonic() + _START_S

    def usage(self) -> tuple[int, int]:
        """Return the number of threads of all processes, and their memory in bytes. Zeros before the command starts.

        Raises TimeoutError if the sandbox's `/proc` doesn't appear, so that limits can't be checked.
        """
        if self._folder is None:
            self._folder = self._open()
            if self._folder is None:
                if time.monotonic() > self._give_up_at:
                    raise TimeoutError
                return 0, 0
        threads = memory = 0
        for name in _names(self._folder):
            more_threads, more_memory = _status(self._folder, name)
            threads += more_threads
            memory += more_memory
        return threads, memory

    def close(self) -> None:
        """Close the folder, so that its mount can end."""
        if self._folder is not None:
            os.close(self._folder)

    def _open(self) -> int | None:
        """Open the sandbox's `/proc` once it is mounted and is the root's."""
        for pid in _children(self._outer):
            try:
                folder = os.open(f"/proc/{pid}/root/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                continue
            if os.fstat(folder).st_dev != os.stat("/proc").st_dev:
                return folder
            os.close(folder)
        return None


def _names(folder: int) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdigit()]
    except OSError:  # its first process has ended
        return []


def _status(folder: int, name: str) -> tuple[int, int]:
    """Return the number of threads of a process, and its memory without files."""
    try:
        file = os.open(f"{name}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            lines = os.read(file, 8192).decode(errors="replace").splitlines()
        finally:
            os.close(file)
    except OSError:
        return 0, 0
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    kilobytes = sum(int(values.get(key, "0").split()[0]) for key in ("RssAnon", "RssShmem"))
    return int(values.get("Threads", "0")), kilobytes * 1024


def _children(parent: int) -> list[int]:
    """List the processes that a process has started. Reads all of `/proc`: not every kernel lists children."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program, in brackets, may have brackets and spaces.
                parent_id = file.read().rpartition(b")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if int(parent_id) == parent:
            found.append(int(name))
    return found
