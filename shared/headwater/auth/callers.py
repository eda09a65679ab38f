"""Look up callers in the database: members by subject, API keys by hash.

A request's workspace is unknown until its caller is found, so lookups use the scope ALL_WORKSPACES, which sees all
members and API keys. A request costs one indexed query.
"""

import uuid
from dataclasses import dataclass
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

Role = Literal["reader", "editor", "owner"]
ROLES: tuple[Role, ...] = ("reader", "editor", "owner")
"""In ascending order; each role includes those before it."""

Scope = Literal["accounts", "chat", "collection", "embedding"]
SCOPES: tuple[Scope, ...] = ("accounts", "chat", "collection", "embedding")
"""What an API key can be limited to: members, keys and the audit log, or the other routes of a function."""

RequiredScope = Scope | Literal["", "any"]
"""The scope of a route: the function's name if empty; `any` admits every key."""

LOCAL = "local"
"""The subject of every caller with `AUTH_MODE=local`."""

DEPLOYMENT = "deployment"
"""The creator of keys and members created by `python -m functions.job`."""

KEY_PREFIX = "key:"
"""Prefix of the subject of a caller with an API key; the key's id follows."""


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller and its workspace; `scopes` are those that an API key is limited to."""

    workspace_id: uuid.UUID
    subject: str
    role: Role
    scopes: tuple[Scope, ...] = ()

    @property
    def key_id(self) -> uuid.UUID | None:
        """The id of the caller's API key, None for a person."""
        is_key = self.subject.startswith(KEY_PREFIX)
        return uuid.UUID(self.subject.removeprefix(KEY_PREFIX)) if is_key else None


@dataclass(frozen=True)
class Key:
    """An API key; `scopes` are those it is limited to, empty for all. `is_due`: its use is to be recorded."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    name: str
    role: Role
    scopes: tuple[Scope, ...]
    state: Literal["usable", "expired", "revoked"]
    is_due: bool

    @property
    def caller(self) -> Caller:
        """The caller with this key."""
        return Caller(self.workspace_id, f"{KEY_PREFIX}{self.id}", self.role, self.scopes)


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
    """Find an API key by its hash. Needs the scope ALL_WORKSPACES."""
    row = tx.execute(_FIND_KEY, {"hash": key_hash}).one_or_none()
    return None if row is None else Key(**{**row._mapping, "scopes": tuple(row.scopes)})


def record_use(tx: Connection, key: Key) -> None:
    """Update a key's time of last use. Needs the scope of its workspace."""
    tx.execute(_USE_KEY, {"id": key.id})


def find_owners(tx: Connection, workspace_id: uuid.UUID) -> list[str]:
    """Return the names of a workspace's first three owners."""
    return list(tx.execute(_OWNERS, {"workspace_id": workspace_id}).scalars())


_ENSURE_WORKSPACE = sa.text("insert into workspaces (id, name) values (:id, :name) on conflict do nothing")

_FIND_MEMBER = sa.text("""
    select workspace_id, role from members
    where subject = :subject and (cast(:workspace_id as uuid) is null or workspace_id = cast(:workspace_id as uuid))
    order by created_at, workspace_id limit 1
""")

_FIND_KEY = sa.text("""
    select id, workspace_id, name, role, scopes,
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
