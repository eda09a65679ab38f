"""The process beside a sandbox: mounts its disk, starts the command, enforces the limits, returns output and files.

Started by `runner`, with an empty environment. stdin has a JSON header and the files, stdout gets frames. Imports only
the standard library. Started by root, it becomes the user 65534 before the command starts.
"""

import json
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from headwater.sandbox import bubblewrap, files, layout, seccomp
from headwater.sandbox.launcher import launch
from headwater.sandbox.processes import SandboxProcesses
from headwater.sandbox.system_calls import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    adopt_orphans,
    die_with_parent,
    map_user,
    mount,
    unshare,
)

FRAME = struct.Struct(">cI")
OUTPUT, FILE, SKIPPED, END, REFUSED = b"o", b"f", b"s", b"e", b"r"

UNPRIVILEGED = 65534
_POLL_S = 0.02
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt")
_READ_BYTES = 1 << 16
_FILTER_FILE = 3
_MAX_FILES = 1024
_CANNOT_START = 126
_SIGNALS = (1, 64)


def main() -> None:
    """Run one command."""
    die_with_parent(signal.SIGKILL)
    header = json.loads(_read_exactly(struct.unpack(">I", _read_exactly(4))[0]))
    try:
        disk, folders = _mount_disk(header["limits"], header["folders"])
    except OSError as error:
        _send(REFUSED, _json({"reason": f"this system doesn't let it mount a disk ({error.strerror or error})"}))
        return
    for path, size in header["files"]:
        try:
            files.write_file(f"{disk}/work", path, _read_exactly(size))
        except OSError as error:
            _send(REFUSED, _json({"file": path, "reason": error.strerror or str(error)}))
            return
    started = time.monotonic()
    reason, code = _run(header, disk, folders)
    for found in files.read_files(
        f"{disk}/work", max_files=header["limits"]["disk_files"], max_bytes=header["limits"]["disk_bytes"]
    ):
        if isinstance(found, files.File):
            path = found.path.encode()
            _send(FILE, struct.pack(">I", len(path)) + path, found.content)
        else:
            _send(SKIPPED, _json(found))
    _send(END, _json({"reason": reason, "code": code, "seconds": time.monotonic() - started}))


def _mount_disk(limits: Mapping[str, Any], given: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Mount a disk in memory that only this process and its children see. Return its path, and where folders are.

    `given` are folders that the sandbox has besides Python's. As root, become the user 65534 afterwards.
    """
    user, group = os.geteuid(), os.getegid()
    python = layout.python_folder()
    folders = {**given, **({python: python} if python else {})}
    if user == 0:
        unshare(CLONE_NEWNS)
        user = group = UNPRIVILEGED
    else:
        unshare(CLONE_NEWNS | CLONE_NEWUSER)
        map_user(user, user, group)
        group = user
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    disk = _mount_point(folders.values())
    size = f"size={limits['disk_bytes']},nr_inodes={limits['disk_files'] + 8}"
    mount("tmpfs", disk, "tmpfs", MS_NOSUID | MS_NODEV, f"{size},mode=755,uid={user},gid={group}")
    if os.geteuid() == 0:
        for n, (path, source) in enumerate(folders.items()):  # the user may not be able to reach them where they are
            folders[path] = f"{disk}/folder{n}"
            os.mkdir(folders[path])
            mount(source, folders[path], None, MS_BIND | MS_REC)
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        die_with_parent(signal.SIGKILL)  # changing the user has cleared it
    for name in ("work", "temporary", "root"):
        os.mkdir(f"{disk}/{name}", 0o700)
    with open(f"{disk}/passwd", "w") as file:
        file.write(layout.PASSWD)
    return disk, folders


def _mount_point(given: Iterable[str]) -> str:
    """Return a folder of the system that nothing in the sandbox comes from."""
    for path in _MOUNT_POINTS:
        if os.path.isdir(path) and not any(folder.startswith(f"{path}/") for folder in given):
            return path
    raise OSError(0, f"none of the folders {', '.join(_MOUNT_POINTS)} exists")


def _run(header: Mapping[str, Any], disk: str, folders: Mapping[str, str]) -> tuple[str, int]:
    """Run the command to its end or to a limit. Returns the reason, and its exit code or signal."""
    adopt_orphans()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become_command(header, disk, folders, theirs)
        finally:
            os._exit(_CANNOT_START)
    os.close(theirs)
    limits = header["limits"]
    output = _Output(ours, limits["output_bytes"])
    watched = SandboxProcesses(child)
    reason = _watch(output, child, watched, limits, disk)
    if reason:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(_wait_for_all(child))
    watched.close()
    if not reason and output.send_rest():
        reason = "output"
    if reason := reason or ("disk" if _is_full(disk) else ""):
        return reason, 0
    # Both launchers exit with 128 + n if signal n ended the command.
    return ("signal", code - 128) if _SIGNALS[0] <= code - 128 <= _SIGNALS[1] else ("exit", code)


class _Output:
    """The command's output: sends at most `limit` bytes of it."""

    def __init__(self, file: int, limit: int) -> None:
        self.file = file
        self.left = limit

    def send(self) -> Literal["sent", "ended", "exceeded"]:
        """Send what can be read next."""
        chunk = os.read(self.file, _READ_BYTES)
        if allowed := chunk[: self.left]:
            _send(OUTPUT, allowed)
        self.left -= len(allowed)
        return "exceeded" if len(chunk) > len(allowed) else "sent" if chunk else "ended"

    def send_rest(self) -> bool:
        """Send all that was written before all processes ended. Returns True if the limit was exceeded."""
        while (result := self.send()) == "sent":
            pass
        return result == "exceeded"


def _become_command(header: Mapping[str, Any], disk: str, folders: Mapping[str, str], output: int) -> None:
    die_with_parent(signal.SIGKILL)
    os.nice(10)
    null = os.open("/dev/null", os.O_RDONLY)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    filter_ = seccomp.build_filter(os.uname().machine)
    command, limits = header["command"], header["limits"]
    if header["launcher"] == "bubblewrap":
        file = os.open(disk, os.O_TMPFILE | os.O_RDWR)
        os.write(file, filter_)
        os.lseek(file, 0, os.SEEK_SET)
        os.dup2(file, _FILTER_FILE)
        os.closerange(_FILTER_FILE + 1, _MAX_FILES)
        line = bubblewrap.command_line(disk, folders, command, limits, _FILTER_FILE)
        os.execve(line[0], line, {})  # noqa: S606 - no shell is needed
    os.closerange(_FILTER_FILE, _MAX_FILES)
    launch(disk, folders, command, limits, filter_)


def _watch(output: _Output, child: int, watched: SandboxProcesses, limits: Mapping[str, Any], disk: str) -> str:
    """Send output until the command ends. Returns the limit that it exceeded, "" for none."""
    poller = select.poll()
    poller.register(output.file, select.POLLIN)
    poller.register(sys.stdin.fileno(), 0)  # wakes when the caller closes the pipe
    until, check_at = time.monotonic() + limits["seconds"], 0.0
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        for file, _ in poller.poll(_POLL_S * 1000):
            if file != output.file:
                return "stopped"
            result = output.send()
            if result == "exceeded":
                return "output"
            if result == "ended":
                poller.unregister(output.file)
        now = time.monotonic()
        if now > until:
            return "time"
        if now >= check_at:
            check_at = now + _POLL_S
            if reason := _exceeded(watched, limits, disk):
                return reason
    return ""


def _exceeded(watched: SandboxProcesses, limits: Mapping[str, Any], disk: str) -> str:
    threads, memory = watched.usage()
    if threads > limits["processes"]:
        return "processes"
    if memory > limits["memory_bytes"]:
        return "memory"
    return "disk" if _is_full(disk) else ""


def _is_full(disk: str) -> bool:
    found = os.statvfs(disk)
    return found.f_bfree == 0 or found.f_ffree == 0


def _wait_for_all(child: int) -> int:
    """Wait until all processes of the sandbox have ended. Returns the wait status of `child`."""
    result = 0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return result
        if pid == child:
            result = status


def _read_exactly(size: int) -> bytes:
    content = sys.stdin.buffer.read(size)
    if len(content) < size:
        os._exit(1)  # the caller has ended
    return content


def _send(kind: bytes, *parts: bytes) -> None:
    sys.stdout.buffer.write(FRAME.pack(kind, sum(map(len, parts))))
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
