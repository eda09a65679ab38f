"""The database: a URL flows in, short explicit transactions flow out.

Every transaction names its workspace, so that row-level security holds without the callers' help, and its search path.
Nothing else is ever set, and nothing outlives a transaction, so each may run on another connection of a pooler.
"""

import re
import ssl
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headwater.config import Settings
from headwater.database.url import connect_arguments
from headwater.errors import ConfigError, DatabaseRefuses, DatabaseUnavailable, HeadwaterError, UnprocessableContent

if TYPE_CHECKING:
    from headwater.database.pg8000_pipeline import PipelinedConnection

REVISION = "0003"
"""The newest migration, whose schema this code needs."""

ALL_WORKSPACES: Literal["*"] = "*"
"""Scope of transactions that span workspaces: they see runs, steps, members, API keys and schedules, nothing else."""

Scope = uuid.UUID | Literal["*"]

OVERFLOW = 2
"""Connections that an instance opens at peaks beyond those it keeps."""


class NotReady(HeadwaterError):
    """The database can be reached and isn't what this revision needs."""

    status = 503
    title = "Not ready"


class Database:
    """Connections to one database, pooled; opens none before the first transaction."""

    def __init__(
        self, url: str, pool_size: int = 4, *, pool_timeout_s: float = 30.0, root_certificate: str = ""
    ) -> None:
        self.engine = create_engine(
            url, root_certificate, pool_size=pool_size, max_overflow=OVERFLOW, pool_timeout=pool_timeout_s
        )

    @classmethod
    def from_settings(cls, settings: Settings, pool_size: int | None = None) -> "Database":
        """Open the database that the settings name, as the role `app`."""
        size = settings.database_pool_size if pool_size is None else pool_size
        return cls(settings.database_url, size, root_certificate=settings.database_root_certificate)

    def close(self) -> None:
        """Close every connection; the next transaction opens new ones."""
        self.engine.dispose()

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[Connection]:
        """Open one transaction in a workspace (or `ALL_WORKSPACES`); commits at the end, rolls back on an error.

        Raises DatabaseUnavailable when the database can't be reached, goes away, or has no connection left for us;
        DatabaseRefuses when it takes nothing more, or not this; UnprocessableContent for text that Postgres can't hold.
        """
        with _told_apart(), self._begun(scope) as tx:
            yield tx

    @contextmanager
    def _begun(self, scope: Scope) -> Iterator[Connection]:
        """Begin a transaction: with its first statement, so one without any costs nothing.

        If the connection broke while it lay idle, it is replaced then; no connection is asked before whether it lives.
        """
        literal = (
            ALL_WORKSPACES if scope == ALL_WORKSPACES else uuid.UUID(str(scope))
        )  # it is written into the statement
        with self.engine.connect() as tx:
            tx.begin()
            wire = cast("PipelinedConnection", tx.connection.dbapi_connection)
            wire.begin_with(f"{_SET_UP}, set_config('app.workspace_id', '{literal}', true)")
            calls = tx.info[_AFTER_COMMIT] = []
            yield tx
            tx.commit()
        for call in calls:
            call()

    def check_ready(self) -> None:
        """Raise NotReady unless the schema is this revision's and the role can't bypass row-level security."""
        with self.transaction(ALL_WORKSPACES) as tx:
            role = tx.execute(sa.text("select rolsuper or rolbypassrls from pg_roles where rolname = current_user"))
            if role.scalar_one():
                raise NotReady("The database role bypasses row-level security. Connect as `app` (DATABASE_URL).")
            if tx.execute(sa.text("select to_regclass('headwater.alembic_version') is null")).scalar_one():
                raise NotReady("The database has no schema yet. Run `python -m functions.job migrate`.")
            version = tx.execute(sa.text("select version_num from headwater.alembic_version")).scalar_one_or_none()
            if version is None or str(version) < REVISION:
                raise NotReady(
                    f"The schema is at {version}, {REVISION} is needed. Run `python -m functions.job migrate`."
                )


def after_commit(tx: Connection, call: Callable[[], object]) -> None:
    """Have something done once a transaction of a `Database` is committed; not at all if it never is."""
    tx.info[_AFTER_COMMIT].append(call)


@contextmanager
def owner_transaction(url: str, root_certificate: str = "") -> Iterator[Connection]:
    """Open one transaction as the owner, for migrations, without the role's limits on time.

    Raises ConfigError when the URL (`DATABASE_ADMIN_URL`) can't serve, DatabaseUnavailable as any transaction does.
    """
    with _owner_engine(url, root_certificate) as engine, engine.begin() as tx:
        # Supabase, for one, gives its roles a `statement_timeout`, which an index of a million vectors exceeds.
        tx.exec_driver_sql(f"{_SET_PATH}, set_config('statement_timeout', '0', true)")
        yield tx


@contextmanager
def owner_session(url: str, root_certificate: str = "") -> Iterator[Connection]:
    """Open a session as the owner in which each statement is a transaction of its own, as concurrent builds want it.

    Raises as `owner_transaction` does.
    """
    with _owner_engine(url, root_certificate) as engine, engine.connect() as connection:
        session = connection.execution_options(isolation_level="AUTOCOMMIT")
        session.exec_driver_sql(f"set search_path = {_PATH}; set statement_timeout = 0")
        yield session


@contextmanager
def _owner_engine(url: str, root_certificate: str) -> Iterator[Engine]:
    arguments = connect_arguments(url, root_certificate)
    if str(arguments["user"]).partition(".")[0] == "app":
        raise ConfigError("DATABASE_ADMIN_URL connects as `app`: the owner of the database is needed.")
    if arguments.get("port") == 6543 and str(arguments["host"]).endswith((".supabase.com", ".supabase.co")):
        raise ConfigError(
            "DATABASE_ADMIN_URL is Supabase's pooler for transactions: port 5432 is the one for sessions."
        )
    engine = create_engine(url, root_certificate, poolclass=sa.NullPool)
    try:
        with _told_apart():
            yield engine
    finally:
        engine.dispose()


@contextmanager
def _told_apart() -> Iterator[None]:
    """Tell what is wrong with the database, and what with the caller's text, from what is wrong with us."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise DatabaseUnavailable(
            f"The database's certificate can't be trusted: {error.verify_message}. `sslmode` and `sslrootcert` in the "
            "URL, or DATABASE_ROOT_CERTIFICATE, say what is."
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(f"The connection to the database broke: {error}. Try again shortly.") from error
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise DatabaseUnavailable(f"The database doesn't answer: {_short(error)}. Try again shortly.") from error
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable("Every connection to the database is in use. Try again shortly.") from error
    except sa.exc.DBAPIError as error:
        if _sqlstate(error) in _NOT_TEXT:
            raise UnprocessableContent("Text with a NUL character can't be stored or found.") from error
        if _sqlstate(error) in _FULL:
            raise DatabaseRefuses(f"The database takes nothing more: {_short(error)}. See to its disk.") from error
        if _sqlstate(error) in _LATE:
            raise DatabaseRefuses("Somebody else was changing the same at this moment. Try again.") from error
        if error.connection_invalidated or _sqlstate(error)[:2] in _UNAVAILABLE:
            raise DatabaseUnavailable(f"The database refuses: {_short(error)}. Try again shortly.") from error
        raise


def create_engine(url: str, root_certificate: str = "", **pool: Any) -> Engine:
    """Make an engine on pg8000 with few round trips; raises ConfigError for a URL that can't be understood."""
    arguments = connect_arguments(url, root_certificate)

    def connect() -> Any:
        from headwater.database.pg8000_pipeline import PipelinedConnection

        return PipelinedConnection(arguments)

    engine = sa.create_engine(
        "postgresql+pg8000://",
        creator=connect,
        hide_parameters=True,  # texts and questions have no place in a log
        pool_recycle=300,
        **pool,
    )
    sa.event.listen(engine, "do_execute", _copy_from)
    return engine


def _copy_from(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # noqa: ARG001 - SQLAlchemy's names
    """Give a COPY what it is to read, the execution option `copy_from`, which pg8000 takes beside the parameters."""
    data = context.execution_options.get("copy_from") if context else None
    if data is None:
        return False
    cursor.execute(statement, stream=data)
    return True


def json_rows(rows: Sequence[Any]) -> str:
    """Encode rows as one JSON parameter for `json_to_recordset`: a whole batch in one statement, one bind.

    pg8000 writes a list as an array literal character by character in Python, a hundred times slower than this. For
    thousands of rows see `headwater.database.copy`.
    """
    return msgspec.json.encode(rows).decode()


def replace_unstorable(text: str) -> str:
    """Replace what Postgres can't store as text: NUL characters and lone surrogates."""
    return _NOT_STORABLE.sub("\ufffd", text)


_AFTER_COMMIT = "after_commit"

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")

_PATH = "headwater, public, extensions"

# Set by each transaction: what is set for a role reaches no connection that a pooler opened before.
_SET_PATH = f"select set_config('search_path', '{_PATH}', true)"

# An instance that is put to sleep inside a transaction must not keep its locks.
_SET_UP = f"{_SET_PATH}, set_config('idle_in_transaction_session_timeout', '60s', true)"

_NOT_TEXT = {"22021", "22P05"}
"""SQLSTATE of a NUL in a text, and of one in JSON."""

_FULL = {"53100", "25006"}
"""SQLSTATE of a full disk, and of what is refused because the database is read-only, as Supabase makes one whose disk
is nearly full."""

_LATE = {"40P01", "40001"}
"""SQLSTATE of a deadlock and of a serialization failure: the same succeeds when it is tried again."""

_UNAVAILABLE = {"08", "28", "3D", "53", "57"}
"""SQLSTATE classes: connection exception, invalid authorization, invalid catalog name (all three at connecting),
insufficient resources, operator intervention."""


def _sqlstate(error: sa.exc.DBAPIError) -> str:
    """Read SQLSTATE from pg8000's error fields, or '' when there is none."""
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(first.get("C", "")) if isinstance(first, dict) else ""


def _short(error: sa.exc.DBAPIError) -> str:
    first = error.orig.args[0] if error.orig is not None and error.orig.args else error.orig
    return str(first.get("M", first) if isinstance(first, dict) else first)[:200]
