"""A workspace's settings of search."""

from typing import Annotated

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace

HalfLife = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
"""Days, 0 for none."""


class SearchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How searches of a workspace rank.

    `half_life_days` prefers recent documents in searches and questions that don't have their own; 0 prefers none.
    """

    half_life_days: HalfLife


def read_settings(tx: Connection, caller: Caller) -> SearchSettings:
    """Read the settings of the caller's workspace."""
    return SearchSettings(tx.execute(_READ, {"workspace_id": caller.workspace_id}).scalar_one_or_none() or 0.0)


def write_settings(tx: Connection, caller: Caller, settings: SearchSettings) -> None:
    """Store the settings of the caller's workspace."""
    ensure_local_workspace(tx, caller.workspace_id)
    values = {"workspace_id": caller.workspace_id, "half_life_days": settings.half_life_days}
    if tx.execute(_WRITE, values).rowcount:
        audit_log.record(tx, caller, "search.changed", caller.workspace_id, half_life_days=settings.half_life_days)


_READ = sa.text("select half_life_days from workspaces where id = :workspace_id")

_WRITE = sa.text("""
    update workspaces set half_life_days = :half_life_days
    where id = :workspace_id and coalesce(half_life_days, 0) <> :half_life_days
""")
