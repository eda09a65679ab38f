"""What the sandbox has: folders of the system, environment, limits of its processes. Pure, but for looking at `/`."""

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

WORK = "/work"
TEMPORARY = "/tmp"  # noqa: S108 - in the sandbox
NODE_MODULES = "/node_modules"
"""Where programs in `/work` find packages of JavaScript."""
NODE = "/node"
"""The folder of Node's program, if it is not below `/usr`."""
HOST_NAME = "sandbox"
USER_ID = 1000
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
DEVICE_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1"}
PASSWD = f"user:x:{USER_ID}:{USER_ID}::{WORK}:/bin/sh\n"

_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_BESIDE_USR = ("/bin", "/sbin", "/lib", "/lib64", "/lib32")
_OPEN_FILES = 256
_STACK_BYTES = 8 * 1024**2


def python_folder() -> str | None:
    """Return the folder of this Python, None if it is below `/usr`, which the sandbox has."""
    prefix = os.path.realpath(sys.base_prefix)
    return None if prefix == "/usr" or prefix.startswith("/usr/") else prefix


def python_program() -> str:
    """Return the path of this Python in the sandbox."""
    return f"{os.path.realpath(sys.base_prefix)}/bin/python{sys.version_info.major}.{sys.version_info.minor}"


def system_folders() -> list[str]:
    """List folders and files of the system that the sandbox has, read-only."""
    folders = [path for path in _BESIDE_USR if os.path.isdir(path) and not os.path.islink(path)]
    return ["/usr", *folders, *(path for path in _ETC if os.path.exists(path))]


def system_links() -> dict[str, str]:
    """Return the links beside `/usr`, such as `/bin`, with their targets."""
    return {path: os.readlink(path) for path in _BESIDE_USR if os.path.islink(path)}


def environment() -> dict[str, str]:
    """Return the environment of commands."""
    paths = [os.path.dirname(python_program()), NODE, "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "HOME": WORK,
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": TEMPORARY,
        "PATH": ":".join(dict.fromkeys(paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": TEMPORARY,
    }


def process_limits(limits: Mapping[str, Any]) -> Sequence[tuple[str, int, int]]:
    """Return what setrlimit(2) limits: option of the program prlimit, resource, value.

    The supervisor counts memory and processes of the whole sandbox; these limits act faster.
    """
    seconds = int(limits["seconds"]) + 2
    return (
        ("core", resource.RLIMIT_CORE, 0),
        ("cpu", resource.RLIMIT_CPU, seconds),
        # Stacks of threads count as reserved, not as used.
        ("data", resource.RLIMIT_DATA, limits["memory_bytes"] + limits["processes"] * _STACK_BYTES),
        ("fsize", resource.RLIMIT_FSIZE, limits["disk_bytes"]),
        ("memlock", resource.RLIMIT_MEMLOCK, 0),
        ("msgqueue", resource.RLIMIT_MSGQUEUE, 0),
        ("nofile", resource.RLIMIT_NOFILE, _OPEN_FILES),
        # A few more than the limit, so that the supervisor sees that it was exceeded.
        ("stack", resource.RLIMIT_STACK, _STACK_BYTES),
        ("nproc", resource.RLIMIT_NPROC, limits["processes"] + 8),
    )
