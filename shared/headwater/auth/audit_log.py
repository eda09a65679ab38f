"""The audit log: who changed members, API keys, sources, models and the order of search
results, who shared conversations, and when.

An entry commits with the change that it describes, and is then logged as the event `audit`. Nothing can change entries;
the sweep deletes them after `KEEP_AUDIT_DAYS`.
"""

from functools import partial
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.auth.callers import Caller, Key
from headwater.database.transactions import after_commit

Action = Literal[
    "workspace.created",
    "member.added",
    "member.changed",
    "member.removed",
    "key.created",
    "key.revoked",
    "key.refused",
    "data.exported",
    "data.deleted",
    "source.created",
    "source.changed",
    "source.deleted",
    "source.token_changed",
    "source.webhook_created",
    "source.webhook_removed",
    "document.pinned",
    "document.unpinned",
    "document.hidden",
    "document.shown",
    "search.changed",
    "models.changed",
    "agents.changed",
    "chat.changed",
    "share.created",
    "share.revoked",
    "standing_question.created",
    "standing_question.changed",
    "standing_question.deleted",
    "mcp_server.added",
    "mcp_server.changed",
    "mcp_server.connected",
    "mcp_server.disconnected",
    "mcp_server.deleted",
    "budgets.changed",
    "model.registered",
    "model.building",
    "model.switched",
    "model.deleted",
]
"""What was done. `key.refused`: an expired or revoked key was used. `data.…`: all data of a
person. `document.shown`: it is no longer hidden.
`search.changed`: the workspace's settings of search.
`models.changed`, `agents.changed`: the chat models and the installed agents that it allows.
`chat.changed`: its chat settings. `share.…`: a link to a conversation.
`model.…`: an embedding model of the installation."""


def record(
    tx: Connection, caller: Caller, action: Action, target: object, *, name: str | None = None, **details: object
) -> None:
    """Add an entry to the audit log of the caller's workspace, in a `Database` transaction of it.

    `target` is the subject or id of what was changed, `name` its name. Call it before the caller's own removal: their
    name is read from the members and keys.
    """
    who: dict[str, Any] = {"workspace_id": caller.workspace_id, "actor": caller.subject}
    row = {"action": action, "target": str(target), "target_name": name, "request_id": logs.request_id.get() or None}
    tx.execute(_INSERT, {**who, **row, "details": msgspec.json.encode(details).decode()})
    after_commit(tx, partial(logs.event, "audit", change=action, target=target, details=details, **who))


def record_refusal(tx: Connection, key: Key) -> None:
    """Add an entry for the use of an expired or revoked key, at most one an hour."""
    if not tx.execute(_IS_RECORDED, {"workspace_id": key.workspace_id, "target": str(key.id)}).scalar_one():
        record(tx, key.caller, "key.refused", key.id, name=key.name, state=key.state)


def name_of(subject: str) -> str:
    """Return SQL for the name of a member or API key of the workspace `:workspace_id`, given SQL for its subject."""
    return f"""coalesce(
      (select name from members m where m.workspace_id = :workspace_id and m.subject = {subject}),
      (select name from api_keys a where a.workspace_id = :workspace_id and 'key:' || a.id = {subject}))"""


_INSERT = sa.text(f"""
    insert into audit_log (workspace_id, actor, actor_name, action, target, target_name, details, request_id)
    values (:workspace_id, :actor, {name_of(":actor")}, :action, :target, :target_name, cast(:details as jsonb),
      :request_id)
""")

_IS_RECORDED = sa.text("""
    select exists (select 1 from audit_log where workspace_id = :workspace_id and action = 'key.refused'
      and target = :target and at > now() - interval '1 hour')
""")
