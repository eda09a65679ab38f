"""The chat settings of a workspace: instructions for its models, and whether its members may share conversations.

Functions run in the caller's transaction.
"""

from typing import Annotated

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace

MAX_INSTRUCTIONS_CHARS = 4_000

Instructions = Annotated[str, Meta(max_length=MAX_INSTRUCTIONS_CHARS)]


class ChatSettings(msgspec.Struct, frozen=True):
    """`instructions` are added to each question's system prompt, after Headwater's own.

    `share_links`: members may share conversations by links. If not, existing links don't work.
    """

    instructions: str
    share_links: bool


class ChatSettingsChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of the chat settings. Omitted fields stay as they are."""

    instructions: Instructions | UnsetType = UNSET
    share_links: bool | UnsetType = UNSET


def read_chat_settings(tx: Connection, caller: Caller) -> ChatSettings:
    """Return the settings of the caller's workspace."""
    row = tx.execute(_READ, {"workspace_id": caller.workspace_id}).one_or_none()
    return ChatSettings(row.chat_instructions, row.share_links) if row else ChatSettings("", True)


def change_chat_settings(tx: Connection, caller: Caller, changes: ChatSettingsChanges) -> ChatSettings:
    """Change the settings of the caller's workspace. The audit log names the changed fields, not the instructions."""
    ensure_local_workspace(tx, caller.workspace_id)
    before = read_chat_settings(tx, caller)
    after = ChatSettings(
        before.instructions if changes.instructions is UNSET else changes.instructions.replace("\0", "").strip(),
        before.share_links if changes.share_links is UNSET else changes.share_links,
    )
    fields = [name for name in ChatSettings.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    if fields:
        tx.execute(_WRITE, {"workspace_id": caller.workspace_id, **msgspec.structs.asdict(after)})
        audit_log.record(tx, caller, "chat.changed", caller.workspace_id, fields=fields, share_links=after.share_links)
    return after


_READ = sa.text("select chat_instructions, share_links from workspaces where id = :workspace_id")

_WRITE = sa.text("""
    update workspaces set chat_instructions = :instructions, share_links = :share_links where id = :workspace_id
""")
