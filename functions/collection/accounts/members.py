"""Members of a workspace and their roles: list, add, change and remove them. Describe the caller (`/api/me`).

A workspace always has an owner: the last one can't be removed or get another role. When a member loses rights, the API
keys that they created lose them too.
"""

import datetime as dt
import uuid

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection

from functions.collection.accounts import keys
from functions.collection.accounts.mcp_connections import end_connections
from functions.collection.names import Name, check_name
from headwater.auth import audit_log
from headwater.auth.callers import LOCAL, ROLES, Caller, Role, ensure_local_workspace, role_covers
from headwater.auth.user_tokens import is_subject
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import Conflict, Forbidden, NotFound, UnprocessableContent


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member to add. `subject` is the `sub` claim of the member's tokens."""

    subject: str
    role: Role = "reader"
    name: Name | None = None


class MemberChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a member. Omitted fields stay as they are."""

    role: Role | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET


class Member(msgspec.Struct, frozen=True):
    """A member of a workspace. `added_by` is the subject of the owner or API key that added the member, with its name.

    Both are null for users who signed up.
    """

    subject: str
    role: Role
    name: str | None
    created_at: dt.datetime
    added_by: str | None
    added_by_name: str | None


class MemberList(msgspec.Struct, frozen=True):
    """The members of a workspace, oldest first."""

    members: list[Member]


class Membership(msgspec.Struct, frozen=True):
    """A workspace that the caller is a member of."""

    id: uuid.UUID
    name: str
    role: Role


class Me(msgspec.Struct, frozen=True):
    """The caller, the current workspace, and all workspaces that the header `X-Workspace` may name.

    An API key has the subject `key:` and its id. `scopes` limit what it may call; an empty list means no limit.
    """

    subject: str
    name: str | None
    role: Role
    workspace_id: uuid.UUID
    workspaces: list[Membership]
    scopes: list[str]


def read_me(database: Database, caller: Caller) -> Me:
    """Describe the caller, with all workspaces that a user is a member of."""
    values = {"subject": caller.subject, "workspace_id": caller.workspace_id, "key_id": caller.key_id}
    with database.transaction(ALL_WORKSPACES) as tx:
        rows = tx.execute(_MEMBERSHIPS, values).all()
        workspace = tx.execute(_WORKSPACE, values).one_or_none()
    memberships = [Membership(row.id, row.workspace_name, row.role) for row in rows]
    names = [row.name for row in rows if row.id == caller.workspace_id]
    if not memberships:  # an API key, or the caller with AUTH_MODE=local, whose workspace may not exist yet
        memberships = [Membership(caller.workspace_id, workspace.name if workspace else LOCAL, caller.role)]
        names = [workspace.key_name] if workspace else []
    name = names[0] if names else None
    return Me(caller.subject, name, caller.role, caller.workspace_id, memberships, list(caller.scopes))


def read_members(tx: Connection, workspace_id: uuid.UUID) -> list[Member]:
    """Read a workspace's members, oldest first."""
    return [Member(**row._mapping) for row in tx.execute(_SELECT, {"workspace_id": workspace_id, "subject": None})]


def add_member(tx: Connection, caller: Caller, new: NewMember) -> Member:
    """Add a member. Raises Conflict if they are a member, UnprocessableContent for an invalid subject or name.

    Raises Forbidden for a limited API key, as `_check_may_grant` does.
    """
    if not is_subject(new.subject):
        raise UnprocessableContent("subject: enter the `sub` claim of a user of your identity provider.")
    if new.name is not None:
        check_name(new.name)
    ensure_local_workspace(tx, caller.workspace_id)
    keys.lock_workspace(tx, caller)
    _check_may_grant(tx, caller)
    values = {"workspace_id": caller.workspace_id, "subject": new.subject, "role": new.role, "name": new.name}
    if not tx.execute(_INSERT, values | {"added_by": caller.subject}).rowcount:
        raise Conflict(f"{new.subject!r} is already a member. Change the role instead.")
    audit_log.record(tx, caller, "member.added", new.subject, name=new.name, role=new.role)
    return _read(tx, caller.workspace_id, new.subject)


def change_member(tx: Connection, caller: Caller, subject: str, changes: MemberChanges) -> Member:
    """Change a member's role or name. Raises NotFound, or Conflict for the role of the last owner.

    Raises Forbidden for a limited API key that raises the role, as `_check_may_grant` does.
    """
    keys.lock_workspace(tx, caller)
    member = _read(tx, caller.workspace_id, subject)
    values = {"workspace_id": caller.workspace_id, "subject": subject}
    if changes.name not in (UNSET, member.name):
        if changes.name is not None:
            check_name(changes.name)
        tx.execute(_RENAME, {**values, "name": changes.name})
        audit_log.record(tx, caller, "member.changed", subject, name=member.name, new_name=changes.name)
    if changes.role is not UNSET and changes.role != member.role:
        if member.role == "owner":
            _check_other_owner(tx, caller.workspace_id, subject)
        if role_covers(changes.role, member.role):
            _check_may_grant(tx, caller)
        roles = {"role": changes.role, "previous_role": member.role}
        audit_log.record(tx, caller, "member.changed", subject, name=member.name, **roles)
        tx.execute(_SET_ROLE, {**values, "role": changes.role})
        higher_roles = [role for role in ROLES if ROLES.index(role) > ROLES.index(changes.role)]
        keys.revoke_member_keys(tx, caller, subject, higher_roles)
    return _read(tx, caller.workspace_id, subject)


def remove_member(tx: Connection, caller: Caller, subject: str) -> None:
    """Remove a member and revoke their API keys. Raises NotFound, or Conflict for the last owner."""
    keys.lock_workspace(tx, caller)
    member = _read(tx, caller.workspace_id, subject)
    if member.role == "owner":
        _check_other_owner(tx, caller.workspace_id, subject)
    audit_log.record(tx, caller, "member.removed", subject, name=member.name, role=member.role)
    keys.revoke_member_keys(tx, caller, subject, ROLES)
    end_connections(tx, caller.workspace_id, [subject])
    tx.execute(_DELETE, {"workspace_id": caller.workspace_id, "subject": subject})


def _check_may_grant(tx: Connection, caller: Caller) -> None:
    """Raise Forbidden for an API key with scopes or an expiry: a member it adds would have neither limit."""
    if caller.key_id is None:
        return
    expires_at = tx.execute(_EXPIRY, {"workspace_id": caller.workspace_id, "id": caller.key_id}).scalar_one()
    if caller.scopes or expires_at is not None:
        limit = f"is limited to {', '.join(caller.scopes)}" if caller.scopes else f"expires on {expires_at:%Y-%m-%d}"
        raise Forbidden(
            f"The API key {limit}. It can't add members or raise their roles, since these have no such limit. Use a "
            "key without scopes and expiry, or ask an owner of the workspace."
        )


def _read(tx: Connection, workspace_id: uuid.UUID, subject: str) -> Member:
    row = tx.execute(_SELECT, {"workspace_id": workspace_id, "subject": subject}).one_or_none()
    if row is None:
        raise NotFound(f"Member not found: {subject!r}.")
    return Member(**row._mapping)


def _check_other_owner(tx: Connection, workspace_id: uuid.UUID, subject: str) -> None:
    if not tx.execute(_OTHER_OWNER, {"workspace_id": workspace_id, "subject": subject}).scalar_one():
        raise Conflict(f"{subject!r} is the last owner of this workspace. Make another member an owner first.")


_SELECT = sa.text(f"""
    select subject, role, name, created_at, added_by, {audit_log.name_of("members.added_by")} as added_by_name
    from members
    where workspace_id = :workspace_id and (cast(:subject as text) is null or subject = :subject)
    order by created_at, subject
""")

_INSERT = sa.text("""
    insert into members (workspace_id, subject, role, name, added_by)
    values (:workspace_id, :subject, :role, :name, :added_by)
    on conflict do nothing
""")

_IS_MEMBER = "workspace_id = :workspace_id and subject = :subject"

_RENAME = sa.text(f"update members set name = :name where {_IS_MEMBER}")

_SET_ROLE = sa.text(f"update members set role = :role where {_IS_MEMBER}")

_DELETE = sa.text(f"delete from members where {_IS_MEMBER}")

_OTHER_OWNER = sa.text("""
    select exists (
      select 1 from members where workspace_id = :workspace_id and role = 'owner' and subject <> :subject
    )
""")

_EXPIRY = sa.text("select expires_at from api_keys where workspace_id = :workspace_id and id = :id")

_MEMBERSHIPS = sa.text("""
    select w.id, w.name as workspace_name, m.role, m.name
    from members m join workspaces w on w.id = m.workspace_id where m.subject = :subject order by m.created_at, w.id
""")

_WORKSPACE = sa.text("""
    select w.name, (select k.name from api_keys k where k.id = :key_id) as key_name
    from workspaces w where w.id = :workspace_id
""")
