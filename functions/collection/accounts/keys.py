"""API keys of a workspace: made, listed and revoked here; `headwater.auth.api_keys` knows how one looks.

A key is told once, to who made it, and its hash is what is kept. It never may more than its maker, nor lives longer
than a key that made it, and what is revoked takes the keys it made with it.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.names import check_name
from headwater.auth.api_keys import hash_key, key_hint, make_key
from headwater.auth.callers import LOCAL, Caller, Role, ensure_local_workspace, role_covers
from headwater.errors import Conflict, Forbidden, NotFound

FunctionName = Literal["chat", "collection", "embedding"]

MAX_LISTED = 1000


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made: `scopes` are the only functions that it may call (none: all of them)."""

    name: str
    role: Role = "reader"
    scopes: list[FunctionName] = []
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is listed: `hint` is its beginning after `hw_`, `created_by` the subject of who made it.

    `last_used_at` is a minute behind at most.
    """

    id: uuid.UUID
    name: str
    hint: str
    role: Role
    scopes: list[FunctionName]
    created_by: str
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None


class CreatedApiKey(ApiKey, frozen=True, kw_only=True):
    """A key that has just been made; `key` itself is told this once."""

    key: str


class ApiKeyList(msgspec.Struct, frozen=True):
    """The keys of a workspace, the newest first, revoked ones too."""

    keys: list[ApiKey]


def create_key(tx: Connection, caller: Caller, new: NewApiKey) -> CreatedApiKey:
    """Make a key for the caller's workspace; raises Forbidden for one that might more than its maker."""
    _check_still_may(tx, caller)
    key = make_key()
    stored = store_key(tx, caller, new, hash_key(key), key_hint(key))
    return CreatedApiKey(**msgspec.structs.asdict(stored), key=key)


def store_key(tx: Connection, caller: Caller, new: NewApiKey, key_hash: bytes, hint: str) -> ApiKey:
    """Store a key that was made elsewhere; raises Conflict when it is stored already."""
    check_name(new.name)
    scopes = sorted(set(new.scopes or caller.scopes))
    if not role_covers(caller.role, new.role) or (caller.scopes and not set(scopes) <= set(caller.scopes)):
        raise Forbidden(
            "A key can't make one that may more than itself; leave role and scopes as they are, or ask a person."
        )
    ensure_local_workspace(tx, caller.workspace_id)
    values = {
        "workspace_id": caller.workspace_id,
        "name": new.name.strip(),
        "hash": key_hash,
        "hint": hint,
        "role": new.role,
        "scopes": scopes,
        "created_by": caller.subject,
        "maker": caller.key_id,
        "days": new.expires_in_days,
    }
    row = tx.execute(_INSERT, values).one_or_none()
    if row is None:
        raise Conflict("This key is stored already.")
    return ApiKey(**row._mapping)


def read_keys(tx: Connection, workspace_id: uuid.UUID) -> list[ApiKey]:
    """Read the keys of a workspace."""
    rows = tx.execute(_SELECT, {"workspace_id": workspace_id, "n": MAX_LISTED})
    return [ApiKey(**row._mapping) for row in rows]


def revoke_key(tx: Connection, workspace_id: uuid.UUID, key_id: uuid.UUID) -> None:
    """Revoke a key, and those that it made; raises NotFound. What is revoked already stays so."""
    lock_workspace(tx, workspace_id)
    values = {"workspace_id": workspace_id, "id": key_id}
    if tx.execute(_EXISTS, values).one_or_none() is None:
        raise NotFound(f"No key {key_id} is here.")
    tx.execute(_REVOKE, {**values, "subject": None, "roles": []})


def revoke_member_keys(tx: Connection, workspace_id: uuid.UUID, subject: str, roles: Sequence[Role]) -> None:
    """Revoke the keys with one of these roles that somebody made, and those that these made."""
    tx.execute(_REVOKE, {"workspace_id": workspace_id, "id": None, "subject": subject, "roles": list(roles)})


def lock_workspace(tx: Connection, workspace_id: uuid.UUID) -> None:
    """Have changes of members and keys come one after the other: two owners could otherwise remove each other."""
    tx.execute(sa.text("select 1 from workspaces where id = :id for update"), {"id": workspace_id})


def _check_still_may(tx: Connection, caller: Caller) -> None:
    """Raise Forbidden for who has lost the right to make keys since they called: nobody would revoke the key then."""
    if caller.subject == LOCAL:
        return
    lock_workspace(tx, caller.workspace_id)
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "role": caller.role}
    if not tx.execute(_STILL_MAY, {**values, "key_id": caller.key_id}).scalar_one():
        raise Forbidden("What you may do here has just been changed. Ask an owner of the workspace.")


_COLUMNS = "id, name, hint, role, scopes, created_by, created_at, expires_at, revoked_at, last_used_at"

# `least` passes over nulls: a key without an end that is made by one with an end gets that.
_INSERT = sa.text(f"""
    insert into api_keys (workspace_id, name, hash, hint, role, scopes, created_by, expires_at)
    values (:workspace_id, :name, :hash, :hint, :role, cast(:scopes as text[]), :created_by,
      least(now() + make_interval(days => cast(:days as integer)),
            (select expires_at from api_keys where id = cast(:maker as uuid))))
    on conflict (hash) do nothing returning {_COLUMNS}
""")

_SELECT = sa.text(f"""
    select {_COLUMNS} from api_keys where workspace_id = :workspace_id order by created_at desc, id limit :n
""")

_STILL_MAY = sa.text("""
    select exists (select 1 from members where workspace_id = :workspace_id and subject = :subject and role = :role)
      or exists (select 1 from api_keys where workspace_id = :workspace_id and id = cast(:key_id as uuid)
        and revoked_at is null)
""")

_EXISTS = sa.text("select 1 from api_keys where workspace_id = :workspace_id and id = :id")

_REVOKE = sa.text("""
    with recursive ended (id) as (
      select id from api_keys
      where workspace_id = :workspace_id
        and (id = cast(:id as uuid) or created_by = :subject and role = any(cast(:roles as text[])))
      union
      select k.id from api_keys k join ended e on k.created_by = 'key:' || e.id
      where k.workspace_id = :workspace_id
    )
    update api_keys set revoked_at = now() from ended where api_keys.id = ended.id and revoked_at is null
""")
