"""The database: a URL flows in, short explicit transactions flow out.

Every transaction names its workspace, so that row-level security holds without the callers' help. Explicit transactions
always: in AUTOCOMMIT, pg8000 behind a transaction-mode pooler was seen to return other clients' rows.
"""

import json
import re
import ssl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headwater.errors import DatabaseUnavailable, HeadwaterError, UnprocessableContent

REVISION = "0003"
"""The newest migration, whose schema this code needs."""

ENGINE: Literal["*"] = "*"
"""The scope of what works for every workspace: it sees runs and steps, who may call, schedules, and nothing else."""

Scope = uuid.UUID | Literal["*"]


class NotReady(HeadwaterError):
    """The database can be reached and isn't what this revision needs."""

    status = 503
    title = "Not ready"


class Database:
    """Connections to one database, pooled; opens none before the first transaction."""

    def __init__(self, url: str, pool_size: int = 4, *, pool_timeout_s: float = 30.0) -> None:
        self.engine = create_engine(url, pool_size, pool_timeout_s=pool_timeout_s)

    def close(self) -> None:
        """Close every connection; the next transaction opens new ones."""
        self.engine.dispose()

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[Connection]:
        """Open one transaction in a workspace (or `ENGINE`); commits at the end, rolls back on an error.

        Raises DatabaseUnavailable when the database can't be reached, goes away, or has no connection left for us;
        UnprocessableContent for text that Postgres can't hold.
        """
        try:
            with self.engine.begin() as tx:
                tx.execute(_SET_SCOPE, {"scope": str(scope)})
                yield tx
        except OSError as error:  # pg8000 lets a socket that breaks under it through as it is
            raise DatabaseUnavailable(f"The connection to the database broke: {error}. Try again shortly.") from error
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise DatabaseUnavailable(f"The database doesn't answer: {_short(error)}. Try again shortly.") from error
        except sa.exc.TimeoutError as error:
            raise DatabaseUnavailable("Every connection to the database is in use. Try again shortly.") from error
        except sa.exc.DBAPIError as error:
            if _sqlstate(error) in _NOT_TEXT:
                raise UnprocessableContent("Text with a NUL character can't be stored or found.") from error
            if error.connection_invalidated or _sqlstate(error)[:2] in _UNAVAILABLE:
                raise DatabaseUnavailable(f"The database refuses: {_short(error)}. Try again shortly.") from error
            raise

    def check_ready(self) -> None:
        """Raise NotReady unless the schema is this revision's and the role can't bypass row-level security."""
        with self.transaction(ENGINE) as tx:
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


def create_engine(url: str, pool_size: int = 4, *, pool_timeout_s: float = 30.0) -> Engine:
    """Make an engine on pg8000; at peaks it opens two connections more than it keeps.

    `?sslmode=require` encrypts; `verify-ca` also verifies against the system's certificates, `verify-full` the host's
    name too.
    """
    parsed = sa.make_url(url)
    if parsed.drivername != "postgresql+pg8000":
        parsed = parsed.set(drivername="postgresql+pg8000")
    query = dict(parsed.query)
    mode = query.pop("sslmode", "disable")
    arguments: dict[str, Any] = {"application_name": "headwater"}
    if mode != "disable":
        arguments["ssl_context"] = tls_context(str(mode))
    return sa.create_engine(
        parsed.set(query=query),
        pool_size=pool_size,
        max_overflow=2,
        pool_timeout=pool_timeout_s,
        hide_parameters=True,  # texts and questions have no place in a log
        pool_pre_ping=True,
        pool_recycle=300,
        connect_args=arguments,
    )


def tls_context(mode: str) -> ssl.SSLContext:
    """Make what libpq's `sslmode` of that name means."""
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    if mode not in ("verify-ca", "verify-full"):
        context.verify_mode = ssl.CERT_NONE
    return context


def as_rows(rows: Sequence[Any]) -> str:
    """Encode rows as one JSON parameter for `json_to_recordset`: a whole batch in one statement, one bind.

    pg8000 writes a list as an array literal character by character in Python, a hundred times slower than this.
    """
    return json.dumps(rows, ensure_ascii=False, default=str)


def storable(text: str) -> str:
    """Replace what Postgres can't store as text: NUL characters and lone surrogates."""
    return _NOT_STORABLE.sub("\ufffd", text)


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")

_SET_SCOPE = sa.text("select set_config('app.workspace_id', :scope, true)")

_NOT_TEXT = {"22021", "22P05"}
"""SQLSTATE of a NUL in a text, and of one in JSON."""

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
