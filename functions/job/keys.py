"""Who may call, from the command line: API keys made, listed and revoked, and the first owner.

    python -m functions.job keys create --name ci --role editor --scopes collection --expires-in-days 90
    python -m functions.job keys list
    python -m functions.job keys revoke ID
    python -m functions.job owner --subject SUB

What makes something may be repeated by a deployment. Of a new key only the key itself goes to standard output, once. On
Cloud Run that would be kept in the logs, so there a key is made elsewhere, and its hash is stored by `--hash`.
"""

import argparse
import re
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from headwater.auth.api_keys import hash_key, key_hint, make_key
from headwater.auth.callers import DEPLOYMENT, ROLES, Caller
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.errors import BadRequest, ConfigError, Conflict, NotFound

if TYPE_CHECKING:
    from functions.collection.accounts.keys import ApiKey

FUNCTIONS = ("chat", "collection", "embedding")
FIRST_WORKSPACE = "main"
"""What the workspace is called that is made for the first owner."""


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `keys` and `owner` to the job's commands."""
    keys = commands.add_parser("keys", help="make, list and revoke API keys").add_subparsers(
        metavar="ACTION", required=True
    )
    create = keys.add_parser("create", help="make a key, or store the hash of one that was made elsewhere")
    create.add_argument("--name", default="command line", help="what people call it")
    create.add_argument("--role", choices=ROLES, default="reader", help="default: reader")
    create.add_argument("--scopes", type=_scopes, default=[], metavar="NAME,…", help="the only functions it may call")
    create.add_argument("--expires-in-days", type=_days, metavar="N", help="default: never")
    create.add_argument("--hash", type=_hash, metavar="HEX", help="SHA-256 of a key that was made elsewhere")
    _add_workspace(create)
    create.set_defaults(run=_opening(create_key))
    listing = keys.add_parser("list", help="list the keys of every workspace, or of one")
    _add_workspace(listing)
    listing.set_defaults(run=_opening(list_keys))
    revoke = keys.add_parser("revoke", help="revoke a key, and those that it made")
    revoke.add_argument("id", type=uuid.UUID, metavar="ID")
    revoke.set_defaults(run=_opening(revoke_key))
    owner = commands.add_parser("owner", help="make somebody an owner")
    owner.add_argument("--subject", required=True, metavar="SUB", help="the `sub` of their tokens")
    owner.add_argument("--name", help="what people call them")
    _add_workspace(owner)
    owner.set_defaults(run=_opening(make_owner))


def create_key(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    """Make or store a key; a workspace is made for the first owner's."""
    from functions.collection.accounts import keys

    if settings.cloud_run_job and options.hash is None:
        raise ConfigError("On Cloud Run a new key would be kept in the logs. Make it elsewhere and give --hash.")
    if options.hash is not None and _is_usable(database, options.hash):
        print("this key is stored already", file=sys.stderr)
        return 0
    workspace_id = options.workspace or _only_workspace(database)
    if workspace_id is None and options.role != "owner":
        raise NotFound("There is no workspace yet. Make an owner's key first: keys create --role owner.")
    if workspace_id is None:
        workspace_id = _make_workspace(settings, database)
    _check_workspace(database, workspace_id)
    maker = Caller(workspace_id, DEPLOYMENT, "owner")
    new = keys.NewApiKey(options.name, options.role, options.scopes, options.expires_in_days)
    key = make_key() if options.hash is None else ""
    with database.transaction(workspace_id) as tx:
        stored = keys.store_key(tx, maker, new, key_hash=options.hash or hash_key(key), hint=key_hint(key))
    print(f"{'made' if key else 'stored'} key {_line(stored)}\nworkspace {workspace_id}", file=sys.stderr)
    if key:
        print("This is the key. It is told this once:", file=sys.stderr, flush=True)
        print(key)
    return 0


def list_keys(database: Database, _: Settings, options: argparse.Namespace) -> int:
    """List keys, a line each, under their workspaces."""
    from functions.collection.accounts import keys

    if options.workspace is not None:
        _check_workspace(database, options.workspace)
    for workspace in _workspaces(database):
        if options.workspace not in (None, workspace.id):
            continue
        print(f"workspace {workspace.id} {workspace.name}")
        with database.transaction(workspace.id) as tx:
            for key in keys.read_keys(tx, workspace.id):
                print(f"  {_line(key)}")
    return 0


def revoke_key(database: Database, _: Settings, options: argparse.Namespace) -> int:
    """Revoke a key, whichever workspace it is of."""
    from functions.collection.accounts import keys

    with database.transaction(ALL_WORKSPACES) as tx:
        workspace_id = tx.execute(_WORKSPACE_OF_KEY, {"id": options.id}).scalar_one_or_none()
    if workspace_id is None:
        raise NotFound(f"No key {options.id} is here. `keys list` lists them.")
    with database.transaction(workspace_id) as tx:
        keys.revoke_key(tx, workspace_id, options.id)
    print(f"revoked {options.id}")
    return 0


def make_owner(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    """Make somebody an owner: of a workspace, else of the only one, else of a new one."""
    from functions.collection.accounts import members

    if options.workspace is None and (owned := _owned_by(database, options.subject)):
        print(f"{options.subject} is an owner of workspace {owned} already")
        return 0
    workspace_id = options.workspace or _only_workspace(database) or _make_workspace(settings, database)
    _check_workspace(database, workspace_id)
    with database.transaction(workspace_id) as tx:
        try:
            members.add_member(tx, workspace_id, members.NewMember(options.subject, "owner", options.name))
        except Conflict:
            members.change_member(tx, workspace_id, options.subject, members.MemberChanges("owner"))
    print(f"{options.subject} is an owner of workspace {workspace_id}")
    return 0


def _opening(run: Callable[[Database, Settings, argparse.Namespace], int]) -> Callable[..., int]:
    """Have a command run on a database that is closed again."""

    def opened(settings: Settings, options: argparse.Namespace) -> int:
        with closing(Database.from_settings(settings, pool_size=1)) as database:
            return run(database, settings, options)

    return opened


def _line(key: "ApiKey") -> str:
    """Describe a key, such as `ID "ci" hw_3PJi…: editor, collection, expires 2027-02-20, used 2026-11-22`."""
    until = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "never expires"
    state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else until
    used = f"used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
    functions = ", ".join(key.scopes) or "every function"
    return f'{key.id} "{key.name}" hw_{key.hint}…: {key.role}, {functions}, {state}, {used}'


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workspace", type=uuid.UUID, metavar="ID", help="default: the only one")


def _workspaces(database: Database) -> list[Any]:
    with database.transaction(ALL_WORKSPACES) as tx:
        return list(tx.execute(sa.text("select id, name from workspaces order by created_at, id")))


def _only_workspace(database: Database) -> uuid.UUID | None:
    """Find the workspace when there is one, None when there is none; raises BadRequest when there are several."""
    found = _workspaces(database)
    if len(found) > 1:
        several = "".join(f"\n  {workspace.id} {workspace.name}" for workspace in found[:20])
        raise BadRequest(f"There are {len(found)} workspaces; choose one by --workspace ID:{several}")
    return found[0].id if found else None


def _make_workspace(settings: Settings, database: Database) -> uuid.UUID:
    """Make the first workspace, under the id that a laptop's has: two deployments at once make one."""
    with database.transaction(settings.local_workspace_id) as tx:
        tx.execute(_MAKE_WORKSPACE, {"id": settings.local_workspace_id, "name": FIRST_WORKSPACE})
    return settings.local_workspace_id


def _check_workspace(database: Database, workspace_id: uuid.UUID) -> None:
    if workspace_id not in {workspace.id for workspace in _workspaces(database)}:
        raise NotFound(f"No workspace {workspace_id} is here. `keys list` lists them.")


def _is_usable(database: Database, key_hash: bytes) -> bool:
    """Tell whether a key is stored; raises Conflict when it is and serves no longer."""
    with database.transaction(ALL_WORKSPACES) as tx:
        usable = tx.execute(_USABLE, {"hash": key_hash}).scalar_one_or_none()
    if usable is False:
        raise Conflict("This key is stored, and was revoked or has expired. Make another.")
    return usable is not None


def _owned_by(database: Database, subject: str) -> uuid.UUID | None:
    with database.transaction(ALL_WORKSPACES) as tx:
        found: uuid.UUID | None = tx.execute(_OWNED, {"subject": subject}).scalar_one_or_none()
    return found


def _scopes(text: str) -> list[str]:
    scopes = [scope.strip() for scope in text.split(",") if scope.strip()]
    if unknown := set(scopes) - set(FUNCTIONS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(FUNCTIONS)}")
    return scopes


def _days(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 3650")
    return int(text)


def _hash(text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("expected the 64 hexadecimal digits of a SHA-256 (never the key itself)")
    return bytes.fromhex(text)


_MAKE_WORKSPACE = sa.text("insert into workspaces (id, name) values (:id, :name) on conflict do nothing")

_WORKSPACE_OF_KEY = sa.text("select workspace_id from api_keys where id = :id")

_USABLE = sa.text("""
    select revoked_at is null and coalesce(expires_at > now(), true) from api_keys where hash = :hash
""")

_OWNED = sa.text("""
    select workspace_id from members where subject = :subject and role = 'owner'
    order by created_at, workspace_id limit 1
""")
