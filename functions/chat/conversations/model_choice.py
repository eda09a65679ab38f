"""The chat models that a workspace allows, and the one that a conversation uses.

Functions run in the caller's transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.conversations import row_id
from headwater.errors import UnprocessableContent


class WorkspaceChat(NamedTuple):
    """What a workspace's owners have set for chats: the allowed models, None for all, and instructions."""

    allowed: list[str] | None
    instructions: str


def read_workspace_chat(tx: Connection, caller: Caller) -> WorkspaceChat:
    """Return the chat settings of the caller's workspace."""
    row = tx.execute(_READ, {"workspace_id": caller.workspace_id}).one_or_none()
    return WorkspaceChat(row.chat_models, row.chat_instructions) if row else WorkspaceChat(None, "")


def read_allowed(tx: Connection, caller: Caller) -> list[str] | None:
    """Return the models that the caller's workspace allows; None for all."""
    return read_workspace_chat(tx, caller).allowed


def write_allowed(tx: Connection, caller: Caller, allowed: Sequence[str] | None, known: Sequence[str]) -> None:
    """Store the models that the caller's workspace allows. Raises UnprocessableContent if one is unknown."""
    if allowed is not None and not set(allowed) <= set(known):
        unknown = ", ".join(sorted(set(allowed) - set(known)))
        raise UnprocessableContent(f"allowed: {unknown} is not among the models of this installation.")
    if allowed is not None and not allowed:
        raise UnprocessableContent("allowed is empty. Allow at least one model, or null for all.")
    ensure_local_workspace(tx, caller.workspace_id)
    names = None if allowed is None else list(dict.fromkeys(allowed))
    tx.execute(_WRITE, {"workspace_id": caller.workspace_id, "allowed": names})
    audit_log.record(tx, caller, "models.changed", caller.workspace_id, allowed=names)


class Remembered(NamedTuple):
    """The model of a conversation, "" for the default, its filter, and what the workspace's owners have set."""

    model: str
    filter: str
    workspace: WorkspaceChat


def remember_choices(
    tx: Connection, caller: Caller, conversation_id: str, *, model: str | None, document_filter: str | None
) -> Remembered:
    """Set the model and the filter of a conversation, unless None is given. Returns what holds then."""
    values = {
        "workspace_id": caller.workspace_id,
        "conversation_id": row_id(caller, conversation_id),
        "subject": caller.subject,
        "model": model,
        "filter": document_filter,
    }
    row = tx.execute(_REMEMBER, values).one()
    return Remembered(row.model or "", row.filter, WorkspaceChat(row.chat_models, row.chat_instructions))


_READ = sa.text("select chat_models, chat_instructions from workspaces where id = :workspace_id")

_WRITE = sa.text("update workspaces set chat_models = cast(:allowed as text[]) where id = :workspace_id")

_REMEMBER = sa.text("""
    update conversations c set model = coalesce(cast(:model as text), c.model),
      filter = coalesce(cast(:filter as text), c.filter)
    from workspaces w
    where c.workspace_id = :workspace_id and c.id = :conversation_id and c.subject = :subject and w.id = c.workspace_id
    returning c.model, c.filter, w.chat_models, w.chat_instructions
""")
