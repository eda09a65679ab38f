"""Run OpenSSH's server on loopback, with Git repositories that one key may read.

    with serve_ssh(folder) as server:
        url = f"ssh://{server.user}@127.0.0.1:{server.port}{folder}/project.git"

It runs as the test's user, and its clients log in as that user.
"""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.checks import system_tools
from tests.harness.ports import free_port

_CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
LogLevel VERBOSE
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin
{accept}
"""


@dataclass(frozen=True)
class SshServer:
    """A running server. `private_key` may log in; `fingerprint` is of the server's key.

    Programs in the folder `commands` can be run by clients, beside the system's.
    """

    port: int
    user: str
    private_key: str
    fingerprint: str
    log: Path
    commands: Path

    def url(self, repository: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{repository}"


@contextmanager
def serve_ssh(folder: Path, *, protocol_v2: bool = True, key_type: str = "ed25519") -> Iterator[SshServer]:
    """Run a server until the block ends. Its files are in `folder`. Skips the test if there is no sshd."""
    program = system_tools.program("sshd")
    if program is None:
        pytest.skip("needs sshd: apt-get install openssh-server")
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    make_key(folder / "host_key", "ed25519")
    make_key(folder / "key", key_type)
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text())
    port, log = free_port(), folder / "log"
    accept = "AcceptEnv GIT_PROTOCOL" if protocol_v2 else ""
    (folder / "sshd_config").write_text(_CONFIGURATION.format(port=port, folder=folder, accept=accept))
    process = subprocess.Popen([program, "-D", "-f", str(folder / "sshd_config"), "-E", str(log)])
    try:
        for _ in range(200):
            if log.exists() and "Server listening" in log.read_text():
                break
            assert process.poll() is None, log.read_text() if log.exists() else "sshd ended"
            time.sleep(0.05)
        fingerprint = _run("ssh-keygen", "-lf", str(folder / "host_key.pub")).split()[1]
        user = pwd.getpwuid(os.geteuid()).pw_name
        (folder / "bin").mkdir(exist_ok=True)
        yield SshServer(port, user, (folder / "key").read_text(), fingerprint, log, folder / "bin")
    finally:
        process.terminate()
        process.wait(10)


def make_key(path: Path, key_type: str, passphrase: str = "") -> None:
    """Make a pair of keys with OpenSSH's own tool."""
    path.unlink(missing_ok=True)
    _run("ssh-keygen", "-q", "-t", key_type, "-N", passphrase, "-f", str(path))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
