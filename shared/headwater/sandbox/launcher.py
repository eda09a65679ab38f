"""Run a command in the sandbox by system calls: namespaces, a root of its own, Landlock, seccomp, limits.

For systems without bubblewrap. Runs in a process that the supervisor forks, which has one thread.
"""

import os
import resource
import signal
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from headwater.sandbox import landlock, layout, seccomp
from headwater.sandbox.system_calls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    bind,
    die_with_parent,
    map_user,
    mount,
    pivot_root,
    set_dumpable,
    unshare,
)

_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
_CANNOT_START = 126


def launch(
    disk: str, folders: Mapping[str, str], command: Sequence[str], limits: Mapping[str, Any], filter_: bytes
) -> NoReturn:
    """Become the sandbox's outer process: start the inner ones, and exit as the command does. Never returns.

    `disk` and `folders` are as in `bubblewrap.command_line`.
    """
    try:
        _start(disk, folders, command, limits, filter_)
    except OSError as error:
        os.write(2, f"The command can't be started: {error}\n".encode())
    os._exit(_CANNOT_START)


def _start(
    disk: str, folders: Mapping[str, str], command: Sequence[str], limits: Mapping[str, Any], filter_: bytes
) -> None:
    user, group = os.geteuid(), os.getegid()
    die_with_parent(signal.SIGKILL)
    set_dumpable(1)  # giving up root has cleared it, and with it the right to write the maps
    unshare(_NAMESPACES)
    map_user(layout.USER_ID, user, group)
    init = os.fork()
    if init:
        _exit_as(os.waitpid(init, 0)[1])
    die_with_parent(signal.SIGKILL)
    os.setsid()
    _build_root(disk, folders)
    child = os.fork()
    if child == 0:
        os.chdir(layout.WORK)
        for _, kind, value in layout.process_limits(limits):
            resource.setrlimit(kind, (value, value))
        _restrict(filter_, folders)
        os.execvpe(command[0], list(command), layout.environment())  # noqa: S606 - in the sandbox
    # The first process of a pid namespace reaps orphans. Landlock keeps processes of another domain, such as the
    # command's, from looking into it.
    _restrict(filter_, folders)
    _reap(child)


def _build_root(disk: str, folders: Mapping[str, str]) -> None:
    """Make a root with the folders of the sandbox, and nothing else."""
    root = f"{disk}/root"
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755")
    shown = {path: (path, True) for path in layout.system_folders()}
    shown |= {path: (source, True) for path, source in folders.items()}
    shown |= {path: (path, False) for path in layout.DEVICES}
    shown["/etc/passwd"] = (f"{disk}/passwd", True)
    shown[layout.WORK] = (f"{disk}/work", False)
    shown[layout.TEMPORARY] = (f"{disk}/temporary", False)
    for path, (source, read_only) in shown.items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        if os.path.isdir(source):
            os.makedirs(root + path, exist_ok=True)
        else:
            os.close(os.open(root + path, os.O_CREAT | os.O_WRONLY, 0o444))
        bind(source, root + path, read_only=read_only)
    for path, target in {**layout.system_links(), **layout.DEVICE_LINKS}.items():
        os.symlink(target, root + path)
    os.mkdir(f"{root}/proc")
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in ("sys", "sysrq-trigger", "irq", "bus"):
        if os.path.exists(f"{root}/proc/{name}"):
            bind(f"{root}/proc/{name}", f"{root}/proc/{name}", read_only=True)
    pivot_root(root)
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _restrict(filter_: bytes, shown: Mapping[str, str]) -> None:
    """Give up all that this process may do, but for the folders of the sandbox."""
    folders = dict.fromkeys([*layout.system_folders(), *shown, "/etc/passwd", "/proc"], landlock.READ)
    folders |= dict.fromkeys(layout.DEVICES, landlock.DEVICES)
    folders |= dict.fromkeys((layout.WORK, layout.TEMPORARY), landlock.all_rights())
    landlock.restrict(folders)
    seccomp.install(filter_)


def _reap(child: int) -> NoReturn:
    """Wait for all processes until the command ends; the kernel then ends the others."""
    while True:
        pid, status = os.wait()
        if pid == child:
            _exit_as(status)


def _exit_as(status: int) -> NoReturn:
    """Exit as a process did; 128 + n if signal n ended it, as shells and bubblewrap do."""
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)
