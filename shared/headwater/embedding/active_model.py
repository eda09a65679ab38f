"""Read the active embedding model, which `migrate` registers."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.config import Settings
from headwater.database.transactions import NotReady, owner_transaction


def read_active_model(tx: Connection) -> Any:
    """Return the active model's row: `id`, `name`, `dim`. Raises NotReady if there is none."""
    model = tx.execute(_ACTIVE_MODEL).one_or_none()
    if model is None:
        raise NotReady("No embedding model is registered. Run `python -m functions.job migrate`.")
    return model


def active_model_name(settings: Settings) -> str | None:
    """Return the active model's name; None in a new installation. Connects as the owner of the database."""
    with owner_transaction(settings.database_admin_url, settings.database_root_certificate) as tx:
        model = tx.execute(_ACTIVE_MODEL).one_or_none()
        return None if model is None else str(model.name)


def registered_dim(settings: Settings, name: str) -> int | None:
    """Return the length of a registered model's vectors; None for another. Connects as the owner of the database."""
    with owner_transaction(settings.database_admin_url, settings.database_root_certificate) as tx:
        dim: int | None = tx.execute(_DIM, {"name": name}).scalar_one_or_none()
        return dim


_DIM = sa.text("select dim from embedding_models where name = :name")

_ACTIVE_MODEL = sa.text("select id, name, dim from embedding_models where state = 'active'")
