"""Conversations: posted questions flow in, stored conversations and messages flow out.

The stored history is the truth: of what a client posts only its last message is read, which is the new question, or one
that was asked before and is to be answered anew. A conversation is its asker's alone: another caller of the same
workspace who names the same id has another conversation. Every function works in the transaction it is given.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.answers.prompt import Turn
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import StoredPart, TextPart
from headwater.auth.callers import LOCAL, Caller, ensure_local_workspace
from headwater.errors import Conflict, NotFound

MAX_TITLE_CHARS = 80
MAX_LISTED = 200


class ConversationSummary(msgspec.Struct, frozen=True):
    """A conversation in a list; `title` is its first question, shortened."""

    id: str
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime


class ConversationList(msgspec.Struct, frozen=True):
    """The conversations that were last asked something, the latest first."""

    conversations: list[ConversationSummary]


class MessageMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """How a message ended: `complete`, `stopped`, `interrupted` or `failed`; the last three keep what there was."""

    state: Literal["complete", "stopped", "interrupted", "failed"]
    created_at: dt.datetime


class UIMessage(msgspec.Struct, frozen=True):
    """A stored message, in the AI SDK's shape."""

    id: str
    role: Literal["user", "assistant"]
    parts: list[StoredPart]
    metadata: MessageMetadata


class Conversation(msgspec.Struct, frozen=True):
    """A conversation with its messages in order; an answer that is still being written isn't among them."""

    id: str
    title: str
    messages: list[UIMessage]


def row_id(caller: Caller, conversation_id: str) -> str:
    """Return under which id a caller's conversation is stored, and its answers found: no two callers' are the same.

    The laptop's caller, who is alone, has them stored under his own.
    """
    if caller.subject == LOCAL:
        return conversation_id
    return str(uuid.uuid5(caller.workspace_id, f"{caller.subject}/{conversation_id}"))


def ask(
    tx: Connection, caller: Caller, conversation_id: str, message_id: str, question: str
) -> tuple[message_log.Answer, list[Turn]]:
    """Store a question and begin its answer; returns that, and what was said before.

    A question whose id is known is asked anew: what came after it goes. Raises Conflict while an answer is written.
    """
    workspace_id, client_id = caller.workspace_id, conversation_id
    conversation_id = row_id(caller, client_id)
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    if caller.subject == LOCAL:
        ensure_local_workspace(tx, workspace_id)
    # Holds the conversation's row until the transaction ends, so that questions come one after the other.
    named = {"subject": caller.subject, "client_id": client_id, "title": shorten(question)}
    tx.execute(_ENSURE, {**values, **named})
    if message_log.find_running(tx, workspace_id, conversation_id):
        raise Conflict("An answer is still being written in this conversation. Wait for it, or stop it.")
    ids = message_ids(workspace_id, conversation_id, message_id)
    asked = {**values, "ids": ids, "id": ids[0], "parts": msgspec.json.encode([TextPart(text=question)]).decode()}
    if before := tx.execute(_FIND, asked).one_or_none():
        tx.execute(_DROP_LATER, {**values, "ordinal": before.ordinal})
        tx.execute(_ASK_AGAIN, {**asked, "id": before.id})
    else:
        tx.execute(_ASK, asked)
    history = [_turn(row.role, row.parts) for row in tx.execute(_MESSAGES, values)][:-1]
    return message_log.begin(tx, workspace_id, conversation_id), [turn for turn in history if turn.text]


def message_ids(workspace_id: uuid.UUID, conversation_id: str, message_id: str) -> list[uuid.UUID]:
    """Find which ids of ours a client's id may mean.

    Clients make ids of any form. Ours is derived from theirs, and from the conversation, so that nobody can meet
    another's; a client that has read the conversation posts ours.
    """
    if not message_id:
        return [uuid.uuid4()]
    ids = [uuid.uuid5(workspace_id, f"{conversation_id}/{message_id}")]
    try:
        return [*ids, uuid.UUID(message_id)]
    except ValueError:
        return ids


def shorten(question: str) -> str:
    """Make a title of a question: its first line's beginning, cut between words, at most 80 characters."""
    line = " ".join(question.split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    cut = line[:MAX_TITLE_CHARS]
    return (cut[: cut.rfind(" ")] if cut.rfind(" ") > MAX_TITLE_CHARS // 2 else cut[:-1]).rstrip(" ,.;:") + "…"


def read_conversations(tx: Connection, caller: Caller) -> list[ConversationSummary]:
    """List the caller's conversations, the last asked first, at most 200."""
    rows = tx.execute(_LIST, {"workspace_id": caller.workspace_id, "subject": caller.subject, "n": MAX_LISTED})
    return [ConversationSummary(**row._mapping) for row in rows]


def read_conversation(tx: Connection, caller: Caller, conversation_id: str) -> Conversation:
    """Read a conversation with its messages; raises NotFound. An answer whose writer has died is ended first."""
    title = read_title(tx, caller, conversation_id)
    values = _mine(caller, conversation_id)
    message_log.find_running(tx, caller.workspace_id, values["conversation_id"])
    messages = []
    for row in tx.execute(_MESSAGES, values):
        parts = msgspec.convert(row.parts, list[StoredPart])
        messages.append(UIMessage(str(row.id), row.role, parts, MessageMetadata(row.state, row.created_at)))
    return Conversation(conversation_id, title, messages)


def read_title(tx: Connection, caller: Caller, conversation_id: str) -> str:
    """Read a conversation's title; raises NotFound unless it is the caller's."""
    title: str | None = tx.execute(_TITLE, _mine(caller, conversation_id)).scalar_one_or_none()
    if title is None:
        raise NotFound(f"No conversation {conversation_id} is here.")
    return title


def delete_conversation(tx: Connection, caller: Caller, conversation_id: str) -> None:
    """Delete a conversation with its messages; raises NotFound."""
    if tx.execute(_DELETE, _mine(caller, conversation_id)).rowcount == 0:
        raise NotFound(f"No conversation {conversation_id} is here.")


def _mine(caller: Caller, conversation_id: str) -> dict[str, Any]:
    stored = row_id(caller, conversation_id)
    return {"workspace_id": caller.workspace_id, "conversation_id": stored, "subject": caller.subject}


def _turn(role: Literal["user", "assistant"], parts: Sequence[dict[str, Any]]) -> Turn:
    return Turn(role, "\n".join(part["text"] for part in parts if part["type"] == "text"))


_ENSURE = sa.text("""
    insert into conversations (workspace_id, id, subject, client_id, title)
    values (:workspace_id, :conversation_id, :subject, :client_id, :title)
    on conflict (workspace_id, id) do update set updated_at = now()
""")

_HERE = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_FIND = sa.text(f"""
    select id, ordinal from messages
    where {_HERE} and role = 'user' and id = any(cast(:ids as uuid[])) order by ordinal desc limit 1
""")

_DROP_LATER = sa.text(f"delete from messages where {_HERE} and ordinal > :ordinal")

_ASK_AGAIN = sa.text(f"update messages set parts = cast(:parts as jsonb) where {_HERE} and id = :id")

_ASK = sa.text("""
    insert into messages (id, workspace_id, conversation_id, role, parts)
    values (:id, :workspace_id, :conversation_id, 'user', cast(:parts as jsonb))
""")

_MESSAGES = sa.text(f"""
    select id, role, parts, state, created_at from messages where {_HERE} and state <> 'streaming' order by ordinal
""")

# `client_id` is null in what was stored before callers had names; `id` was what the client called it then.
_LIST = sa.text("""
    select coalesce(client_id, id) as id, title, created_at, updated_at from conversations
    where workspace_id = :workspace_id and subject = :subject order by updated_at desc, conversations.id limit :n
""")

_MINE = "workspace_id = :workspace_id and id = :conversation_id and subject = :subject"

_TITLE = sa.text(f"select title from conversations where {_MINE}")

_DELETE = sa.text(f"delete from conversations where {_MINE}")
