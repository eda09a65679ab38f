"""Callers: a subject or a key's hash flows in, whose workspace and which role flow out of the database.

Who checks a request doesn't know the workspace yet, so these statements run as the engine, which sees members and API
keys of every workspace; writing needs the workspace's own scope. Each request costs one indexed query.
"""

import uuid
from dataclasses import dataclass
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.database.transactions import ALL_WORKSPACES, Database

Role = Literal["reader", "editor", "owner"]
ROLES: tuple[Role, ...] = ("reader", "editor", "owner")
"""Each may what those before it may."""

LOCAL = "local"
"""The subject of the only caller that `AUTH_MODE=local` knows."""

DEPLOYMENT = "deployment"
"""Who made what `python -m functions.job` made."""

KEY_PREFIX = "key:"
"""What the subject of a caller with an API key begins with; the key's id follows."""

_WORKSPACES = uuid.UUID("c1a7f2d6-3b0e-4f4e-9a55-7d1f0f6b9e21")
"""The namespace of the ids of workspaces that sign-up makes."""

_MOST_WORKSPACES = 20
"""Workspaces that one subject was removed from, after which no further one is made by itself."""


class Caller(msgspec.Struct, frozen=True):
    """Who is calling, and for which workspace; `scopes` are those of an API key, which calls these functions alone."""

    workspace_id: uuid.UUID
    subject: str
    role: Role
    scopes: tuple[str, ...] = ()

    @property
    def key_id(self) -> uuid.UUID | None:
        """The API key that calls, None for a person."""
        is_key = self.subject.startswith(KEY_PREFIX)
        return uuid.UUID(self.subject.removeprefix(KEY_PREFIX)) if is_key else None


@dataclass(frozen=True)
class Key:
    """An API key as it is when it is used; `scopes` names functions, none means all."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    role: Role
    scopes: tuple[str, ...]
    state: Literal["usable", "expired", "revoked"]


def ensure_local_workspace(tx: Connection, workspace_id: uuid.UUID) -> None:
    """Make the workspace of `AUTH_MODE=local`, which nobody signs up for, where something is first stored in it.

    With `AUTH_MODE=jwt` a caller's workspace is always there, and this changes nothing.
    """
    tx.execute(_ENSURE_WORKSPACE, {"id": workspace_id, "name": LOCAL})


def role_covers(role: Role, needed: Role) -> bool:
    """Tell whether a role may what needs another."""
    return ROLES.index(role) >= ROLES.index(needed)


def find_member(tx: Connection, subject: str, workspace_id: uuid.UUID | None = None) -> Caller | None:
    """Find a subject's membership, in a workspace or, without one, the oldest; `tx` is the engine's."""
    row = tx.execute(_FIND_MEMBER, {"subject": subject, "workspace_id": workspace_id}).one_or_none()
    return None if row is None else Caller(row.workspace_id, subject, row.role)


def find_key(tx: Connection, key_hash: bytes) -> Key | None:
    """Find an API key by its hash, and note once a minute at most that it is used; `tx` is the engine's."""
    row = tx.execute(_FIND_KEY, {"hash": key_hash}).one_or_none()
    if row is None:
        return None
    if row.state == "usable" and row.is_news:
        tx.execute(_USE_KEY, {"id": row.id})
    return Key(row.id, row.workspace_id, row.role, tuple(row.scopes), row.state)


def find_owners(tx: Connection, workspace_id: uuid.UUID) -> list[str]:
    """List what the owners of a workspace are called, the first three."""
    return list(tx.execute(_OWNERS, {"workspace_id": workspace_id}).scalars())


def sign_up(database: Database, issuer: str, subject: str, name: str | None) -> Caller | None:
    """Make a workspace of its own for a subject that is in none, and make it the owner there.

    Requests that come together make one: its id follows from the subject. A subject that another owner has removed from
    the workspace that was made for it gets a new one, never that one back. None when this has happened too often.
    """
    for n in range(_MOST_WORKSPACES):
        workspace_id = uuid.uuid5(_WORKSPACES, f"{issuer}\n{subject}\n{n}")
        with database.transaction(workspace_id) as tx:
            values = {"id": workspace_id, "workspace_name": name or subject, "subject": subject, "name": name}
            tx.execute(_SIGN_UP, values)
        with database.transaction(ALL_WORKSPACES) as tx:
            if (caller := find_member(tx, subject)) is not None:
                return caller
    return None


_ENSURE_WORKSPACE = sa.text("insert into workspaces (id, name) values (:id, :name) on conflict do nothing")

_FIND_MEMBER = sa.text("""
    select workspace_id, role from members
    where subject = :subject and (cast(:workspace_id as uuid) is null or workspace_id = cast(:workspace_id as uuid))
    order by created_at, workspace_id limit 1
""")

_FIND_KEY = sa.text("""
    select id, workspace_id, role, scopes,
      case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'usable' end
        as state,
      last_used_at is null or last_used_at < now() - interval '1 minute' as is_news
    from api_keys where hash = :hash
""")

# Requests that come together don't wait for each other to note the same.
_USE_KEY = sa.text("""
    update api_keys set last_used_at = now() where id = (select id from api_keys where id = :id for update skip locked)
""")

_OWNERS = sa.text("""
    select coalesce(name, subject) from members where workspace_id = :workspace_id and role = 'owner'
    order by created_at, subject limit 3
""")

# Only who makes the workspace becomes its owner: had it been there before, its owners would have decided.
_SIGN_UP = sa.text("""
    with made as (
      insert into workspaces (id, name) values (:id, :workspace_name) on conflict do nothing returning id
    )
    insert into members (workspace_id, subject, role, name) select id, :subject, 'owner', :name from made
    on conflict do nothing
""")
