"""Pausing: a source that is paused isn't collected, by nobody, until it is resumed; its documents stay as they are.

A run that is open goes on. Whoever opens one looks first, under the same lock that pausing takes.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import Conflict

PAUSED = 'The source is paused. Resume it: PATCH /api/sources/{id} with {{"paused": false}}.'
"""What is said to whoever would collect it."""


def set_paused(tx: Connection, source_id: uuid.UUID, *, paused: bool) -> None:
    """Pause or resume a source, which must be held. Pausing again changes nothing."""
    tx.execute(_SET, {"id": source_id, "paused": paused})


def is_paused(tx: Connection, source_id: uuid.UUID) -> bool:
    """Tell whether a source is paused, and have it stay as it is until the transaction ends."""
    return bool(tx.execute(_IS_PAUSED, {"id": source_id}).scalar_one_or_none())


def check_not_paused(tx: Connection, source_id: uuid.UUID) -> None:
    """Raise Conflict for a source that is paused, and have it stay as it is until the transaction ends."""
    if is_paused(tx, source_id):
        raise Conflict(PAUSED.format(id=source_id))


_SET = sa.text("""
    update sources set paused_at = case when cast(:paused as boolean) then coalesce(paused_at, now()) end
    where id = :id
""")

# The lock that rows which refer to the source take, so that whoever opens a run waits for nobody but who holds it.
_IS_PAUSED = sa.text("select paused_at is not null from sources where id = :id for key share")
