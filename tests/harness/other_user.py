"""Attack files, processes, sockets and ports of this machine as another user.

    python -m tests.harness.other_user < targets.json

Prints what worked as JSON. Must be started as root: it gives up its user id, groups and capabilities for good.
"""

import ctypes
import encodings.idna  # noqa: F401 - loaded on demand otherwise, when we may no longer read it
import http.client
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from tests.harness.paths import ROOT

USER = "nobody"
_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_SECRETS_OF_PROCESSES = ("environ", "mem", "maps", "fd", "cwd", "root", "exe", "io", "stack", "syscall", "map_files")

Attacks = Iterator[tuple[str, Callable[[], object]]]
"""Names of attacks, and functions that raise OSError if the attack fails."""


class Request(NamedTuple):
    """A request without the token."""

    port: int
    method: str
    path: str
    headers: Mapping[str, str]


def attack(
    *,
    paths: Sequence[str] = (),
    pids: Sequence[int] = (),
    sockets: Sequence[str] = (),
    requests: Sequence[Request] = (),
) -> tuple[int, list[str]]:
    """Attack as another user. Returns the number of attacks and the names of those that worked.

    `paths`: files and folders to read and change. `pids`: processes to inspect and stop. `sockets`: Unix sockets to
    connect to, abstract ones with a leading `@`. `requests` work if their status is below 400.
    """
    targets = json.dumps({"paths": paths, "pids": pids, "sockets": sockets, "requests": requests})
    command = [sys.executable, "-m", "tests.harness.other_user"]
    done = subprocess.run(command, input=targets, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    return result["attacks"], result["worked"]


def _attacks_on_path(path: str) -> Attacks:
    yield f"read {path}", lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    yield f"write {path}", lambda: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    yield f"list {path}", lambda: os.listdir(path)
    yield f"create a file in {path}", lambda: os.close(os.open(f"{path}/planted", os.O_CREAT | os.O_WRONLY))
    yield f"make {path} readable", lambda: os.chmod(path, 0o777)
    yield f"rename {path}", lambda: os.rename(path, f"{path}.stolen")
    yield f"link to {path}", lambda: _link(path)


def _link(path: str) -> None:
    """Link to a file whose content can then be read, once its owner makes it readable."""
    copy = f"/tmp/link-{os.getpid()}"
    os.link(path, copy)
    os.unlink(copy)


def _attacks_on_process(pid: int) -> Attacks:
    for name in _SECRETS_OF_PROCESSES:
        yield f"read /proc/{pid}/{name}", partial(_read, f"/proc/{pid}/{name}")
    yield f"stop {pid}", lambda: os.kill(pid, 0)
    yield f"trace {pid}", lambda: _trace(pid)
    yield f"slow {pid}", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)


def _read(path: str) -> None:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        os.readlink(path)
    elif stat.S_ISDIR(mode):
        os.listdir(path)
    else:
        with open(path, "rb") as file:
            file.read(1)


def _trace(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_ATTACH, pid, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(pid, 0)
    libc.ptrace(_PTRACE_DETACH, pid, 0, 0)


def _attacks_on_socket(name: str) -> Attacks:
    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(name.replace("@", "\0", 1) if name.startswith("@") else name)

    yield f"connect to {name}", connect


def _attacks_by_request(request: Request) -> Attacks:
    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=30)
        try:
            connection.request(request.method, request.path, body=b"{}", headers=dict(request.headers))
            status = connection.getresponse().status
        except http.client.HTTPException as error:
            raise OSError("not HTTP/1.1") from error
        finally:
            connection.close()
        if status >= 400:
            raise OSError(f"status {status}")

    yield f"{request.port} {request.method} {request.path}", send


def _worked(attacks: Attacks) -> Iterator[str | None]:
    for name, run in attacks:
        try:
            run()
        except OSError:
            yield None
        else:
            yield name


def main() -> None:
    """Become the other user, attack, and print the result."""
    targets: Mapping[str, Any] = json.load(sys.stdin)
    account = pwd.getpwnam(USER)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    results: list[str | None] = []
    for path in targets["paths"]:
        results += _worked(_attacks_on_path(path))
    for pid in targets["pids"]:
        results += _worked(_attacks_on_process(pid))
    for name in targets["sockets"]:
        results += _worked(_attacks_on_socket(name))
    for request in targets["requests"]:
        results += _worked(_attacks_by_request(Request(*request)))
    print(json.dumps({"attacks": len(results), "worked": [name for name in results if name]}))


if __name__ == "__main__":
    main()
