"""Migrations: an empty or older database flows in, this revision's schema flows out.

Called by `python -m functions.job migrate` as the owner (`DATABASE_ADMIN_URL`), before the functions start.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.db import create_engine
from headwater.errors import ConfigError


def upgrade(admin_url: str, app_url: str) -> None:
    """Bring the schema to `headwater.db.REVISION` and make the role that `app_url` names able to log in.

    Safe to repeat and to run twice at once. Raises ConfigError when a URL can't serve.
    """
    app = sa.make_url(app_url)
    if app.username != "app" and not (app.username or "").startswith("app."):
        raise ConfigError("DATABASE_URL must connect as the role `app`, which owns nothing.")
    engine = create_engine(admin_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('headwater.migrate'))"))
        connection.execute(sa.text("create extension if not exists vector"))
        connection.execute(sa.text("create schema if not exists headwater"))
        _ensure_role(connection, str(app.password or ""))
        connection.execute(sa.text("set local search_path = headwater, public, extensions"))
        _run_alembic(connection)
    engine.dispose()


def register_model(admin_url: str, name: str, dim: int) -> None:
    """Make `name` the active embedding model, with a partition of its own for its vectors.

    Vectors of a model that was active before are kept, so that going back costs nothing.
    """
    engine = create_engine(admin_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(sa.text("set local search_path = headwater, public, extensions"))
        connection.execute(sa.text("lock table embedding_models"))
        connection.execute(
            sa.text("update embedding_models set state = 'retired' where state = 'active' and name <> :name"),
            {"name": name},
        )
        model_id = connection.execute(
            sa.text(
                "insert into embedding_models (name, dim, state) values (:name, :dim, 'active') "
                "on conflict (name) do update set state = 'active' returning id"
            ),
            {"name": name, "dim": dim},
        ).scalar_one()
        partition = f"vectors_{int(model_id)} partition of vectors for values in ({int(model_id)})"
        connection.execute(sa.text(f"create table if not exists {partition}"))
    engine.dispose()


def _ensure_role(connection: Connection, password: str) -> None:
    """Create the role that the functions connect as: it may log in, owns nothing, bypasses nothing."""
    exists = connection.execute(sa.text("select 1 from pg_roles where rolname = 'app'")).scalar()
    if not exists:
        connection.execute(sa.text("create role app login"))
    if password:
        literal = password.replace("'", "''")
        connection.exec_driver_sql(f"alter role app with login password '{literal}'".replace("%", "%%"))
    database = connection.execute(sa.text("select quote_ident(current_database())")).scalar_one()
    path = "headwater, public, extensions"
    connection.execute(sa.text(f"alter role app in database {database} set search_path = {path}"))
    connection.execute(sa.text("grant usage on schema headwater to app"))


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
