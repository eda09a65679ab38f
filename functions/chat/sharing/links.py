"""Share links: create, list, revoke and open them.

A link shows a conversation as it was when it was shared, until the link expires, is revoked, its conversation is
deleted, its creator is no longer a member of the workspace, or its owners turn links off. Functions run in
the caller's transaction.
"""

import datetime as dt
import uuid
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from functions.chat.conversations.chat_settings import read_chat_settings
from functions.chat.conversations.conversations import own_values, read_conversation
from functions.chat.sharing.snapshot import SharedMessage, Snapshot, take_snapshot
from functions.chat.sharing.tokens import hash_token, make_token
from headwater.auth import audit_log
from headwater.auth.callers import Caller
from headwater.errors import Conflict, Forbidden, NotFound, UnprocessableContent

MAX_LINKS = 100
"""Links of one caller that have not expired."""

MAX_SHARED_BYTES = 2_000_000
"""Size of what a link shows, as JSON."""

MAX_LISTED = 1_000

NOT_FOUND = "This link doesn't exist, has expired or was revoked. Ask its sender for a new one."


class NewShareLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link to create. `passages`: it also shows the cited passages of documents, and their addresses."""

    expires_in_days: Annotated[int, Meta(ge=1, le=90)] = 7
    passages: bool = False


class ShareLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that has not expired. `created_by` is the subject of its creator, with their name.

    Conversations are private: for links of others, `conversation_id` and `title` are null.
    """

    id: uuid.UUID
    conversation_id: str | None
    title: str | None
    created_by: str
    created_by_name: str | None
    created_at: dt.datetime
    expires_at: dt.datetime


class CreatedShareLink(ShareLink, frozen=True, kw_only=True):
    """A new link with its token, which is returned only once.

    The web app shows the conversation at `/shared/{id}#{token}`.
    """

    token: str


class ShareLinkList(msgspec.Struct, frozen=True):
    """Share links, newest first."""

    links: list[ShareLink]


class SharedConversation(msgspec.Struct, frozen=True):
    """A conversation as it was at `shared_at`. The link works until `expires_at`."""

    title: str
    messages: list[SharedMessage]
    shared_at: dt.datetime
    expires_at: dt.datetime


def create_link(tx: Connection, caller: Caller, conversation_id: str, new: NewShareLink) -> CreatedShareLink:
    """Share a conversation of the caller as it is now.

    Raises NotFound, Forbidden if the workspace has no share links, Conflict if the caller has too many links,
    UnprocessableContent if there is nothing or too much to share.
    """
    if not read_chat_settings(tx, caller).share_links:
        raise Forbidden("An owner of this workspace has turned share links off. Export the conversation instead.")
    snapshot = take_snapshot(read_conversation(tx, caller, conversation_id), passages=new.passages)
    if not snapshot.messages:
        raise UnprocessableContent("This conversation has no messages yet. Share it after the first answer.")
    content = msgspec.json.encode(snapshot)
    if len(content) > MAX_SHARED_BYTES:
        raise UnprocessableContent(
            f"This conversation is too long to share: {len(content):,} bytes; {MAX_SHARED_BYTES:,} are allowed. "
            "Share it without passages, or export it."
        )
    token = make_token()
    values = {**own_values(caller, conversation_id), "token_hash": hash_token(token), "content": content.decode()}
    row = tx.execute(_INSERT, values | {"days": new.expires_in_days, "most": MAX_LINKS}).one_or_none()
    if row is None:
        raise Conflict(f"You have {MAX_LINKS} share links. Revoke some, or wait until they expire.")
    audit_log.record(tx, caller, "share.created", row.id, expires_at=row.expires_at, passages=new.passages)
    return CreatedShareLink(**_fields(caller, row), token=token)


def read_links(tx: Connection, caller: Caller, conversation_id: str | None = None) -> ShareLinkList:
    """Return the caller's links, optionally to one conversation; to an owner, all links of the workspace."""
    values = {
        "workspace_id": caller.workspace_id,
        "subject": caller.subject,
        "everyone": caller.role == "owner" and conversation_id is None,
        "conversation_id": None if conversation_id is None else own_values(caller, conversation_id)["conversation_id"],
    }
    return ShareLinkList([ShareLink(**_fields(caller, row)) for row in tx.execute(_SELECT, values | {"n": MAX_LISTED})])


def revoke_link(tx: Connection, caller: Caller, link_id: uuid.UUID) -> None:
    """Delete a link of the caller; as an owner, of anyone in the workspace. Raises NotFound."""
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "id": link_id}
    if tx.execute(_DELETE, values | {"everyone": caller.role == "owner"}).rowcount == 0:
        raise NotFound(f"Share link not found: {link_id}.")
    audit_log.record(tx, caller, "share.revoked", link_id)


def open_link(tx: Connection, link_id: uuid.UUID, token: str) -> SharedConversation:
    """Return the conversation that a link shows, in any workspace.

    Raises NotFound if the link or its token is not valid any more.
    """
    token_hash = hash_token(token)
    row = token_hash and tx.execute(_OPEN, {"id": link_id, "token_hash": token_hash}).one_or_none()
    if not row:
        raise NotFound(NOT_FOUND)
    snapshot = msgspec.convert(row.content, Snapshot)
    return SharedConversation(snapshot.title, snapshot.messages, row.created_at, row.expires_at)


def _fields(caller: Caller, row: Any) -> dict[str, Any]:
    """Return a link's fields as the caller may see them."""
    fields = dict(row._mapping)
    return fields if row.created_by == caller.subject else fields | {"conversation_id": None, "title": None}


_COLUMNS = f"""l.id, coalesce(c.client_id, c.id) as conversation_id, l.content ->> 'title' as title,
    c.subject as created_by, {audit_log.name_of("c.subject")} as created_by_name, l.created_at, l.expires_at"""

_OWN = "c.workspace_id = :workspace_id and c.id = :conversation_id and c.subject = :subject"

_INSERT = sa.text(f"""
    with l as (
      insert into share_links (workspace_id, conversation_id, token_hash, content, expires_at)
      select c.workspace_id, c.id, :token_hash, cast(:content as jsonb),
        now() + make_interval(days => cast(:days as integer))
      from conversations c where {_OWN} and (
        select count(*) from share_links o join conversations oc
          on oc.workspace_id = o.workspace_id and oc.id = o.conversation_id
        where oc.workspace_id = :workspace_id and oc.subject = :subject and o.expires_at > now()) < :most
      returning *)
    select {_COLUMNS} from l join conversations c on {_OWN}
""")

_SELECT = sa.text(f"""
    select {_COLUMNS} from share_links l
    join conversations c on c.workspace_id = l.workspace_id and c.id = l.conversation_id
    where l.workspace_id = :workspace_id and l.expires_at > now()
      and (cast(:everyone as boolean) or c.subject = :subject)
      and (cast(:conversation_id as text) is null or c.id = :conversation_id)
    order by l.created_at desc, l.id limit :n
""")

_DELETE = sa.text("""
    delete from share_links l using conversations c
    where l.workspace_id = :workspace_id and l.id = :id and c.workspace_id = l.workspace_id
      and c.id = l.conversation_id and (cast(:everyone as boolean) or c.subject = :subject)
""")

_OPEN = sa.text("select content, created_at, expires_at from open_share_link(:id, :token_hash)")
