"""Turns of requests at hosts, shared by all instances and job workers through the database.

Each workspace has turns of its own, as it has pauses of its own (docs/decisions/0017): a workspace that asks for a long
delay doesn't slow the others down.
"""

import uuid

import sqlalchemy as sa

from headwater.database.transactions import Database

MAX_HOST_CHARS = 253


class HostTurns:
    """Takes turns at hosts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, workspace_id: uuid.UUID, host: str, delay_s: float) -> float:
        """Take a workspace's next turn at a host. Returns the seconds until then (`outbound.pacing.Reserve`)."""
        values = {"workspace_id": workspace_id, "host": host[:MAX_HOST_CHARS], "delay_s": delay_s}
        with self._database.transaction(workspace_id) as tx:
            return float(tx.execute(_RESERVE, values).scalar_one())


# `next_at` is the first turn that isn't taken. Those of hosts that nothing is requested from any more are deleted.
_RESERVE = sa.text("""
    with old as (
      delete from host_turns where workspace_id = :workspace_id and host <> :host and next_at < now() - interval '1 day'
    )
    insert into host_turns as t (workspace_id, host, next_at)
    values (:workspace_id, :host, clock_timestamp() + make_interval(secs => cast(:delay_s as double precision)))
    on conflict (workspace_id, host) do update
      set next_at = greatest(t.next_at, clock_timestamp()) + make_interval(secs => cast(:delay_s as double precision))
    returning extract(epoch from next_at - clock_timestamp()) - cast(:delay_s as double precision)
""")
