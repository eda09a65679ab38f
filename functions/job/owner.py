"""`owner`: make a user an owner of a workspace. May be repeated by every deployment.

python -m functions.job owner --subject SUB
"""

import argparse
import uuid
from typing import Any

import sqlalchemy as sa

from functions.job.workspaces import (
    add_workspace_option,
    check_workspace,
    create_first_workspace,
    read_only_workspace,
    with_database,
)
from headwater.auth.callers import DEPLOYMENT, Caller
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import Conflict


def add_owner_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `owner` to the job's commands."""
    description = "Make a user an owner of a workspace. Creates the first workspace if there is none."
    owner = commands.add_parser("owner", help="make a user an owner of a workspace", description=description)
    owner.add_argument("--subject", required=True, metavar="SUB", help="`sub` claim of the user's tokens")
    owner.add_argument("--name", help="display name of the user")
    add_workspace_option(owner, "the workspace; default: the one the user owns, else the only one")
    owner.set_defaults(run=with_database(make_owner))


def make_owner(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    """Make a user an owner of a workspace: the given one, the only one, or a new one. Returns the exit code."""
    from functions.collection.accounts import members

    if options.workspace is None and (owned := _read_owned_workspace(database, options.subject)):
        print(f"{options.subject} is already an owner of workspace {owned}")
        return 0
    workspace_id = options.workspace or read_only_workspace(database) or create_first_workspace(settings, database)
    check_workspace(database, workspace_id)
    deployment = Caller(workspace_id, DEPLOYMENT, "owner")
    with database.transaction(workspace_id) as tx:
        try:
            members.add_member(tx, deployment, members.NewMember(options.subject, "owner", options.name))
        except Conflict:
            members.change_member(tx, deployment, options.subject, members.MemberChanges("owner"))
    print(f"{options.subject} is an owner of workspace {workspace_id}")
    return 0


def _read_owned_workspace(database: Database, subject: str) -> uuid.UUID | None:
    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id: uuid.UUID | None = tx.execute(_OWNED, {"subject": subject}).scalar_one_or_none()
    return workspace_id


_OWNED = sa.text("""
    select workspace_id from members where subject = :subject and role = 'owner'
    order by created_at, workspace_id limit 1
""")
