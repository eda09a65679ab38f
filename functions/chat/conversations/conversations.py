"""Read and change conversations.

The messages of a conversation are a tree, of which one path is shown (`tree`). A conversation belongs to one caller:
another caller of the workspace who uses the same id has a different conversation. Functions run in the caller's
transaction.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType
from sqlalchemy.engine import Connection

from functions.chat.conversations.tree import MessageTree
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import StoredPart
from headwater.auth.callers import Caller
from headwater.conversations import row_id
from headwater.errors import Conflict, NotFound

MAX_TITLE_CHARS = 80


class ConversationPathQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A path of the conversation: the one through the message `at`, by default the current one."""

    at: uuid.UUID | None = None


class BranchChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message through which the current path is to lead."""

    message_id: uuid.UUID


class MessageMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """How a message ended. All states but `complete` have partial text; `cut`: the model stopped early.

    `notice` explains an answer that was cut, interrupted or failed, and says what to do. `rating` is the
    reader's, `rating_reason` what they wrote.
    `versions` are the ids of the messages that follow the same message, oldest first, this one among them: the edited
    versions of a question, or the answers to it.
    """

    state: Literal["complete", "cut", "stopped", "interrupted", "failed"]
    notice: str | None
    created_at: dt.datetime
    rating: Literal["good", "bad"] | None = None
    versions: list[str] = []
    rating_reason: str | UnsetType = UNSET


class UIMessage(msgspec.Struct, frozen=True):
    """A stored message, in the AI SDK's shape."""

    id: str
    role: Literal["user", "assistant"]
    parts: list[StoredPart]
    metadata: MessageMetadata


class Conversation(msgspec.Struct, frozen=True):
    """A conversation with the messages of one path in order, without an answer that is still running.

    `filter` is that of the last question that had one.
    """

    id: str
    title: str
    filter: str
    messages: list[UIMessage]


def shorten(question: str) -> str:
    """Return a title for a question: its first 80 characters at most, cut between words."""
    line = " ".join(question.split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    cut = line[:MAX_TITLE_CHARS]
    return (cut[: cut.rfind(" ")] if cut.rfind(" ") > MAX_TITLE_CHARS // 2 else cut[:-1]).rstrip(" ,.;:") + "…"


def read_conversation(
    tx: Connection,
    caller: Caller,
    conversation_id: str,
    at: uuid.UUID | None = None,
    rewrite: message_log.Rewrite | None = None,
) -> Conversation:
    """Return a conversation with the messages of the current path, or of the path through the message `at`.

    Has `rewrite` an answer whose writer has died. Raises NotFound.
    """
    conversation = _find_conversation(tx, caller, conversation_id)
    values = own_values(caller, conversation_id)
    message_log.find_running(tx, caller.workspace_id, values["conversation_id"], rewrite)
    tree = read_tree(tx, caller, conversation_id)
    if at is not None and at not in tree:
        raise NotFound(f"Message not found: {at}.")
    path = tree.path_through(at or conversation.current_message_id)
    messages = [
        UIMessage(str(row.id), row.role, msgspec.convert(row.parts, list[StoredPart]), _metadata(row, tree))
        for row in read_messages(tx, caller, conversation_id, path)
    ]
    return Conversation(conversation_id, conversation.title, conversation.filter, messages)


def _metadata(row: Any, tree: MessageTree) -> MessageMetadata:
    versions = [str(version) for version in tree.versions(row.id)]
    return MessageMetadata(row.state, row.notice, row.created_at, row.rating, versions, row.rating_reason or UNSET)


def choose_branch(tx: Connection, caller: Caller, conversation_id: str, message_id: uuid.UUID) -> None:
    """Make the path through a message the current one. Raises NotFound, Conflict while an answer is running."""
    values = own_values(caller, conversation_id)
    # Locks the conversation's row: no question is stored at the same time.
    if tx.execute(_SET_CURRENT, {**values, "message_id": message_id}).rowcount == 0:
        raise NotFound(f"Conversation not found: {conversation_id}.")
    if message_log.find_running(tx, caller.workspace_id, values["conversation_id"]):
        raise Conflict("This conversation has a running answer. Wait until it is complete, or stop it.")
    if message_id not in read_tree(tx, caller, conversation_id):
        raise NotFound(f"Message not found: {message_id}.")


def set_current(tx: Connection, caller: Caller, conversation_id: str, message_id: uuid.UUID) -> None:
    """Let the current path lead through this message of the conversation."""
    tx.execute(_SET_CURRENT, {**own_values(caller, conversation_id), "message_id": message_id})


def read_tree(tx: Connection, caller: Caller, conversation_id: str) -> MessageTree:
    """Return the tree of a conversation's messages; an empty one if the caller has no such conversation."""
    rows = tx.execute(_TREE, own_values(caller, conversation_id)).all()
    is_running = any(row.is_running for row in rows)
    return MessageTree(((row.id, row.parent_id, row.role) for row in rows), is_running=is_running)


def read_messages(tx: Connection, caller: Caller, conversation_id: str, ids: Sequence[uuid.UUID]) -> list[sa.Row[Any]]:
    """Return the rows of these messages of a conversation in their order, without a running answer."""
    return list(tx.execute(_MESSAGES, {**own_values(caller, conversation_id), "ids": list(ids)}))


def read_title(tx: Connection, caller: Caller, conversation_id: str) -> str:
    """Return a conversation's title. Raises NotFound if the caller has no such conversation."""
    title: str = _find_conversation(tx, caller, conversation_id).title
    return title


def _find_conversation(tx: Connection, caller: Caller, conversation_id: str) -> sa.Row[Any]:
    row = tx.execute(_CONVERSATION, own_values(caller, conversation_id)).one_or_none()
    if row is None:
        raise NotFound(f"Conversation not found: {conversation_id}.")
    return row


def delete_conversation(tx: Connection, caller: Caller, conversation_id: str) -> None:
    """Delete a conversation with its messages. Raises NotFound."""
    if tx.execute(_DELETE, own_values(caller, conversation_id)).rowcount == 0:
        raise NotFound(f"Conversation not found: {conversation_id}.")


def own_values(caller: Caller, conversation_id: str) -> dict[str, Any]:
    """Return the parameters that select a conversation of the caller."""
    row = row_id(caller, conversation_id)
    return {"workspace_id": caller.workspace_id, "conversation_id": row, "subject": caller.subject}


_IN_CONVERSATION = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_TREE = sa.text(f"""
    select id, parent_id, role, state = 'streaming' as is_running from messages
    where {_IN_CONVERSATION} order by ordinal
""")

_MESSAGES = sa.text(f"""
    select id, role, parts, state, notice, created_at, rating, rating_reason from messages
    where {_IN_CONVERSATION} and id = any(cast(:ids as uuid[])) and state <> 'streaming' order by ordinal
""")

_OWN = "workspace_id = :workspace_id and id = :conversation_id and subject = :subject"

_CONVERSATION = sa.text(f"select title, filter, current_message_id from conversations where {_OWN}")

_SET_CURRENT = sa.text(f"update conversations set current_message_id = :message_id where {_OWN}")

_DELETE = sa.text(f"delete from conversations where {_OWN}")
