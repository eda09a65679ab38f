"""Create a workspace for a user who has none (`SIGN_UP=open`)."""

import uuid

import sqlalchemy as sa

from headwater.auth import audit_log
from headwater.auth.callers import Caller, find_member
from headwater.database.transactions import ALL_WORKSPACES, Database

_WORKSPACES = uuid.UUID("c1a7f2d6-3b0e-4f4e-9a55-7d1f0f6b9e21")
"""UUID namespace of workspaces created by sign-up."""

_MAX_WORKSPACES = 20
"""Maximum number of workspaces that sign-up creates for one subject, each after its removal from the last one."""


def sign_up(database: Database, issuer: str, subject: str, name: str | None) -> Caller | None:
    """Create a workspace for a subject without one and make the subject its owner. None after too many.

    The id is derived from the subject, so concurrent requests create one workspace. A subject that was removed from its
    workspace by another owner gets a new one.
    """
    for n in range(_MAX_WORKSPACES):
        workspace_id = uuid.uuid5(_WORKSPACES, f"{issuer}\n{subject}\n{n}")
        with database.transaction(workspace_id) as tx:
            values = {"id": workspace_id, "workspace_name": name or subject, "subject": subject, "name": name}
            if tx.execute(_SIGN_UP, values).rowcount:
                owner = Caller(workspace_id, subject, "owner")
                audit_log.record(tx, owner, "workspace.created", workspace_id, name=name or subject)
        with database.transaction(ALL_WORKSPACES) as tx:
            if (caller := find_member(tx, subject)) is not None:
                return caller
    return None


# Only the creator of the workspace becomes its owner; in an existing one, its owners decide.
_SIGN_UP = sa.text("""
    with created as (
      insert into workspaces (id, name) values (:id, :workspace_name) on conflict do nothing returning id
    )
    insert into members (workspace_id, subject, role, name) select id, :subject, 'owner', :name from created
    on conflict do nothing
""")
