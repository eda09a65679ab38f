"""The chat settings of a workspace: instructions for its models, and whether its members may share conversations.

Functions run in the caller's transaction.
"""

import re
from typing import Annotated

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy.engine import Connection

from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.errors import UnprocessableContent

MAX_INSTRUCTIONS_CHARS = 4_000

MAX_MAIL_DOMAINS = 50

Instructions = Annotated[str, Meta(max_length=MAX_INSTRUCTIONS_CHARS)]
MailDomains = Annotated[list[Annotated[str, Meta(max_length=253)]], Meta(max_length=MAX_MAIL_DOMAINS)]

_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")


class ChatSettings(msgspec.Struct, frozen=True):
    """`instructions` are added to each question's system prompt, after Headwater's own.

    `share_links`: members may share conversations by links. If not, existing links don't work. `mail_domains`: the
    domains to whose addresses members may have answers sent, besides those of members.
    """

    instructions: str
    share_links: bool
    mail_domains: list[str]


class ChatSettingsChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of the chat settings. Omitted fields stay as they are."""

    instructions: Instructions | UnsetType = UNSET
    share_links: bool | UnsetType = UNSET
    mail_domains: MailDomains | UnsetType = UNSET


def read_chat_settings(tx: Connection, caller: Caller) -> ChatSettings:
    """Return the settings of the caller's workspace."""
    row = tx.execute(_READ, {"workspace_id": caller.workspace_id}).one_or_none()
    if row is None:
        return ChatSettings("", share_links=True, mail_domains=[])
    return ChatSettings(row.chat_instructions, row.share_links, list(row.mail_domains))


def change_chat_settings(tx: Connection, caller: Caller, changes: ChatSettingsChanges) -> ChatSettings:
    """Change the settings of the caller's workspace. The audit log names the changed fields, not the instructions."""
    ensure_local_workspace(tx, caller.workspace_id)
    before = read_chat_settings(tx, caller)
    after = ChatSettings(
        before.instructions if changes.instructions is UNSET else changes.instructions.replace("\0", "").strip(),
        before.share_links if changes.share_links is UNSET else changes.share_links,
        before.mail_domains if changes.mail_domains is UNSET else _check_domains(changes.mail_domains),
    )
    fields = [name for name in ChatSettings.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    if fields:
        tx.execute(_WRITE, {"workspace_id": caller.workspace_id, **msgspec.structs.asdict(after)})
        audit_log.record(tx, caller, "chat.changed", caller.workspace_id, fields=fields, share_links=after.share_links)
    return after


def _check_domains(domains: list[str]) -> list[str]:
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise UnprocessableContent(f"mail_domains: {domain!r} is not a domain. Enter one such as example.com.")
    return sorted({domain.lower() for domain in domains})


_READ = sa.text("select chat_instructions, share_links, mail_domains from workspaces where id = :workspace_id")

_WRITE = sa.text("""
    update workspaces set chat_instructions = :instructions, share_links = :share_links,
      mail_domains = cast(:mail_domains as text[])
    where id = :workspace_id
""")
