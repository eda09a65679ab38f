"""Run a program as a container engine does: in a root file system of its own, read-only, as an unprivileged user.

    python -m tests.harness.container '{"binds": [["/usr", "/usr"], …], "command": ["gunicorn", …], …}'

The program is process 1 of its own process namespace, with an empty `/tmp`, without privileges. The network is the
machine's. Needs root. SIGTERM is forwarded; the exit status is the program's. If we or our parent die, it is killed.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from headwater.sandbox.system_calls import pivot_root

_CLONE_NEWNS, _CLONE_NEWPID = 0x00020000, 0x20000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Container:
    """A program and its root file system.

    `root`: a folder with the image's files; None for an empty one. `binds`, `volumes`: pairs of a path of the machine
    and one in the container, which is read-only or writable. `has_namespaces`: whether its processes may make user
    namespaces, which the kernel refuses below `chroot`.
    """

    command: Sequence[str]
    uid: int
    root: str | None = None
    binds: Sequence[tuple[str, str]] = ()
    volumes: Sequence[tuple[str, str]] = ()
    folder: str = "/app"
    has_namespaces: bool = True

    def launcher(self) -> list[str]:
        """Return the command that runs this container."""
        return [sys.executable, "-m", "tests.harness.container", json.dumps(asdict(self))]


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments):
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _mount_all(container: Container, root: Path) -> None:
    """Mount the root file system at `root`, in a mount namespace of our own."""
    _call("unshare", _CLONE_NEWNS)
    _mount("--make-rprivate", "/")
    if container.root:
        _mount("--bind", container.root, root)
    else:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    (root / "tmp").mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "tmp")  # first: the checkout may be in /tmp
    for source, target in container.binds:
        path = root / target.lstrip("/")
        if Path(source).is_dir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _mount("--bind", source, path)
        _mount("-o", "remount,bind,ro", path)
    for target in ("dev", "proc", "mnt", *(target.lstrip("/") for _, target in container.volumes)):
        (root / target).mkdir(exist_ok=True)
    _mount("-o", "remount,bind,ro", root)
    _mount("-t", "proc", "proc", root / "proc")
    _mount("--rbind", "/dev", root / "dev")
    for source, target in container.volumes:
        _mount("--bind", source, root / target.lstrip("/"))


def _execute(container: Container, root: Path) -> None:
    """Become the program. Runs as process 1 of the new process namespace."""
    _mount_all(container, root)
    if container.has_namespaces:
        pivot_root(str(root))
    else:
        os.chroot(root)
    os.chdir(container.folder)
    os.setgroups([])
    os.setgid(container.uid)
    os.setuid(container.uid)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvpe(container.command[0], list(container.command), os.environ)


def main() -> None:
    """Run a container and exit with its status."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)  # also if the tests are killed
    container = Container(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="container-") as root:
        _call("unshare", _CLONE_NEWPID)
        child = os.fork()
        if not child:
            try:
                _execute(container, Path(root))
            finally:
                os._exit(127)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: os.kill(child, received))
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
