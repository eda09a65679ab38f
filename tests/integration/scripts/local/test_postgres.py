"""The private Postgres: version, access, recovery and cleanup."""

import os
import pwd
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
from tests.harness.stacks import wait_until

pytestmark = pytest.mark.direct


def query_one(cluster: Cluster, statement: str) -> object:
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
    """A path inside of a folder that only its owner can read."""
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as made:
        Path(made).chmod(0o700)
        yield Path(made) / "pg"


def test_server_is_postgres_18_with_pgvector_and_utf8(postgres: Cluster) -> None:
    assert str(query_one(postgres, "show server_version")).startswith("18.")
    assert query_one(postgres, "show server_encoding") == "UTF8"
    available = query_one(postgres, "select default_version from pg_available_extensions where name = 'vector'")
    assert str(available) >= "0.8"


def test_connection_without_the_password_fails(postgres: Cluster) -> None:
    with pytest.raises(pg8000.dbapi.DatabaseError, match="password authentication failed"):
        pg8000.dbapi.connect("postgres", host="127.0.0.1", port=postgres.port, password="guess")
    assert (postgres.folder / "password").stat().st_mode & 0o077 == 0


def test_server_listens_on_loopback_only(postgres: Cluster) -> None:
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split("\n")[0]))
    listening = {c.laddr.ip for c in server.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_server_does_not_run_as_root(postgres: Cluster) -> None:
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split("\n")[0]))
    assert server.uids().effective != 0


def test_fresh_database_is_migrated_and_empty(database: FreshDatabase) -> None:
    made = Database(database.url, 1)
    with made.transaction(ALL_WORKSPACES) as tx:
        assert tx.execute(sa.text("select current_user")).scalar_one() == "app"
        assert tx.execute(sa.text("show search_path")).scalar_one() == "headwater, public"
        assert tx.execute(sa.text("select count(*) from documents")).scalar_one() == 0
    made.close()


def test_data_survives_sigkill_of_the_server(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as server:
        cluster.execute("create table numbers (n int)", "insert into numbers values (7)")
        backends = psutil.Process(server.pid).children()
        server.kill()
    psutil.wait_procs(backends, timeout=60)  # the next server does not start before they have ended
    with running_server(cluster):
        assert query_one(cluster, "select n from numbers") == 7
    cluster.destroy()


def test_sigint_stops_the_server_with_open_connections(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as server, closing(cluster.connect()):
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
    cluster.destroy()


def test_pid_file_of_another_process_is_ignored(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    cluster.prepare()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    with running_server(cluster):
        assert query_one(cluster, "select 1") == 1
    cluster.destroy()


def test_leftover_server_is_ended_first(folder: Path, free_port: Callable[[], int]) -> None:
    cluster = Cluster(folder, free_port())
    with running_server(cluster) as leftover, running_server(cluster):
        assert leftover.wait(timeout=60) == 0
    cluster.destroy()


def test_interrupted_initdb_is_repeated(folder: Path, free_port: Callable[[], int]) -> None:
    folder.mkdir()
    (folder / "data.incomplete").mkdir()
    (folder / "data.incomplete" / "PG_VERSION").write_text("18\n")
    with temporary_cluster(folder, free_port()) as cluster:
        assert query_one(cluster, "select 1") == 1


def test_data_of_another_major_version_is_not_changed(folder: Path) -> None:
    cluster = Cluster(folder, 1)
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresError, match="created by Postgres 16"):
        cluster.prepare()
    assert (cluster.data / "PG_VERSION").read_text() == "16\n"


def test_server_runs_in_a_folder_that_only_its_owner_can_read(
    closed_folder: Path, free_port: Callable[[], int]
) -> None:
    with temporary_cluster(closed_folder, free_port()) as cluster:
        assert query_one(cluster, "select 1") == 1
        home = closed_folder.resolve()
    assert not closed_folder.exists()
    assert not home.exists()


def test_server_ends_and_its_files_are_removed_when_its_parent_is_killed(
    folder: Path, free_port: Callable[[], int]
) -> None:
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
    wait_until(lambda: not (folder.resolve() / "data").exists())


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only then Postgres runs as another user")


def owners(folder: Path) -> set[int]:
    return {path.stat().st_uid for path in (folder, *folder.rglob("*"))}


@needs_root
def test_no_account_has_the_server_s_user_id(folder: Path, free_port: Callable[[], int]) -> None:
    with temporary_cluster(folder, free_port()) as cluster:
        server = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split("\n")[0]))
        uid = server.uids().effective
        with pytest.raises(KeyError):
            pwd.getpwuid(uid)
        assert owners(cluster.data) == {uid} == {(folder / "password").stat().st_uid}
        assert not [path for path in (folder, *cluster.data.rglob("*")) if path.stat().st_mode & 0o077]


@needs_root
def test_data_of_an_account_gets_a_user_id_of_its_own(closed_folder: Path, free_port: Callable[[], int]) -> None:
    """As earlier versions left it: in the data folder, owned by an account."""
    closed_folder.parent.chmod(0o755)
    account = pwd.getpwnam("nobody").pw_uid
    before = Cluster(closed_folder, free_port())
    with running_server(before):
        before.execute("create table numbers (n int)", "insert into numbers values (7)")
    for path in (closed_folder, *closed_folder.rglob("*")):
        os.chown(path, account, account)
    closed_folder.parent.chmod(0o700)
    cluster = Cluster(closed_folder, free_port())
    with running_server(cluster):
        assert query_one(cluster, "select n from numbers") == 7
        [uid] = owners(closed_folder.resolve())
        assert uid not in (0, account)
    again = Cluster(closed_folder, free_port())
    with running_server(again):
        assert owners(closed_folder.resolve()) == {uid}
    again.destroy()


def test_server_s_environment_has_no_secrets(
    folder: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with temporary_cluster(folder, free_port()) as cluster:
        server = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split("\n")[0]))
        assert "OPENAI_API_KEY" not in server.environ()
