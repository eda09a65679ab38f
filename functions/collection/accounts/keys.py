"""API keys of a workspace: create, list and revoke them. `headwater.auth.api_keys` defines their format.

A key is returned once, to the caller who creates it; only its hash is stored. A key can't have more rights than its
creator, nor outlive a key that created it. Revoking a key revokes the keys that it created.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.names import Name, check_name
from headwater.auth import audit_log
from headwater.auth.api_keys import hash_key, key_hint, make_key
from headwater.auth.callers import DEPLOYMENT, LOCAL, Caller, Role, Scope, ensure_local_workspace, role_covers
from headwater.errors import Conflict, Forbidden, NotFound

MAX_LISTED = 1000


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key to create. `scopes` limit what it may call: members, keys and the audit log, or a function's routes.

    An empty list means no limit.
    """

    name: Name
    role: Role = "reader"
    scopes: list[Scope] = []
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. `hint` is its beginning after `hw_`; `created_by` is the subject of its creator, with their name.

    `last_used_at` is updated at most once a minute.
    """

    id: uuid.UUID
    name: str
    hint: str
    role: Role
    scopes: list[Scope]
    created_by: str
    created_by_name: str | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None


class CreatedApiKey(ApiKey, frozen=True, kw_only=True):
    """A new API key with the key itself, which is returned only once."""

    key: str


class ApiKeyList(msgspec.Struct, frozen=True):
    """The API keys of a workspace, newest first, including revoked ones."""

    keys: list[ApiKey]


def create_key(tx: Connection, caller: Caller, new: NewApiKey) -> CreatedApiKey:
    """Create a key for the caller's workspace. Raises Forbidden if it would have more rights than the caller."""
    lock_workspace(tx, caller)
    key = make_key()
    stored = store_key(tx, caller, new, key_hash=hash_key(key), hint=key_hint(key))
    return CreatedApiKey(**msgspec.structs.asdict(stored), key=key)


def store_key(tx: Connection, caller: Caller, new: NewApiKey, *, key_hash: bytes, hint: str) -> ApiKey:
    """Store the hash of a key. Raises Forbidden as `create_key` does, and Conflict if it is already stored."""
    check_name(new.name)
    scopes = sorted(set(new.scopes or caller.scopes))
    if not role_covers(caller.role, new.role) or (caller.scopes and not set(scopes) <= set(caller.scopes)):
        raise Forbidden(
            "An API key can't create one with a higher role or more scopes. "
            "Request a lower role or fewer scopes, or ask an owner to create the key."
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
        "creator": caller.key_id,
        "days": new.expires_in_days,
    }
    row = tx.execute(_INSERT, values).one_or_none()
    if row is None:
        raise Conflict("This API key is already stored.")
    details = {"role": row.role, "scopes": row.scopes, "expires_at": row.expires_at}
    audit_log.record(tx, caller, "key.created", row.id, name=row.name, **details)
    return ApiKey(**row._mapping)


def read_keys(tx: Connection, workspace_id: uuid.UUID) -> list[ApiKey]:
    """Read a workspace's keys, newest first."""
    rows = tx.execute(_SELECT, {"workspace_id": workspace_id, "n": MAX_LISTED})
    return [ApiKey(**row._mapping) for row in rows]


def revoke_key(tx: Connection, caller: Caller, key_id: uuid.UUID) -> None:
    """Revoke a key and the keys that it created. Does nothing if it is already revoked. Raises NotFound."""
    lock_workspace(tx, caller)
    if tx.execute(_EXISTS, {"workspace_id": caller.workspace_id, "id": key_id}).one_or_none() is None:
        raise NotFound(f"API key not found: {key_id}.")
    _revoke(tx, caller, id=key_id)


def revoke_member_keys(tx: Connection, caller: Caller, subject: str, roles: Sequence[Role]) -> None:
    """Revoke a member's keys with one of these roles, and the keys that those created."""
    _revoke(tx, caller, subject=subject, roles=list(roles))


def lock_workspace(tx: Connection, caller: Caller) -> None:
    """Lock the workspace, to serialise changes of members and keys: two owners could otherwise remove each other.

    Raises Forbidden if the caller has lost its role since the request was authorised. Without the check, a member who
    is removed concurrently could add a member or create a key.
    """
    tx.execute(sa.text("select 1 from workspaces where id = :id for update"), {"id": caller.workspace_id})
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "role": caller.role}
    if (
        caller.subject in (LOCAL, DEPLOYMENT)
        or tx.execute(_HAS_RIGHTS, values | {"key_id": caller.key_id}).scalar_one()
    ):
        return
    raise Forbidden("Your rights in this workspace have just changed. Ask an owner of the workspace.")


def _revoke(tx: Connection, caller: Caller, **which: object) -> None:
    values = {"workspace_id": caller.workspace_id, "id": None, "subject": None, "roles": [], **which}
    for row in tx.execute(_REVOKE, values).all():
        audit_log.record(tx, caller, "key.revoked", row.id, name=row.name)


_COLUMNS = f"""id, name, hint, role, scopes, created_by, {audit_log.name_of("api_keys.created_by")} as created_by_name,
    created_at, expires_at, revoked_at, last_used_at"""

# `least` ignores nulls: a key without an expiry, created by a key with one, gets the creator's.
_INSERT = sa.text(f"""
    insert into api_keys (workspace_id, name, hash, hint, role, scopes, created_by, expires_at)
    values (:workspace_id, :name, :hash, :hint, :role, cast(:scopes as text[]), :created_by,
      least(now() + make_interval(days => cast(:days as integer)),
            (select expires_at from api_keys where id = cast(:creator as uuid))))
    on conflict (hash) do nothing returning {_COLUMNS}
""")

_SELECT = sa.text(f"""
    select {_COLUMNS} from api_keys where workspace_id = :workspace_id order by created_at desc, id limit :n
""")

_HAS_RIGHTS = sa.text("""
    select exists (select 1 from members where workspace_id = :workspace_id and subject = :subject and role = :role)
      or exists (select 1 from api_keys where workspace_id = :workspace_id and id = cast(:key_id as uuid)
        and revoked_at is null and coalesce(expires_at > now(), true))
""")

_EXISTS = sa.text("select 1 from api_keys where workspace_id = :workspace_id and id = :id")

_REVOKE = sa.text("""
    with recursive revoked (id) as (
      select id from api_keys
      where workspace_id = :workspace_id
        and (id = cast(:id as uuid) or created_by = :subject and role = any(cast(:roles as text[])))
      union
      select k.id from api_keys k join revoked r on k.created_by = 'key:' || r.id
      where k.workspace_id = :workspace_id
    )
    update api_keys set revoked_at = now() from revoked where api_keys.id = revoked.id and revoked_at is null
    returning api_keys.id, name
""")
