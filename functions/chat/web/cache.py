"""Cache what was read from the web: a workspace's search results, robots.txt files and texts of pages.

Entries expire after `WEB_CACHE_HOURS`; the tick deletes expired ones. A workspace has at most `MAX_BYTES`: the oldest
entries make room. Functions run in the caller's transaction.
"""

import hashlib
import uuid
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

MAX_BYTES = 32_000_000
"""Of a workspace's entries together."""

MAX_ENTRY_BYTES = 1_000_000
"""Larger ones are not stored."""


def cache_key(kind: str, *names: str) -> bytes:
    """Return the key of an entry: what was asked for, hashed."""
    return hashlib.sha256("\0".join((kind, *names)).encode(errors="replace")).digest()


def read_entries(tx: Connection, workspace_id: uuid.UUID, keys: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the entries that have not expired, by key."""
    rows = tx.execute(_READ, {"workspace_id": workspace_id, "keys": list(keys)})
    return {bytes(row.key): bytes(row.value) for row in rows}


def write_entries(tx: Connection, workspace_id: uuid.UUID, entries: Mapping[bytes, bytes], hours: float) -> None:
    """Store entries, and delete the oldest beyond the limit."""
    rows = [
        {"workspace_id": workspace_id, "key": key, "value": value, "hours": hours}
        for key, value in sorted(entries.items())  # two answers lock the same rows in the same order
        if len(value) <= MAX_ENTRY_BYTES
    ]
    for row in rows:
        tx.execute(_WRITE, row)
    if rows:
        tx.execute(_TRIM, {"workspace_id": workspace_id, "max_bytes": MAX_BYTES})


_READ = sa.text("""
    select key, value from web_cache
    where workspace_id = :workspace_id and key = any(cast(:keys as bytea[])) and expires_at > now()
""")

_WRITE = sa.text("""
    insert into web_cache (workspace_id, key, value, expires_at)
    values (:workspace_id, :key, :value, now() + make_interval(secs => 3600 * cast(:hours as float)))
    on conflict (workspace_id, key) do update set value = excluded.value, expires_at = excluded.expires_at
""")

# `skip locked`: another answer may be writing an entry.
_TRIM = sa.text("""
    delete from web_cache where workspace_id = :workspace_id and key in (
      select key from web_cache where workspace_id = :workspace_id and key in (
        select key from (
          select key, sum(octet_length(value)) over (order by expires_at desc, key) as total
          from web_cache where workspace_id = :workspace_id) sized
        where total > :max_bytes)
      for update skip locked)
""")
