"""Migrations: an empty or older database flows in, this revision's schema flows out.

Called by `python -m functions.job migrate` as the owner (`DATABASE_ADMIN_URL`), before the functions start.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import owner_transaction
from headwater.database.url import connect_arguments
from headwater.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config


def upgrade(admin_url: str, app_url: str, root_certificate: str = "") -> None:
    """Bring the schema to `transactions.REVISION` and let the role that `app_url` names log in.

    Safe to repeat and to run twice at once. Raises ConfigError when a URL can't serve.
    """
    from alembic import command

    app = connect_arguments(app_url, root_certificate)
    # Supabase's poolers want the project in the name: app.abcdefghijklmnopqrst.
    if str(app["user"]).partition(".")[0] != "app":
        raise ConfigError("DATABASE_URL must connect as the role `app`, which owns nothing.")
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_ALONE)
        tx.execute(sa.text("create extension if not exists vector schema public"))
        tx.execute(sa.text("create schema if not exists headwater"))
        _ensure_role(tx, app["password"] or "")
        command.upgrade(_alembic(tx), "head")


def downgrade(admin_url: str, revision: str, root_certificate: str = "") -> None:
    """Undo every migration after `revision`, with what only its tables and columns held."""
    from alembic import command

    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_ALONE)
        command.downgrade(_alembic(tx), revision)


def register_model(admin_url: str, name: str, dim: int, root_certificate: str = "") -> None:
    """Make `name` the active embedding model, with a partition of its own for its vectors.

    Vectors of a model that was active before are kept, so that going back costs nothing. Raises ConfigError when they
    have another length than `dim`.
    """
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(sa.text("lock table embedding_models"))
        tx.execute(
            sa.text("update embedding_models set state = 'retired' where state = 'active' and name <> :name"),
            {"name": name},
        )
        model = tx.execute(
            sa.text(
                "insert into embedding_models (name, dim, state) values (:name, :dim, 'active') "
                "on conflict (name) do update set state = 'active' returning id, dim"
            ),
            {"name": name, "dim": dim},
        ).one()
        if model.dim != dim:
            raise ConfigError(f"EMBEDDING_DIM: {name} has vectors of length {model.dim} here. It can't be {dim}, too.")
        partition = f"vectors_{int(model.id)} partition of vectors for values in ({int(model.id)})"
        tx.execute(sa.text(f"create table if not exists {partition}"))


def _ensure_role(tx: Connection, password: str) -> None:
    """Create the role that the functions connect as: it may log in, owns nothing, bypasses nothing."""
    if not tx.execute(sa.text("select 1 from pg_roles where rolname = 'app'")).scalar():
        tx.execute(sa.text("create role app login"))
    if password:
        literal = password.replace("'", "''")
        tx.exec_driver_sql(f"alter role app with login password '{literal}'")
    tx.execute(sa.text("grant usage on schema headwater to app"))


def _alembic(tx: Connection) -> "Config":
    """Give Alembic the migrations and a transaction to run them in."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = tx
    return config


_ALONE = sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))")
