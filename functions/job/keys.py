"""`keys`: create, list and revoke API keys.

    python -m functions.job keys create --name ci --role editor --scopes collection --expires-in-days 90
    python -m functions.job keys list
    python -m functions.job keys revoke ID

Only a new key itself goes to standard output, once. Cloud Run would store it in the logs, so there the key is created
elsewhere and `keys create --hash` stores its hash, which every deployment may repeat.
"""

import argparse
import re
import sys
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from functions.job.workspaces import (
    add_workspace_option,
    check_workspace,
    create_first_workspace,
    read_only_workspace,
    read_workspaces,
    with_database,
)
from headwater.auth.api_keys import hash_key, key_hint, make_key
from headwater.auth.callers import DEPLOYMENT, ROLES, SCOPES, Caller
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import ConfigError, Conflict, NotFound
from headwater.redaction import quote

if TYPE_CHECKING:
    from functions.collection.accounts.keys import ApiKey


def add_keys_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `keys` to the job's commands."""
    description = "Create, list and revoke API keys."
    keys = commands.add_parser("keys", help="create, list and revoke API keys", description=description)
    keys.set_defaults(log_stream=sys.stderr)  # standard output is for the key
    actions = keys.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_create(actions)
    listing = actions.add_parser("list", help="list API keys", description="List API keys, by workspace.")
    add_workspace_option(listing, "only this workspace; default: all")
    listing.set_defaults(run=with_database(list_keys))
    description = "Revoke an API key and the keys that it created."
    revoke = actions.add_parser("revoke", help="revoke an API key", description=description)
    revoke.add_argument("id", type=uuid.UUID, metavar="ID", help="id of the key, as shown by `keys list`")
    revoke.set_defaults(run=with_database(revoke_key))


def _add_create(actions: "argparse._SubParsersAction[Any]") -> None:
    description = "Create an API key and print it once, or store the hash of a key that was created elsewhere."
    create = actions.add_parser("create", help="create an API key", description=description)
    create.add_argument("--name", default="command line", help="display name; default: %(default)s")
    create.add_argument("--role", choices=ROLES, default="reader", help="default: %(default)s")
    create.add_argument(
        "--scopes", type=_scopes, default=[], metavar="NAME,…", help=f"any of {', '.join(SCOPES)}; default: all"
    )
    create.add_argument("--expires-in-days", type=_days, metavar="N", help="1 to 3650; default: never")
    create.add_argument(
        "--hash", type=_hash, metavar="HEX", help="SHA-256 of a key that was created elsewhere, in hexadecimal"
    )
    add_workspace_option(create, "workspace of the key; default: the only one")
    create.set_defaults(run=with_database(create_key))


def create_key(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    """Create a key, or store the hash of one. Creates the first workspace for an owner's key. Returns the exit code."""
    from functions.collection.accounts import keys

    if settings.cloud_run_job and options.hash is None:
        raise ConfigError("On Cloud Run the new key would be stored in the logs. Create it elsewhere and pass --hash.")
    if options.hash is not None and _is_valid(database, options.hash):
        print("this key is already stored", file=sys.stderr)
        return 0
    workspace_id = options.workspace or read_only_workspace(database)
    if workspace_id is None and options.role != "owner":
        raise NotFound("There is no workspace yet. Create an owner's key first: keys create --role owner.")
    if workspace_id is None:
        workspace_id = create_first_workspace(settings, database)
    check_workspace(database, workspace_id)
    deployment = Caller(workspace_id, DEPLOYMENT, "owner")
    new = keys.NewApiKey(options.name, options.role, options.scopes, options.expires_in_days)
    key = make_key() if options.hash is None else ""
    with database.transaction(workspace_id) as tx:
        stored = keys.store_key(tx, deployment, new, key_hash=options.hash or hash_key(key), hint=key_hint(key))
    print(f"{'created' if key else 'stored'} key {_format(stored)}\nworkspace {workspace_id}", file=sys.stderr)
    if key:
        print("Copy the key now. It is not shown again:", file=sys.stderr, flush=True)
        print(key)
    return 0


def list_keys(database: Database, _: Settings, options: argparse.Namespace) -> int:
    """Print the keys, one per line, by workspace. Returns the exit code."""
    from functions.collection.accounts import keys

    if options.workspace is not None:
        check_workspace(database, options.workspace)
    for workspace in read_workspaces(database):
        if options.workspace not in (None, workspace.id):
            continue
        print(f"workspace {workspace.id} {quote(workspace.name)}")
        with database.transaction(workspace.id) as tx:
            for key in keys.read_keys(tx, workspace.id):
                print(f"  {_format(key)}")
    return 0


def revoke_key(database: Database, _: Settings, options: argparse.Namespace) -> int:
    """Revoke a key in any workspace. Returns the exit code."""
    from functions.collection.accounts import keys

    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id = tx.execute(_WORKSPACE_OF_KEY, {"id": options.id}).scalar_one_or_none()
    if workspace_id is None:
        raise NotFound(f"API key not found: {options.id}. List keys with `keys list`.")
    with database.transaction(workspace_id) as tx:
        keys.revoke_key(tx, Caller(workspace_id, DEPLOYMENT, "owner"), options.id)
    print(f"revoked {options.id}")
    return 0


def _format(key: "ApiKey") -> str:
    """Format a key, such as `ID "ci" hw_3PJi…: editor, collection, expires 2027-02-20, used 2026-11-22`."""
    until = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
    state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else until
    used = f"used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    scopes = ", ".join(key.scopes) or "all scopes"
    return f'{key.id} "{quote(key.name)}" hw_{key.hint}…: {key.role}, {scopes}, {state}, {used}'


def _is_valid(database: Database, key_hash: bytes) -> bool:
    """Return whether a key is stored. Raises Conflict if it was revoked or has expired."""
    with database.transaction(ALL_WORKSPACES) as tx:
        is_valid = tx.execute(_IS_VALID, {"hash": key_hash}).scalar_one_or_none()
    if is_valid is False:
        raise Conflict("This key was revoked or has expired. Create another one.")
    return is_valid is not None


def _scopes(text: str) -> list[str]:
    scopes = [scope.strip() for scope in text.split(",") if scope.strip()]
    if unknown := set(scopes) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: use any of {', '.join(SCOPES)}")
    return scopes


def _days(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"{text}: enter a number from 1 to 3650")
    return int(text)


def _hash(text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("enter the 64 hexadecimal digits of a SHA-256, never the key itself")
    return bytes.fromhex(text)


_WORKSPACE_OF_KEY = sa.text("select workspace_id from api_keys where id = :id")

_IS_VALID = sa.text("""
    select revoked_at is null and coalesce(expires_at > now(), true) from api_keys where hash = :hash
""")
