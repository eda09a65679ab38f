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
    password = str(app["password"] or "")
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_LOCK)
        vector_schema = _ensure_vector(tx)
        set_search_path(tx)
        tx.execute(sa.text("create schema if not exists headwater"))
        created = ensure_role(tx, role)
        if password and (created or not can_log_in(app_url, root_certificate)):
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


def register_model(admin_url: str, name: str, dim: int, root_certificate: str = "") -> str:
    """Register the model that EMBEDDING_MODEL names. Returns the name of the active one.

    The first model becomes active. Another name than at the last call is a request to switch: the model becomes active
    at once if no text lacks a vector of it; otherwise it is built, and becomes active when it is complete. With the
    same name, what owners have activated since stays. Raises ConfigError if the model's stored vectors have another
    length than `dim`.
    """
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(sa.text("lock table embedding_models in share row exclusive mode"))
        model_id = tx.execute(_REGISTER, {"name": name, "dim": dim}).scalar_one()
        models = tx.execute(sa.text("select id, name, dim, state, is_configured from embedding_models")).all()
        (model,) = (row for row in models if row.id == model_id)
        active = next((row.name for row in models if row.state == "active"), None)
        if model.dim != dim:
            raise ConfigError(f"EMBEDDING_DIM is {dim}, but the stored vectors of {name} have the length {model.dim}.")
        tx.execute(sa.text("update embedding_models set is_configured = id = :id"), {"id": model_id})
        if model.is_configured or active == name:
            return active or name
        if not tx.execute(_ACTIVATE, {"id": model_id, "allow_missing": active is None}).scalar_one():
            logs.event("audit", actor="deployment", change="model.switched", target=name, details={"previous": active})
            return name
        tx.execute(_BUILD, {"id": model_id})
        logs.event("audit", actor="deployment", change="model.building", target=name)
        return str(active)


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


_REGISTER = sa.text("select register_embedding_model('deployment', :name, cast(:dim as integer))")

_ACTIVATE = sa.text("""
    select activate_embedding_model('deployment', cast(:id as integer), cast(:allow_missing as boolean))
""")

_BUILD = sa.text("select build_embedding_model('deployment', cast(:id as integer), true)")

_VECTOR_SCHEMA = sa.text("""
    select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'
""")

_CAN_USE_EXTENSIONS = sa.text("""
    select exists (select 1 from pg_namespace where nspname = 'extensions'
      and has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage'))
""")

_LOCK = sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))")
