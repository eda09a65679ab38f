"""A host for sandboxes: limits that attacks reach quickly, and what attacks look for."""

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.sandbox.limits import Limits

SECRET = "the secret of another tenant"
QUICK = Limits(
    seconds=2, memory_bytes=96 * 1024**2, processes=16, disk_bytes=16 * 1024**2, disk_files=2_000, output_bytes=100_000
)


@contextmanager
def sandbox_host(folder: Path) -> Iterator[dict[str, str]]:
    """What is on the host for attacks to reach: readable by everyone, and of the user whom a sandbox has outside."""
    for parent in (folder, *folder.parents):
        if parent.owner() == Path.home().owner() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    (folder / "secret").write_text(SECRET)
    name = f"headwater-test-{os.getpid()}"
    other = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as unix,
        subprocess.Popen(["/bin/sleep", "1000"], user=other, env={"SECRET": SECRET}) as victim,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        unix.bind(str(folder / "socket"))
        unix.listen()
        (folder / "socket").chmod(0o777)
        yield {
            "SECRET_PATH": str(folder / "secret"),
            "SECRET_VALUE": SECRET,
            "VICTIM": str(victim.pid),
            "PORT": str(server.getsockname()[1]),
            "ABSTRACT_NAME": name,
            "SOCKET_PATH": str(folder / "socket"),
        }
        assert victim.poll() is None
        victim.kill()
