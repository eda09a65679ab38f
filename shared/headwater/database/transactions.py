"""Database connections and transactions.

Each transaction sets its workspace, for row-level security, and its search path. No other session state is used, so
every transaction may run on another connection of a transaction-mode pooler.
"""

import re
import ssl
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from headwater.config import Settings
from headwater.database.url import connect_arguments
from headwater.errors import ConfigError, DatabaseRefuses, DatabaseUnavailable, HeadwaterError, UnprocessableContent
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.database.pg8000_pipeline import PipelinedConnection

REVISION = "0048"
"""The newest migration; `check_ready` requires it."""

_UNREACHABLE = "The database can't be reached. Try again in a moment."

ALL_WORKSPACES: Literal["*"] = "*"
"""Scope of transactions that span workspaces: they see runs, steps, providers, members, API keys and schedules."""

Scope = uuid.UUID | Literal["*"]

OVERFLOW = 2
"""Extra connections that an instance may open at peaks."""


class NotReady(HeadwaterError):
    """The database is reachable, but its schema or role is not what this revision needs."""

    status = 503
    title = "Not ready"


class Database:
    """A pool of connections to one database; the first transaction opens the first connection.

    `reserved` of the OVERFLOW connections are for transactions that ask for them.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 4,
        *,
        pool_timeout_s: float = 30.0,
        root_certificate: str = "",
        reserved: int = 0,
    ) -> None:
        # The connection that was used last: it has loaded what Postgres caches for each, such as tables and policies.
        pool: dict[str, Any] = {"pool_timeout": pool_timeout_s, "pool_use_lifo": True}
        self.engine = self._reserved = create_engine(
            url, root_certificate, pool_size=pool_size, max_overflow=OVERFLOW - reserved, **pool
        )
        if reserved:
            self._reserved = create_engine(url, root_certificate, pool_size=reserved, max_overflow=0, **pool)
        self._search_path = ""

    @classmethod
    def from_settings(cls, settings: Settings, pool_size: int | None = None, *, reserved: int = 0) -> "Database":
        """Open the database of the settings, as the functions' role."""
        size = settings.database_pool_size if pool_size is None else pool_size
        certificate = settings.database_root_certificate
        return cls(settings.database_url, size, root_certificate=certificate, reserved=reserved)

    def close(self) -> None:
        """Close every connection: idle ones at once, those of running transactions at their end.

        A later transaction opens a connection for itself.
        """
        for engine in {self.engine, self._reserved}:
            sa.event.listen(engine, "checkin", _close_returned)
            engine.dispose()

    @contextmanager
    def transaction(
        self,
        scope: Scope,
        *,
        snapshot: bool = False,
        settings: tuple[tuple[str, str], ...] = (),
        reserved: bool = False,
    ) -> Iterator[Connection]:
        """Open a transaction in a workspace or in ALL_WORKSPACES; commit at the end, roll back on an error.

        With `snapshot`, all statements see the database as it is at the first one (repeatable read). `settings` are
        names and values of Postgres's settings, for this transaction. They cost no round trip. With `reserved`, it
        waits for no transactions but such ones.

        Raises DatabaseUnavailable if the database is unreachable or all connections are in use; DatabaseRefuses if it
        is full, read-only or reports a conflict; UnprocessableContent for text that Postgres can't store.
        """
        engine = self._reserved if reserved else self.engine
        with _translate_driver_errors(), self._begin(engine, scope, snapshot, settings) as tx:
            yield tx

    @contextmanager
    def _begin(
        self, engine: Engine, scope: Scope, snapshot: bool, settings: tuple[tuple[str, str], ...]
    ) -> Iterator[Connection]:
        """Begin a transaction together with its first statement; without statements, nothing is sent.

        A connection that broke while idle is replaced at that statement, so no ping is needed before. The first
        transaction also reads pgvector's schema, for the search path.
        """
        # Interpolated into a statement, so it must be the constant or a UUID.
        literal = ALL_WORKSPACES if scope == ALL_WORKSPACES else uuid.UUID(str(scope))
        with engine.connect() as tx:
            tx.begin()
            connection = cast("PipelinedConnection", tx.connection.dbapi_connection)
            path = self._search_path or _PATH
            set_up = _set_up(path, ("app.workspace_id", literal), *settings)
            connection.begin_with(set_up, snapshot=snapshot)
            if not self._search_path:
                self._search_path = _read_search_path(tx)
            calls = tx.info[_AFTER_COMMIT] = []
            yield tx
            tx.commit()
        for call in calls:
            call()

    def check_ready(self) -> None:
        """Raise NotReady if the schema is outdated, or the role bypasses row-level security or can't use pgvector."""
        self._search_path = ""  # pgvector may have been moved
        with self.transaction(ALL_WORKSPACES) as tx:
            role = tx.execute(sa.text("select rolsuper or rolbypassrls from pg_roles where rolname = current_user"))
            if role.scalar_one():
                raise NotReady(
                    "The database role bypasses row-level security. DATABASE_URL must connect as the role that "
                    "`migrate` creates (DATABASE_ROLE)."
                )
            if tx.execute(sa.text("select to_regclass('headwater.alembic_version') is null")).scalar_one():
                raise NotReady("The database has no schema yet. Run `python -m functions.job migrate`.")
            version = tx.execute(sa.text("select version_num from headwater.alembic_version")).scalar_one_or_none()
            if version is None or str(version) < REVISION:
                raise NotReady(
                    f"The database schema is at revision {version}; {REVISION} is required. "
                    "Run `python -m functions.job migrate`."
                )
            _check_vectors(tx)


def _check_vectors(tx: Connection) -> None:
    """Compute with vectors; raises NotReady if the role can't."""
    schema = tx.execute(sa.text(f"select {_VECTOR_SCHEMA}")).scalar_one()
    if schema is None:
        raise NotReady("The extension pgvector is not installed. Run `python -m functions.job migrate`.")
    try:
        tx.execute(_VECTORS)
    except sa.exc.ProgrammingError as error:
        raise NotReady(
            f"The database role can't use pgvector, which is in the schema `{schema}`: {_short(error)}. "
            "Run `python -m functions.job migrate`, which grants the rights. pgvector must be 0.8 or later."
        ) from error


_VECTORS = sa.text("""
    select v <=> v, set_config('ivfflat.iterative_scan', 'relaxed_order', true)
    from (select cast('[1,2]' as halfvec) as v) one
""")


def after_commit(tx: Connection, call: Callable[[], object]) -> None:
    """Call a function after the commit of a `Database` transaction; never if it rolls back."""
    tx.info[_AFTER_COMMIT].append(call)


@contextmanager
def owner_transaction(url: str, root_certificate: str = "") -> Iterator[Connection]:
    """Open a transaction as the owner, for migrations, without the role's time limits.

    Raises ConfigError if the URL (`DATABASE_ADMIN_URL`) is unsuitable, DatabaseUnavailable like any transaction.
    """
    with _owner_engine(url, root_certificate) as engine, engine.begin() as tx:
        # Supabase sets a `statement_timeout` on its roles that building an index of a million vectors exceeds.
        tx.exec_driver_sql("select set_config('statement_timeout', '0', true)")
        set_search_path(tx)
        yield tx


def set_search_path(tx: Connection) -> None:
    """Set the transaction's search path: our schema, and pgvector's if the extension exists."""
    tx.exec_driver_sql(_SET_PATH)


@contextmanager
def owner_session(url: str, root_certificate: str = "") -> Iterator[Connection]:
    """Open an autocommit session as the owner, which `create index concurrently` needs.

    Raises as `owner_transaction` does.
    """
    with _owner_engine(url, root_certificate) as engine, engine.connect() as connection:
        session = connection.execution_options(isolation_level="AUTOCOMMIT")
        session.exec_driver_sql(
            f"select set_config('search_path', {_PATH}, false), set_config('statement_timeout', '0', false)"
        )
        yield session


@contextmanager
def _owner_engine(url: str, root_certificate: str) -> Iterator[Engine]:
    arguments = connect_arguments(url, root_certificate)
    if str(arguments["user"]).partition(".")[0] == "app":
        raise ConfigError("DATABASE_ADMIN_URL connects as the role `app`. Use the role that owns the database.")
    if arguments.get("port") == 6543 and str(arguments["host"]).endswith((".supabase.com", ".supabase.co")):
        raise ConfigError(
            "DATABASE_ADMIN_URL is Supabase's transaction pooler (port 6543). Use the session pooler, port 5432."
        )
    engine = create_engine(url, root_certificate, poolclass=sa.NullPool)
    try:
        with _translate_driver_errors():
            yield engine
    finally:
        engine.dispose()


@contextmanager
def _translate_driver_errors() -> Iterator[None]:
    """Raise our own errors for a database that is unavailable or refuses, and for text it can't store."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise DatabaseUnavailable(
            f"The database's certificate can't be verified: {error.verify_message}. Set DATABASE_ROOT_CERTIFICATE to "
            "the root certificate of the database's provider (at Supabase: Database, Settings, SSL "
            "Configuration), or correct `sslmode` and `sslrootcert` in the URL.",
            for_callers=_UNREACHABLE,
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(
            f"The connection to the database was lost: {error}. Try again in a moment.", for_callers=_UNREACHABLE
        ) from error
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise DatabaseUnavailable(
            f"The database can't be reached: {_short(error)}. {_advice(error)}", for_callers=_UNREACHABLE
        ) from error
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailable("All database connections are in use. Try again in a moment.") from error
    except sa.exc.DBAPIError as error:
        if _sqlstate(error) in _NOT_TEXT:
            raise UnprocessableContent("The text contains a NUL character. Remove it and try again.") from error
        if _sqlstate(error) in _FULL:
            raise DatabaseRefuses(
                f"The database is full or read-only: {_short(error)}. Free or add disk space."
            ) from error
        if _sqlstate(error) in _CONFLICT:
            raise DatabaseRefuses("Another request changed the same data at the same time. Try again.") from error
        if error.connection_invalidated or _sqlstate(error)[:2] in _UNAVAILABLE or _is_closed(error):
            raise DatabaseUnavailable(
                f"The database refused the connection: {_short(error)}. Try again in a moment.",
                for_callers=_UNREACHABLE,
            ) from error
        raise


def _advice(error: sa.exc.DBAPIError) -> str:
    """Return what to do about a connection that failed."""
    if "refuses SSL" in str(error):
        return "Enable TLS at the server, or add `sslmode=disable` to the URL if the network between is private."
    return "Try again in a moment."


def create_engine(url: str, root_certificate: str = "", **pool: Any) -> Engine:
    """Create an engine on the pipelined pg8000 driver; raises ConfigError for an invalid URL."""
    arguments = connect_arguments(url, root_certificate)

    def connect() -> Any:
        from headwater.database.pg8000_pipeline import PipelinedConnection

        return PipelinedConnection(arguments)

    engine = sa.create_engine(
        "postgresql+pg8000://",
        creator=connect,
        hide_parameters=True,  # keeps documents and questions out of error messages
        pool_recycle=300,
        **pool,
    )
    sa.event.listen(engine, "do_execute", _copy_from)
    return engine


def _close_returned(connection: Any, record: ConnectionPoolEntry) -> None:  # noqa: ARG001 - SQLAlchemy's names
    """Close a connection that is returned to a pool which has been closed.

    Such a pool keeps returned connections open until it is garbage.
    """
    record.invalidate()


def _copy_from(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:  # noqa: ARG001 - SQLAlchemy's names
    """Pass the execution option `copy_from` to the driver as the stream of a COPY."""
    data = context.execution_options.get("copy_from") if context else None
    if data is None:
        return False
    cursor.execute(statement, stream=data)
    return True


def json_rows(rows: Sequence[Any]) -> str:
    """Encode rows as one JSON parameter for `json_to_recordset`, to write a batch with one statement.

    pg8000 encodes array literals character by character in Python, a hundred times slower. For thousands of rows use
    `headwater.database.arrays`.
    """
    return msgspec.json.encode(rows).decode()


def to_array(numbers: Iterable[float]) -> str:
    """Encode numbers as one parameter, to be cast to an array."""
    return f"{{{','.join(map(str, numbers))}}}"


def replace_unstorable(text: str) -> str:
    """Replace characters that Postgres can't store in text: NUL and lone surrogates."""
    return _NOT_STORABLE.sub("\ufffd", text)


_AFTER_COMMIT = "after_commit"

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")

# The schema that contains pgvector differs: `public` by default, `extensions` at Supabase.
_VECTOR_SCHEMA = "(select extnamespace::regnamespace::text from pg_catalog.pg_extension where extname = 'vector')"

_PATH = f"concat_ws(', ', 'headwater', {_VECTOR_SCHEMA})"

# Set in each transaction: settings of a role don't reach connections that a pooler opened before.
_SET_PATH = f"select set_config('search_path', {_PATH}, true)"


def _set_up(path: str, *settings: tuple[str, object]) -> str:
    """Return the statement that sets a transaction's settings, given an SQL expression for the search path.

    The time-out ends the transaction, and releases the locks, of an instance that is suspended within one.
    """
    set_configs = (
        f", set_config('{name}', '{value}', true)"
        for name, value in (("idle_in_transaction_session_timeout", "60s"), *settings)
    )
    return f"select set_config('search_path', {path}, true){''.join(set_configs)}"


def _read_search_path(tx: Connection) -> str:
    """Return the transaction's search path as an SQL literal, an empty string while pgvector is not installed.

    Looking up pgvector's schema costs 0.1 ms, too much for each transaction.
    """
    path, schema = tx.exec_driver_sql(f"select current_setting('search_path'), {_VECTOR_SCHEMA}").one()
    return "'" + path.replace("'", "''") + "'" if schema else ""


_NOT_TEXT = {"22021", "22P05"}
"""SQLSTATEs: a NUL character in text, and in JSON."""

_FULL = {"53100", "25006"}
"""SQLSTATEs: disk full; read-only transaction (Supabase makes a database read-only when its disk is nearly full)."""

_CONFLICT = {"40P01", "40001"}
"""SQLSTATEs: deadlock, serialization failure. A retry succeeds."""

_UNAVAILABLE = {"08", "28", "3D", "53", "57"}
"""SQLSTATE classes: connection exception, invalid authorization, invalid catalog name (these when connecting),
insufficient resources, operator intervention."""


def _sqlstate(error: sa.exc.DBAPIError) -> str:
    """Return the SQLSTATE of pg8000's error fields, or an empty string."""
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(first.get("C", "")) if isinstance(first, dict) else ""


def _is_closed(error: sa.exc.DBAPIError) -> bool:
    """Return whether connecting failed because of `allow_connections false`.

    Statements may fail with the same SQLSTATE, object not in prerequisite state.
    """
    return error.statement is None and _sqlstate(error) == "55000"


def _short(error: sa.exc.DBAPIError) -> str:
    first = error.orig.args[0] if error.orig is not None and error.orig.args else error.orig
    return quote(first.get("M", first) if isinstance(first, dict) else first)
