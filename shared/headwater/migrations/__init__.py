"""Migrations: an empty or older database flows in, this revision's schema flows out.

Called by `python -m functions.job migrate` as the owner (`DATABASE_ADMIN_URL`), before the functions start.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.address import connect_arguments
from headwater.db import owner_transaction
from headwater.errors import ConfigError


def upgrade(admin_url: str, app_url: str, root_certificate: str = "") -> None:
    """Bring the schema to `headwater.db.REVISION` and make the role that `app_url` names able to log in.

    Safe to repeat and to run twice at once. Raises ConfigError when a URL can't serve.
    """
    app = connect_arguments(app_url, root_certificate)
    # Supabase's poolers want the project in the name: app.abcdefghijklmnopqrst.
    if str(app["user"]).partition(".")[0] != "app":
        raise ConfigError("DATABASE_URL must connect as the role `app`, which owns nothing.")
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))"))
        tx.execute(sa.text("create extension if not exists vector schema public"))
        tx.execute(sa.text("create schema if not exists headwater"))
        _ensure_role(tx, app["password"] or "")
        _run_alembic(tx)


def register_model(admin_url: str, name: str, dim: int, root_certificate: str = "") -> None:
    """Make `name` the active embedding model, with a partition of its own for its vectors.

    Vectors of a model that was active before are kept, so that going back costs nothing.
    """
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(sa.text("lock table embedding_models"))
        tx.execute(
            sa.text("update embedding_models set state = 'retired' where state = 'active' and name <> :name"),
            {"name": name},
        )
        model_id = tx.execute(
            sa.text(
                "insert into embedding_models (name, dim, state) values (:name, :dim, 'active') "
                "on conflict (name) do update set state = 'active' returning id"
            ),
            {"name": name, "dim": dim},
        ).scalar_one()
        partition = f"vectors_{int(model_id)} partition of vectors for values in ({int(model_id)})"
        tx.execute(sa.text(f"create table if not exists {partition}"))


def _ensure_role(tx: Connection, password: str) -> None:
    """Create the role that the functions connect as: it may log in, owns nothing, bypasses nothing."""
    if not tx.execute(sa.text("select 1 from pg_roles where rolname = 'app'")).scalar():
        tx.execute(sa.text("create role app login"))
    if password:
        literal = password.replace("'", "''")
        tx.exec_driver_sql(f"alter role app with login password '{literal}'")
    tx.execute(sa.text("grant usage on schema headwater to app"))


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
