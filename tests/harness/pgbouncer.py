"""Run a real PgBouncer in front of the tests' Postgres, as hosting providers do.

User names with a project, as for Supabase's pooler (`app.abc`), log in as the role before the dot. Each transaction
gets the server connection that has been idle longest, so state left on a connection reaches another client.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from scripts.checks import system_tools
from scripts.local.orphan_killer import OrphanKiller
from scripts.local.postgres import Cluster
from tests.harness.databases import APP_PASSWORD, FreshDatabase

PROJECT = "abcdefghijklmnopqrst"
_CONFIGURATION = """
[databases]
{pooled}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = 8
max_client_conn = 300
max_db_connections = 16
server_round_robin = 1
server_idle_timeout = 5
"""


@dataclass(frozen=True)
class Bouncer:
    """A running PgBouncer."""

    port: int

    def through(self, url: str, username: str | None = None) -> str:
        """Return the URL of the same database behind PgBouncer, optionally with another user name."""
        parsed = sa.make_url(url).set(port=self.port)
        parsed = parsed if username is None else parsed.set(username=username)
        return parsed.render_as_string(hide_password=False)

    def pool(self, database: FreshDatabase) -> FreshDatabase:
        """Return a database whose `url` goes through PgBouncer; `admin_url` stays direct."""
        return replace(database, url=self.through(database.url))


@contextmanager
def running_bouncer(
    cluster: Cluster, port: int, *, mode: str = "transaction", log_in_as: tuple[str, str] | None = None
) -> Iterator[Bouncer]:
    """Run PgBouncer until the block ends; skips the test if it is not installed.

    `log_in_as`: the role and password of all connections to Postgres, for any client.
    """
    program = system_tools.program("pgbouncer")
    if program is None:
        pytest.skip("needs pgbouncer: it can't be installed here")
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as name, OrphanKiller() as orphan_killer:
        folder = Path(name)
        role, password = log_in_as or ("", "")
        pooled = f"* = host=127.0.0.1 port={cluster.port}" + (f" user={role} password={password}" if role else "")
        users = {"app": APP_PASSWORD, f"app.{PROJECT}": APP_PASSWORD, f"postgres.{PROJECT}": cluster.password}
        (folder / "users").write_text("".join(f'"{user}" "{secret}"\n' for user, secret in users.items()))
        settings = _CONFIGURATION.format(pooled=pooled, port=port, folder=folder, mode=mode)
        (folder / "pgbouncer.ini").write_text(settings)
        identity = {key: value for key, value in cluster.popen.items() if key != "cwd"}
        for path in (folder, folder / "users", folder / "pgbouncer.ini"):
            if os.geteuid() == 0:
                shutil.chown(path, identity["user"], identity["group"])
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **identity,
            )
            orphan_killer.watch(process.pid)
            try:
                _wait(process, port, folder / "log")
                yield Bouncer(port)
            finally:
                process.send_signal(signal.SIGTERM)  # at once
                process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
