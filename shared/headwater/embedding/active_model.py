"""Read the active embedding model, which `migrate` registers."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import NotReady


def read_active_model(tx: Connection) -> Any:
    """Return the active model's row: `id`, `name`, `dim`. Raises NotReady if there is none."""
    model = tx.execute(_ACTIVE_MODEL).one_or_none()
    if model is None:
        raise NotReady("No embedding model is registered. Run `python -m functions.job migrate`.")
    return model


_ACTIVE_MODEL = sa.text("select id, name, dim from embedding_models where state = 'active'")
