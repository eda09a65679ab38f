"""Run a real Dovecot with mailboxes in folders, for any user with one password.

Messages are delivered by writing files, as a mail server does. Folders have `.` as separator.
"""

import datetime as dt
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from scripts.checks import system_tools
from scripts.local.orphan_killer import OrphanKiller
from tests.harness.certificates import create_authority
from tests.harness.ports import free_port

PASSWORD = "gehäim-wört"
_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
instance_name = test
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 20
ssl = yes
ssl_cert = <{folder}/localhost.pem
ssl_key = <{folder}/localhost.pem
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{folder}/mail/%u
maildir_very_dirty_syncs = no
mail_fsync = never
rawlog_dir = {folder}/commands/%u
namespace inbox {{
  inbox = yes
  separator = .
  mailbox Trash {{
    special_use = \\Trash
  }}
  mailbox Spam {{
    special_use = \\Junk
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  user = {user}
}}
service auth-worker {{
  user = {user}
}}
"""


@dataclass
class Dovecot:
    """A running server. `root`: the certificate that its TLS certificate, for `localhost`, is signed by."""

    folder: Path
    port: int
    tls_port: int
    root: Path
    owner: tuple[int, int] | None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def mailbox(self) -> "TestMailbox":
        """Create the mailbox of a new user."""
        return TestMailbox(self, f"user{next(self._numbers)}")


@dataclass
class TestMailbox:
    """The mailbox of a user."""

    __test__ = False
    server: Dovecot
    user: str

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._make(self.server.folder / "commands" / self.user)
        self.create("INBOX")

    def create(self, folder: str, *, exists: bool = True) -> Path:
        """Create a folder, such as `Projects.Pumps`."""
        path = self._path(folder)
        for name in ("cur", "new", "tmp"):
            self._make(path / name)
        if folder != "INBOX":
            (path / "maildirfolder").touch()
        return path

    def deliver(self, content: bytes, folder: str = "INBOX", *, arrived: dt.datetime | None = None) -> str:
        """Deliver a message, now or as if at another time. Returns the name of its file."""
        name = f"{1_700_000_000 + next(self._numbers)}.M{next(self._numbers)}.test"
        path = self._path(folder) / "new" / name
        path.write_bytes(content)
        if arrived:
            os.utime(path, (arrived.timestamp(), arrived.timestamp()))
        self._own(path)
        return name

    def forbid(self, name: str, folder: str = "INBOX") -> None:
        """Take the server's permission to read a message."""
        self._find(name, folder).chmod(0)

    def remove(self, name: str, folder: str = "INBOX") -> None:
        """Remove a message, as another client that expunges it."""
        self._find(name, folder).unlink()

    def move(self, name: str, folder: str, target: str) -> None:
        """Move a message to another folder."""
        self._find(name, folder).rename(self._path(target) / "new" / name)

    def renumber(self, folder: str = "INBOX") -> None:
        """Lose the folder's UIDs, so that it gets another UIDVALIDITY."""
        for path in self._path(folder).glob("dovecot*"):
            if path.name.startswith(("dovecot-uidlist", "dovecot.index")):
                path.unlink()

    def take_commands(self) -> list[str]:
        """Return the commands since the last call, without tags."""
        lines: list[str] = []
        for path in sorted(
            (self.server.folder / "commands" / self.user).glob("*.in"), key=lambda one: one.stat().st_mtime
        ):
            lines += path.read_text(errors="replace").splitlines()
            path.unlink()
        return [line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2]

    def _find(self, name: str, folder: str) -> Path:
        return next(path for kind in ("new", "cur") for path in (self._path(folder) / kind).glob(f"{name}*"))

    def _path(self, folder: str) -> Path:
        root = self.server.folder / "mail" / self.user
        return root if folder == "INBOX" else root / f".{folder}"

    def _make(self, path: Path) -> None:
        for one in [*reversed([parent for parent in path.parents if not parent.exists()]), path]:
            one.mkdir(exist_ok=True)
            self._own(one)

    def _own(self, path: Path) -> None:
        if self.server.owner:
            os.chown(path, *self.server.owner)


@contextmanager
def running_dovecot() -> Iterator[Dovecot]:
    """Run Dovecot until the block ends; skips the test if it is not installed."""
    program = system_tools.program("dovecot")
    if program is None:
        pytest.skip("needs dovecot: it can't be installed here")
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as name, OrphanKiller() as orphan_killer:
        folder = Path(name)
        authority = create_authority(folder, "mail")
        authority.certify("localhost")
        port, tls_port = free_port(), free_port()
        values = {"user": account.pw_name, "group": _group_of(account), "port": port, "tls_port": tls_port}
        settings = _CONFIGURATION.format(folder=folder, password=PASSWORD, **values)
        (folder / "dovecot.conf").write_text(settings)
        for path in (folder / "mail", folder / "commands"):
            path.mkdir()
        identity = {}
        owner = None
        if os.geteuid() == 0:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            owner = account.pw_uid, account.pw_gid
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, *owner)
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(
                [program, "-F", "-c", str(folder / "dovecot.conf")],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                **identity,  # type: ignore[call-overload]
            )
        orphan_killer.watch(process.pid)
        try:
            _wait(process, tls_port, folder)
            yield Dovecot(folder, port, tls_port, authority.root, owner)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _group_of(account: pwd.struct_passwd) -> str:
    import grp

    return grp.getgrgid(account.pw_gid).gr_name


def _wait(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        reason = "".join((folder / name).read_text() for name in ("errors", "log") if (folder / name).exists())
        assert process.poll() is None, reason
        assert time.monotonic() < deadline, reason
        time.sleep(0.02)
