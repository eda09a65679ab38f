"""Pause and resume a source. No run of a paused source opens; an open run continues, and documents stay searchable.

Opening a run checks this under the source's lock, so that it can't race with pausing.
"""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import Conflict

PAUSED = 'The source is paused. Resume it first: PATCH /api/sources/{id} with {{"paused": false}}.'
"""Message of the error for a run of a paused source."""


def set_paused(tx: Connection, source_id: uuid.UUID, *, paused: bool) -> None:
    """Pause or resume a source. Does nothing if it is so already. The caller holds the source's lock."""
    tx.execute(_SET, {"id": source_id, "paused": paused})


def is_paused(tx: Connection, source_id: uuid.UUID) -> bool:
    """Return whether a source is paused. Locks the source, as `lock_source` does."""
    return bool(tx.execute(_IS_PAUSED, {"id": source_id}).scalar_one_or_none())


def check_not_paused(tx: Connection, source_id: uuid.UUID) -> None:
    """Raise Conflict if a source is paused. Locks the source, as `lock_source` does."""
    if is_paused(tx, source_id):
        raise Conflict(PAUSED.format(id=source_id))


_SET = sa.text("""
    update sources set paused_at = case when cast(:paused as boolean) then coalesce(paused_at, now()) end
    where id = :id
""")

_IS_PAUSED = sa.text("select paused_at is not null from sources where id = :id for no key update")
