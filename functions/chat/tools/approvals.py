"""When calls of an agent's tools need an approval by the person who asked: as the workspace's owner says, by tool.

Functions run in the caller's transaction.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.errors import UnprocessableContent

Approval = Literal["always", "first", "never"]
"""Each call needs one; the first call of a conversation needs one; no call does."""

MAX_NAMES = 500
"""Tools of a workspace with an approval of their own, at most."""

ToolName = Annotated[str, Meta(min_length=1, max_length=200)]


def read_approvals(tx: Connection, workspace_id: uuid.UUID) -> dict[str, Approval]:
    """Return what the workspace's owner has set, by the names of tools."""
    stored = tx.execute(_READ, {"workspace_id": workspace_id}).scalar_one_or_none()
    return msgspec.convert(stored or {}, dict[str, Approval])


def change_approvals(tx: Connection, caller: Caller, changes: Mapping[str, Approval | None]) -> None:
    """Set when calls need an approval, by the names of tools. None returns to the default."""
    ensure_local_workspace(tx, caller.workspace_id)
    tx.execute(_LOCK, {"workspace_id": caller.workspace_id})
    before = read_approvals(tx, caller.workspace_id)
    merged: dict[str, Approval | None] = {**before, **changes}
    after = {name: approval for name, approval in merged.items() if approval is not None}
    if len(after) > MAX_NAMES:
        raise UnprocessableContent(f"approvals: more than {MAX_NAMES} tools would have an approval of their own.")
    if after == before:
        return
    values = {"workspace_id": caller.workspace_id, "approvals": msgspec.json.encode(after).decode()}
    tx.execute(_WRITE, values)
    audit_log.record(tx, caller, "chat.changed", caller.workspace_id, fields=["approvals"], approvals=dict(changes))


_READ = sa.text("select tool_approvals from workspaces where id = :workspace_id")
_LOCK = sa.text("select 1 from workspaces where id = :workspace_id for update")
_WRITE = sa.text("update workspaces set tool_approvals = cast(:approvals as jsonb) where id = :workspace_id")
