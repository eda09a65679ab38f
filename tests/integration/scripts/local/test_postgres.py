"""The private Postgres: what it is, who may enter, and how it comes back after being killed."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pg8000.dbapi
import psutil
import pytest
import sqlalchemy as sa

from headwater.database.transactions import ALL_WORKSPACES, Database
from scripts.local.postgres import Cluster, PostgresError, temporary_cluster
from tests.harness.databases import FreshDatabase, running_server

pytestmark = pytest.mark.direct


def one(cluster: Cluster, statement: str) -> object:
    with closing(cluster.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made) / "pg"


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder below one that only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as made:
        Path(made).chmod(0o700)
        yield Path(made) / "pg"


def test_it_is_postgres_18_with_pgvector_in_utf8(postgres: Cluster) -> None:
    assert str(one(postgres, "show server_version")).startswith("18.")
    assert one(postgres, "show server_encoding") == "UTF8"
    available = one(postgres, "select default_version from pg_available_extensions where name = 'vector'")
    assert str(available) >= "0.8"


def test_it_lets_nobody_in_without_the_password(postgres: Cluster) -> None:
    with pytest.raises(pg8000.dbapi.DatabaseError, match="password authentication failed"):
        pg8000.dbapi.connect("postgres", host="127.0.0.1", port=postgres.port, password="guess")
    assert (postgres.folder / "password").stat().st_mode & 0o077 == 0


def test_it_listens_on_the_loopback_address_only(postgres: Cluster) -> None:
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split("\n")[0]))
    listening = {c.laddr.ip for c in server.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_it_never_runs_as_root(postgres: Cluster) -> None:
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split("\n")[0]))
    assert server.uids().effective != 0


def test_a_fresh_database_is_migrated_and_empty(database: FreshDatabase) -> None:
    made = Database(database.url, 1)
    with made.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select current_user")).scalar_one() == "app"
        assert tx.execute(sa.text("show search_path")).scalar_one() == "headwater, public, extensions"
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0
    made.close()


def test_data_outlives_a_kill_of_the_server(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as server:
        cluster.execute("create table kept (n int)", "insert into kept values (7)")
        backends = psutil.Process(server.pid).children()
        server.kill()
    psutil.wait_procs(backends, timeout=60)  # while they live, the next server refuses to start
    with running_server(cluster):
        assert one(cluster, "select n from kept") == 7
    cluster.destroy()


def test_sigint_ends_it_cleanly_whoever_is_connected(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as server, closing(cluster.connect()):
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
    cluster.destroy()


def test_a_pid_file_that_names_a_foreign_process_does_not_hold_it_up(
    folder: Path, free_port: Callable[[], int]
) -> None:
    cluster = Cluster(folder, free_port())
    cluster.prepare()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    with running_server(cluster):
        assert one(cluster, "select 1") == 1
    cluster.destroy()


def test_a_server_that_was_left_running_is_ended_first(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as left, running_server(cluster):
        assert left.wait(timeout=60) == 0
    cluster.destroy()


def test_an_interrupted_initdb_is_repeated(folder: Path, free_port: Callable[[], int]) -> None:
    folder.mkdir()
    (folder / "data.incomplete").mkdir()
    (folder / "data.incomplete" / "PG_VERSION").write_text("18\n")
    with temporary_cluster(folder, free_port()) as cluster:
        assert one(cluster, "select 1") == 1


def test_data_of_another_major_version_is_left_alone(folder: Path) -> None:
    cluster = Cluster(folder, 1)
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresError, match="created by Postgres 16"):
        cluster.prepare()
    assert (cluster.data / "PG_VERSION").read_text() == "16\n"


def test_it_runs_below_a_folder_that_only_the_owner_may_enter(
    closed_folder: Path, free_port: Callable[[], int]
) -> None:
    with temporary_cluster(closed_folder, free_port()) as cluster:
        assert one(cluster, "select 1") == 1
        home = closed_folder.resolve()
    assert not closed_folder.exists()
    assert not home.exists()


def test_the_cluster_ends_with_a_process_that_is_killed(folder: Path, free_port: Callable[[], int]) -> None:
    program = (
        "import sys, time; from pathlib import Path; from scripts.local.postgres import temporary_cluster\n"
        "with temporary_cluster(Path(sys.argv[1]), int(sys.argv[2])) as cluster:\n"
        "    print((cluster.data / 'postmaster.pid').read_text().split()[0], flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(folder), str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        backends = server.children()
        owner.kill()
    _, alive = psutil.wait_procs([server, *backends], timeout=60)
    assert not alive
