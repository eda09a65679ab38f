"""Schema migrations with Alembic, and the registration of embedding models.

`python -m functions.job migrate` runs them as the owner (`DATABASE_ADMIN_URL`) before the functions start.
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
    """Migrate the schema to `transactions.REVISION` and enable the login of the role in `app_url`.

    Idempotent and safe to run concurrently. Raises ConfigError if a URL is unsuitable.
    """
    from alembic import command

    app = connect_arguments(app_url, root_certificate)
    # Supabase's poolers need the project in the user name: app.abcdefghijklmnopqrst.
    if str(app["user"]).partition(".")[0] != "app":
        raise ConfigError("DATABASE_URL must connect as the role `app`.")
    with owner_transaction(admin_url, root_certificate) as tx:
        tx.execute(_LOCK)
        tx.execute(sa.text("create extension if not exists vector schema public"))
        tx.execute(sa.text("create schema if not exists headwater"))
        _ensure_role(tx, app["password"] or "")
        command.upgrade(_alembic(tx), "head")


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
            raise ConfigError(f"EMBEDDING_DIM is {dim}, but the stored vectors of {name} have the length {model.dim}.")
        partition = f"vectors_{int(model.id)} partition of vectors for values in ({int(model.id)})"
        tx.execute(sa.text(f"create table if not exists {partition}"))


def _ensure_role(tx: Connection, password: str) -> None:
    """Create the functions' role, which owns no tables and can't bypass row-level security."""
    if not tx.execute(sa.text("select 1 from pg_roles where rolname = 'app'")).scalar():
        tx.execute(sa.text("create role app login"))
    if password:
        quoted = password.replace("'", "''")
        tx.exec_driver_sql(f"alter role app with login password '{quoted}'")
    tx.execute(sa.text("grant usage on schema headwater to app"))


def _alembic(tx: Connection) -> "Config":
    """Return Alembic's configuration, with the transaction to run migrations in."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = tx
    return config


_LOCK = sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))")
