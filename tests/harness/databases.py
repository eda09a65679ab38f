"""Databases for tests: one cluster per session, one migrated template in it, a copy for each test."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from headwater.database.migrations import upgrade
from scripts.local.postgres import Cluster, PostgresError

TEMPLATE = "template_headwater"
APP_PASSWORD = "app"
_numbers = count(1)


@dataclass(frozen=True)
class FreshDatabase:
    """A migrated, empty database: `url` connects as the role `app`, `admin_url` as the owner."""

    name: str
    url: str
    admin_url: str


def describe(cluster: Cluster, name: str) -> FreshDatabase:
    """Return a database's URLs."""
    return FreshDatabase(name, cluster.url(name, role="app", password=APP_PASSWORD), cluster.url(name))


def make_template(cluster: Cluster) -> None:
    """Create and migrate the template of all test databases."""
    cluster.execute(f"create database {TEMPLATE} owner postgres")
    template = describe(cluster, TEMPLATE)
    upgrade(template.admin_url, template.url)


@contextmanager
def fresh_database(cluster: Cluster) -> Iterator[FreshDatabase]:
    """Copy the template. Drops the copy at the end, with its connections."""
    name = f"test_{next(_numbers)}"
    cluster.execute(f"create database {name} template {TEMPLATE} owner postgres")
    yield describe(cluster, name)
    cluster.execute(f"drop database {name} with (force)")


@contextmanager
def running_server(cluster: Cluster) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a cluster's server as `scripts/dev` does, and stop it at once at the end."""
    cluster.prepare()
    server = subprocess.Popen(cluster.command(), stderr=subprocess.DEVNULL, start_new_session=True, **cluster.popen)
    try:
        while not cluster.is_ready(server.pid):
            if server.poll() is not None:
                raise PostgresError("ended before it was ready")
            time.sleep(0.02)
        yield server
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(timeout=30)
