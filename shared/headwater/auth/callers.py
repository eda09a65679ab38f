"""Look up callers in the database: members by subject, API keys by hash.

A request's workspace is unknown until its caller is found, so lookups use the scope ALL_WORKSPACES, which sees all
members and API keys. Writes use the workspace's scope. A request costs one indexed query.
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
"""In ascending order; each role includes those before it."""

LOCAL = "local"
"""The subject of every caller with `AUTH_MODE=local`."""

DEPLOYMENT = "deployment"
"""The creator of keys and members created by `python -m functions.job`."""

KEY_PREFIX = "key:"
"""Prefix of the subject of a caller with an API key; the key's id follows."""

_WORKSPACES = uuid.UUID("c1a7f2d6-3b0e-4f4e-9a55-7d1f0f6b9e21")
"""UUID namespace of workspaces created by sign-up."""

_MAX_WORKSPACES = 20
"""Maximum number of workspaces that sign-up creates for one subject, each after its removal from the last one."""


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller and its workspace; `scopes` are the functions that an API key is limited to."""

    workspace_id: uuid.UUID
    subject: str
    role: Role
    scopes: tuple[str, ...] = ()

    @property
    def key_id(self) -> uuid.UUID | None:
        """The id of the caller's API key, None for a person."""
        is_key = self.subject.startswith(KEY_PREFIX)
        return uuid.UUID(self.subject.removeprefix(KEY_PREFIX)) if is_key else None


@dataclass(frozen=True)
class Key:
    """An API key; `scopes` are the functions it is limited to, empty for all."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    role: Role
    scopes: tuple[str, ...]
    state: Literal["usable", "expired", "revoked"]


def ensure_local_workspace(tx: Connection, workspace_id: uuid.UUID) -> None:
    """Create the workspace of `AUTH_MODE=local` if missing; it has no sign-up.

    With `AUTH_MODE=jwt` the workspace exists and nothing changes.
    """
    tx.execute(_ENSURE_WORKSPACE, {"id": workspace_id, "name": LOCAL})


def role_covers(role: Role, needed: Role) -> bool:
    """Return True if `role` includes the role `needed`."""
    return ROLES.index(role) >= ROLES.index(needed)


def find_member(tx: Connection, subject: str, workspace_id: uuid.UUID | None = None) -> Caller | None:
    """Return a subject as a member of a workspace, by default its oldest one. Needs the scope ALL_WORKSPACES."""
    row = tx.execute(_FIND_MEMBER, {"subject": subject, "workspace_id": workspace_id}).one_or_none()
    return None if row is None else Caller(row.workspace_id, subject, row.role)


def find_key(tx: Connection, key_hash: bytes) -> Key | None:
    """Find an API key by its hash and update its time of last use, at most once a minute. Needs ALL_WORKSPACES."""
    row = tx.execute(_FIND_KEY, {"hash": key_hash}).one_or_none()
    if row is None:
        return None
    if row.state == "usable" and row.is_due:
        tx.execute(_USE_KEY, {"id": row.id})
    return Key(row.id, row.workspace_id, row.role, tuple(row.scopes), row.state)


def find_owners(tx: Connection, workspace_id: uuid.UUID) -> list[str]:
    """Return the names of a workspace's first three owners."""
    return list(tx.execute(_OWNERS, {"workspace_id": workspace_id}).scalars())


def sign_up(database: Database, issuer: str, subject: str, name: str | None) -> Caller | None:
    """Create a workspace for a subject without one and make the subject its owner. None after too many.

    The id is derived from the subject, so concurrent requests create one workspace. A subject that was removed from its
    workspace by another owner gets a new one.
    """
    for n in range(_MAX_WORKSPACES):
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
      last_used_at is null or last_used_at < now() - interval '1 minute' as is_due
    from api_keys where hash = :hash
""")

# SKIP LOCKED: concurrent requests must not wait for each other to record the same use.
_USE_KEY = sa.text("""
    update api_keys set last_used_at = now() where id = (select id from api_keys where id = :id for update skip locked)
""")

_OWNERS = sa.text("""
    select coalesce(name, subject) from members where workspace_id = :workspace_id and role = 'owner'
    order by created_at, subject limit 3
""")

# Only the creator of the workspace becomes its owner; in an existing one, its owners decide.
_SIGN_UP = sa.text("""
    with created as (
      insert into workspaces (id, name) values (:id, :workspace_name) on conflict do nothing returning id
    )
    insert into members (workspace_id, subject, role, name) select id, :subject, 'owner', :name from created
    on conflict do nothing
""")
