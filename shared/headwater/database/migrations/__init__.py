"""Schema migrations with Alembic, and the registration of embedding models.

`python -m functions.job migrate` runs them as the owner (`DATABASE_ADMIN_URL`) before the functions start.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.database.role import (
    DEFAULT,
    can_log_in,
    check_name,
    copy_rights,
    ensure_role,
    ensure_usage,
    grant_to,
    set_password,
)
from headwater.database.transactions import owner_transaction, set_search_path
from headwater.database.url import connect_arguments
from headwater.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config


def upgrade(admin_url: str, app_url: str, root_certificate: str = "", *, role: str = DEFAULT) -> None:
    """Migrate the schema to `transactions.REVISION` and enable the login of `role`, the role in `app_url`.

    The role's password is set only if it can't log in. Idempotent and safe to run concurrently. Raises ConfigError if a
    URL is unsuitable.
    """
    from alembic import command

    app = connect_arguments(app_url, root_certificate)
    check_name(role, str(app["user"]))
    if connect_arguments(admin_url, root_certificate)["user"] == app["user"]:
        raise ConfigError(f"DATABASE_ADMIN_URL connects as the role `{role}`. Use the role that owns the database.")
    password = "" if can_log_in(app_url, root_certificate) else str(app["password"] or "")
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_LOCK)
        vector_schema = _ensure_vector(tx)
        set_search_path(tx)
        tx.execute(sa.text("create schema if not exists headwater"))
        ensure_role(tx, role)
        if password:
            set_password(tx, role, password)
        ensure_usage(tx, role, vector_schema)
        grant_to(tx, role)
        command.upgrade(_alembic(tx), "head")
        copy_rights(tx, role)


def downgrade(admin_url: str, revision: str, root_certificate: str = "") -> None:
    """Revert every migration after `revision`, with the data of its tables and columns."""
    from alembic import command

    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_LOCK)
        command.downgrade(_alembic(tx), revision)


def register_model(admin_url: str, name: str, dim: int, root_certificate: str = "") -> None:
    """Make `name` the active embedding model and create the partition for its vectors.

    Vectors of previously active models are kept, so that switching back is free. Raises ConfigError if the model's
    stored vectors have another length than `dim`.
    """
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(sa.text("lock table embedding_models"))
        retire = "update embedding_models set state = 'retired' where state = 'active' and name <> :name returning name"
        previous = tx.execute(sa.text(retire), {"name": name}).scalar_one_or_none()
        model = tx.execute(
            sa.text(
                "insert into embedding_models (name, dim, state) values (:name, :dim, 'active') "
                "on conflict (name) do update set state = 'active' returning id, dim"
            ),
            {"name": name, "dim": dim},
        ).one()
        if model.dim != dim:
            raise ConfigError(f"EMBEDDING_DIM is {dim}, but the stored vectors of {name} have the length {model.dim}.")
        partition = f"vectors_{int(model.id)} partition of vectors for values in ({int(model.id)})"
        tx.execute(sa.text(f"create table if not exists {partition}"))
        if previous is not None:
            tx.execute(_RECORD_SWITCH, {"name": name, "previous": previous})
            logs.event(
                "audit", actor="deployment", change="model.switched", target=name, details={"previous": previous}
            )


def _ensure_vector(tx: Connection) -> str:
    """Create pgvector if it doesn't exist; returns the name of its schema.

    Supabase has a schema `extensions` for new extensions. Everywhere else they belong in `public`.
    """
    if (schema := tx.execute(_VECTOR_SCHEMA).scalar_one_or_none()) is None:
        schema = "extensions" if tx.execute(_CAN_USE_EXTENSIONS).scalar_one() else "public"
        tx.execute(sa.text(f"create extension vector schema {schema}"))
    return str(schema)


def _alembic(tx: Connection) -> "Config":
    """Return Alembic's configuration, with the transaction to run migrations in."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = tx
    return config


# The model is the installation's, so the audit log of every workspace gets an entry.
_RECORD_SWITCH = sa.text("""
    insert into audit_log (workspace_id, actor, action, target, details)
    select id, 'deployment', 'model.switched', :name, jsonb_build_object('previous', cast(:previous as text))
    from workspaces
""")

_VECTOR_SCHEMA = sa.text("""
    select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'
""")

_CAN_USE_EXTENSIONS = sa.text("""
    select exists (select 1 from pg_namespace where nspname = 'extensions'
      and has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage'))
""")

_LOCK = sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))")
