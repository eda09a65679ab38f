"""The command line that runs a command with bubblewrap."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from headwater.sandbox import layout

_NAMESPACES = ("user", "ipc", "pid", "net", "uts")


PROGRAMS = ("bwrap", "prlimit")
"""The programs that it needs."""

_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def find_program(name: str) -> str | None:
    """Return the path of a program, None if it is not installed."""
    return next((f"{folder}/{name}" for folder in _PATH if os.access(f"{folder}/{name}", os.X_OK)), None)


def command_line(
    disk: str, folders: Mapping[str, str], command: Sequence[str], limits: Mapping[str, Any], filter_file: int
) -> list[str]:
    """Return bubblewrap's command line.

    `disk` has the folders that become `/work` and `/tmp`, and the file `passwd`. `folders` are others that it has,
    read-only, with where they are now. `filter_file` is the descriptor of a file with the seccomp filter.
    """
    line = [*_program("bwrap"), *(f"--unshare-{name}" for name in _NAMESPACES), "--unshare-cgroup-try"]
    line += ["--disable-userns", "--uid", str(layout.USER_ID), "--gid", str(layout.USER_ID)]
    line += ["--hostname", layout.HOST_NAME, "--new-session", "--die-with-parent", "--clearenv"]
    for name, value in layout.environment().items():
        line += ["--setenv", name, value]
    for path in layout.system_folders():
        line += ["--ro-bind", path, path]
    for path, source in folders.items():
        line += ["--ro-bind", source, path]
    for path, target in layout.system_links().items():
        line += ["--symlink", target, path]
    # The first process is bubblewrap's own. The command must not look into it, or change its memory.
    line += ["--proc", "/proc", "--ro-bind", f"{disk}/root", "/proc/1"]
    for path in layout.DEVICES:
        line += ["--dev-bind", path, path]
    for path, target in layout.DEVICE_LINKS.items():
        line += ["--symlink", target, path]
    line += ["--ro-bind", f"{disk}/passwd", "/etc/passwd"]
    line += ["--bind", f"{disk}/work", layout.WORK, "--bind", f"{disk}/temporary", layout.TEMPORARY]
    line += ["--remount-ro", "/", "--chdir", layout.WORK, "--seccomp", str(filter_file), "--", *_program("prlimit")]
    line += [f"--{option}={value}:{value}" for option, _, value in layout.process_limits(limits)]
    return [*line, "--", *command]


def _program(name: str) -> list[str]:
    return [find_program(name) or name]
