"""The installed agents that a workspace allows, and the one that a conversation uses.

Functions run in the caller's transaction.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.agents.discovery import find_agent
from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.conversations import row_id
from headwater.errors import PermanentError, UnprocessableContent


def read_allowed(tx: Connection, caller: Caller) -> list[str] | None:
    """Return the agents that the caller's workspace allows; None for all."""
    allowed: list[str] | None = tx.execute(_READ, {"workspace_id": caller.workspace_id}).scalar_one_or_none()
    return allowed


def write_allowed(tx: Connection, caller: Caller, allowed: Sequence[str] | None, known: Sequence[str]) -> None:
    """Store the agents that the caller's workspace allows. Raises UnprocessableContent if one is unknown.

    One that was allowed before and is not installed any more may stay.
    """
    ensure_local_workspace(tx, caller.workspace_id)
    if unknown := {*(allowed or ())} - {*known} - {*(read_allowed(tx, caller) or ())}:
        raise UnprocessableContent(f"allowed: {', '.join(sorted(unknown))} is not among the installed agents.")
    names = None if allowed is None else list(dict.fromkeys(allowed))
    tx.execute(_WRITE, {"workspace_id": caller.workspace_id, "allowed": names})
    audit_log.record(tx, caller, "agents.changed", caller.workspace_id, allowed=names)


def choose_agent(tx: Connection, caller: Caller, conversation_id: str, given: str | None, folder: str) -> str:
    """Return the agent of a conversation's next answer, "" for the built-in one, and remember it.

    `given` is None for the one before. Raises UnprocessableContent if it is not installed, or not allowed.
    """
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "given": given}
    values["conversation_id"] = row_id(caller, conversation_id)
    name: str = tx.execute(_REMEMBER, values).scalar_one()
    if name:
        check_agent(tx, caller, name, folder)
    return name


def check_agent(tx: Connection, caller: Caller, name: str, folder: str) -> None:
    """Raise UnprocessableContent if an agent is not installed, or the caller's workspace does not allow it."""
    allowed = read_allowed(tx, caller)
    if allowed is not None and name not in allowed:
        raise UnprocessableContent(f"agent: this workspace does not allow {name}. Choose another one.")
    try:
        find_agent(name, folder)
    except PermanentError as error:
        raise UnprocessableContent(f"agent: {error.message}") from error


_READ = sa.text("select agents from workspaces where id = :workspace_id")

_WRITE = sa.text("update workspaces set agents = cast(:allowed as text[]) where id = :workspace_id")

_REMEMBER = sa.text("""
    update conversations set agent = coalesce(cast(:given as text), agent)
    where workspace_id = :workspace_id and id = :conversation_id and subject = :subject
    returning agent
""")
