"""The permissions with which a standing question is asked: those that its owner has at that moment."""

import uuid

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.callers import LOCAL, Caller, role_covers
from headwater.config import Settings


class OwnerLost(Exception):
    """The owner may not ask any more. The message says why."""


def find_owner(tx: Connection, workspace_id: uuid.UUID, subject: str, settings: Settings) -> Caller:
    """Return the owner of a standing question as a caller. Raises OwnerLost."""
    if subject == LOCAL and settings.auth_mode == "local":
        return Caller(workspace_id, LOCAL, "owner")
    caller = Caller(workspace_id, subject, "reader")
    if caller.key_id is not None:
        row = tx.execute(_KEY, {"workspace_id": workspace_id, "id": caller.key_id}).one_or_none()
        if row is None or not row.is_usable:
            raise OwnerLost("The API key that created this standing question has expired or was revoked.")
        if row.scopes and "chat" not in row.scopes:
            raise OwnerLost("The API key that created this standing question may not use `chat` any more.")
        found = Caller(workspace_id, subject, row.role, tuple(row.scopes))
    else:
        role = tx.execute(_MEMBER, {"workspace_id": workspace_id, "subject": subject}).scalar_one_or_none()
        if role is None:
            raise OwnerLost("Its owner is not a member of this workspace any more.")
        found = Caller(workspace_id, subject, role)
    if not role_covers(found.role, "editor"):
        raise OwnerLost("Its owner has no longer the role editor, which standing questions need.")
    return found


_MEMBER = sa.text("select role from members where workspace_id = :workspace_id and subject = :subject")

_KEY = sa.text("""
    select role, scopes, revoked_at is null and coalesce(expires_at > now(), true) as is_usable from api_keys
    where workspace_id = :workspace_id and id = :id
""")
