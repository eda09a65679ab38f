"""The role that the functions connect as: its login, password and rights.

The role owns no tables, so row-level security applies to it. Roles belong to the server and not to a database:
installations on one server need roles of different names (`DATABASE_ROLE`).
"""

import base64
import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from scramp.utils import ScramException, saslprep  # type: ignore[import-untyped]  # pg8000 depends on it
from sqlalchemy.engine import Connection

from headwater.database.transactions import create_engine
from headwater.errors import ConfigError

DEFAULT = "app"
"""The role that the migrations' own `grant` statements name."""

_ITERATIONS = 4096
"""Postgres's default (`scram_iterations`), and the minimum of RFC 7677."""

_NAME = re.compile("[a-z_][a-z0-9_]{0,62}")


def check_name(role: str, user: str) -> None:
    """Raise ConfigError if the role's name is invalid, or not the user of DATABASE_URL.

    Supabase's poolers need the project in the user name: `app.abcdefghijklmnopqrst` connects as `app`.
    """
    if not _NAME.fullmatch(role):
        raise ConfigError(f"DATABASE_ROLE: {role!r} is invalid. Use lower-case letters, digits and underscores.")
    if user.partition(".")[0] != role:
        raise ConfigError(f"DATABASE_URL must connect as the role `{role}` (DATABASE_ROLE).")


def can_log_in(url: str, root_certificate: str = "") -> bool:
    """Return True if the role of a URL can connect with its password."""
    engine = create_engine(url, root_certificate, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("select 1"))
    except (sa.exc.DBAPIError, OSError, ScramException):
        return False
    finally:
        engine.dispose()
    return True


def ensure_role(tx: Connection, role: str) -> bool:
    """Create the role if it doesn't exist, and let it use our schema. Return True if it was created."""
    missing = tx.execute(sa.text("select 1 from pg_roles where rolname = :role"), {"role": role}).scalar() is None
    if missing:
        tx.execute(sa.text(f'create role "{role}" login'))
    tx.execute(sa.text(f'grant usage on schema headwater to "{role}"'))
    return missing


def set_password(tx: Connection, role: str, password: str) -> None:
    """Let the role log in with a password. Only its verifier is sent, since a server may log statements.

    Raises ConfigError, without the verifier, if the owner may not change the role.
    """
    reason = ""
    try:
        with tx.begin_nested():
            tx.exec_driver_sql(f"alter role \"{role}\" with login password '{scram_verifier(password)}'")
    except sa.exc.DBAPIError as error:
        reason = _message(error)
    if reason:  # outside of the handler: the error contains the statement
        raise ConfigError(
            f"The password in DATABASE_URL doesn't work, and the role of DATABASE_ADMIN_URL can't change the role "
            f"`{role}`: {reason}. Correct the password. If another installation uses the role, set DATABASE_ROLE to a "
            "new name."
        )


def ensure_usage(tx: Connection, role: str, schema: str) -> None:
    """Let the role use the types and operators in pgvector's schema.

    Raises ConfigError if the owner can't grant it.
    """
    usage = sa.text("select has_schema_privilege(:role, :schema, 'usage')")
    values = {"role": role, "schema": schema}
    if tx.execute(usage, values).scalar_one():
        return
    quote = tx.dialect.identifier_preparer.quote
    grant = f"grant usage on schema {quote(schema)} to {quote(role)}"
    with suppress(sa.exc.ProgrammingError), tx.begin_nested():
        tx.exec_driver_sql(grant)
    if not tx.execute(usage, values).scalar_one():
        raise ConfigError(
            f"The role `{role}` can't use the schema `{schema}`, which contains pgvector, and the role of "
            f"DATABASE_ADMIN_URL can't grant it. Run `{grant}` as the owner of that schema, then migrate again."
        )


def grant_to(tx: Connection, role: str) -> None:
    """Make the following statements grant rights to `role` where they name the role `app`, as migrations do."""

    def rename(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> tuple[str, Any]:
        return _GRANTEE.sub(rf'\1 "{role}"', statement), parameters

    if role != DEFAULT:
        sa.event.listen(tx, "before_cursor_execute", rename, retval=True)


def copy_rights(tx: Connection, role: str) -> None:
    """Give the role the rights of the role that the installation used before. The previous role keeps them."""
    for grant in tx.execute(_MISSING_RIGHTS, {"role": role}).scalars().all():
        tx.exec_driver_sql(grant)


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return what Postgres stores of a password for SCRAM-SHA-256.

    `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`; RFC 5802, section 3, defines the keys, RFC 7677 the
    hash. The password is normalized as by the client (SASLprep, RFC 4013). Raises ConfigError if it contains characters
    that SASLprep prohibits, since the driver can't log in with such a password.
    """
    try:
        password = saslprep(password)
    except ScramException:
        raise ConfigError(
            "The password in DATABASE_URL contains characters that SCRAM doesn't allow, such as control characters or "
            "emoji. Choose another password."
        ) from None
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _message(error: sa.exc.DBAPIError) -> str:
    fields = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(fields.get("M", "")) if isinstance(fields, dict) else type(error).__name__


_GRANTEE = re.compile(r"\b(to|from) app\b", re.IGNORECASE)

# The previous role is the one that may insert sources. The catalog has tables, partitions and functions.
_MISSING_RIGHTS = sa.text("""
    with objects as (
      select format('table %s', oid::regclass) as name, relacl as rights, relowner as owner,
        oid = 'headwater.sources'::regclass as is_sources
      from pg_class where relnamespace = 'headwater'::regnamespace and relkind in ('r', 'p')
      union all
      select format('function %s', oid::regprocedure), proacl, proowner, false
      from pg_proc where pronamespace = 'headwater'::regnamespace),
    granted as (
      select o.name, o.owner, o.is_sources, r.grantee, r.privilege_type
      from objects o cross join lateral aclexplode(o.rights) r)
    select distinct format('grant %s on %s to %I', g.privilege_type, g.name, cast(:role as text))
    from granted g join granted s on s.is_sources and s.privilege_type = 'INSERT' and s.grantee = g.grantee
    where g.grantee <> g.owner and g.grantee <> cast(cast(:role as text) as regrole)
    and not exists (select 1 from granted own where own.is_sources and own.privilege_type = 'INSERT'
      and own.grantee = cast(cast(:role as text) as regrole))
""")
