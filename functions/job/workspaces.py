"""Choose the workspace of a command, or create the first one."""

import argparse
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import BadRequest, NotFound
from headwater.redaction import quote

FIRST_WORKSPACE = "main"
"""Name of the workspace that is created for the first owner."""

_MAX_LISTED = 20

Command = Callable[[Database, Settings, argparse.Namespace], int]


def with_database(command: Command) -> Callable[[Settings, argparse.Namespace], int]:
    """Return a function that runs a command with a database connection and closes it afterwards."""

    def run(settings: Settings, options: argparse.Namespace) -> int:
        with closing(Database.from_settings(settings, pool_size=1)) as database:
            return command(database, settings, options)

    return run


def add_workspace_option(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--workspace ID`."""
    parser.add_argument("--workspace", type=uuid.UUID, metavar="ID", help=help_text)


def read_workspaces(database: Database) -> list[Any]:
    """Read the id and name of all workspaces, oldest first."""
    with database.transaction(ALL_WORKSPACES) as tx:
        return list(tx.execute(sa.text("select id, name from workspaces order by created_at, id")))


def read_only_workspace(database: Database) -> uuid.UUID | None:
    """Return the id of the only workspace, or None if there is none. Raises BadRequest if there are several."""
    workspaces = read_workspaces(database)
    if len(workspaces) > 1:
        choices = "".join(f"\n  {workspace.id} {quote(workspace.name)}" for workspace in workspaces[:_MAX_LISTED])
        raise BadRequest(f"There are {len(workspaces)} workspaces. Choose one with --workspace ID:{choices}")
    return workspaces[0].id if workspaces else None


def create_first_workspace(settings: Settings, database: Database) -> uuid.UUID:
    """Create the first workspace and return its id. The id is fixed, so that concurrent deployments create one."""
    with database.transaction(settings.local_workspace_id) as tx:
        tx.execute(_INSERT, {"id": settings.local_workspace_id, "name": FIRST_WORKSPACE})
    return settings.local_workspace_id


def check_workspace(database: Database, workspace_id: uuid.UUID) -> None:
    """Raise NotFound if there is no such workspace."""
    if workspace_id not in {workspace.id for workspace in read_workspaces(database)}:
        raise NotFound(f"Workspace not found: {workspace_id}. List workspaces with `keys list`.")


_INSERT = sa.text("insert into workspaces (id, name) values (:id, :name) on conflict do nothing")
