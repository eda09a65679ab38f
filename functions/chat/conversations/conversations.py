"""Store and read conversations.

The stored history counts: of the messages a client posts, only the last is read. It is a new question, or an earlier
one to answer again. A conversation belongs to one caller: another caller of the workspace who uses the same id has a
different conversation. Functions run in the caller's transaction.
"""

import datetime as dt
import re
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
from headwater.errors import Conflict, NotFound, UnprocessableContent

MAX_TITLE_CHARS = 80


class MessageMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """How a message ended. All states but `complete` have partial text; `cut`: the model stopped early.

    `notice` explains an answer that was cut, interrupted or failed, and says what to do. `rating` is the reader's.
    """

    state: Literal["complete", "cut", "stopped", "interrupted", "failed"]
    notice: str | None
    created_at: dt.datetime
    rating: Literal["good", "bad"] | None = None


class UIMessage(msgspec.Struct, frozen=True):
    """A stored message, in the AI SDK's shape."""

    id: str
    role: Literal["user", "assistant"]
    parts: list[StoredPart]
    metadata: MessageMetadata


class Conversation(msgspec.Struct, frozen=True):
    """A conversation with its messages in order, without an answer that is still running.

    `filter` is that of the last question that had one.
    """

    id: str
    title: str
    filter: str
    messages: list[UIMessage]


def check_conversation_id(conversation_id: str) -> str:
    """Return the id if it is valid. Raises UnprocessableContent."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", conversation_id):
        raise UnprocessableContent("A conversation id has 1 to 64 letters, digits, hyphens and underscores.")
    return conversation_id


def row_id(caller: Caller, conversation_id: str) -> str:
    """Return the id under which a caller's conversation is stored, unique among all callers.

    In local mode there is one caller, and the id is the client's own.
    """
    if caller.subject == LOCAL:
        return conversation_id
    return str(uuid.uuid5(caller.workspace_id, f"{caller.subject}/{conversation_id}"))


def ask(
    tx: Connection, caller: Caller, conversation_id: str, message_id: str, question: str
) -> tuple[message_log.AnswerKey, list[Turn]]:
    """Store a question and start its answer. Returns the answer and the conversation before the question.

    A question with a stored id is asked again: later messages are deleted. Raises Conflict if an answer is running.
    """
    workspace_id, client_id = caller.workspace_id, conversation_id
    conversation_id = row_id(caller, client_id)
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    if caller.subject == LOCAL:
        ensure_local_workspace(tx, workspace_id)
    # Locks the conversation's row until the transaction ends, so that questions are stored one at a time.
    columns = {"subject": caller.subject, "client_id": client_id, "title": shorten(question)}
    tx.execute(_UPSERT, {**values, **columns})
    if message_log.find_running(tx, workspace_id, conversation_id):
        raise Conflict("This conversation has a running answer. Wait until it is complete, or stop it.")
    ids = message_ids(workspace_id, conversation_id, message_id)
    message = {**values, "ids": ids, "id": ids[0], "parts": msgspec.json.encode([TextPart(text=question)]).decode()}
    if earlier := tx.execute(_FIND, message).one_or_none():
        tx.execute(_DELETE_LATER, {**values, "ordinal": earlier.ordinal})
        tx.execute(_UPDATE_QUESTION, {**message, "id": earlier.id})
    else:
        tx.execute(_INSERT_QUESTION, message)
    history = [_turn(row.role, row.parts) for row in tx.execute(_MESSAGES, values)][:-1]
    return message_log.begin(tx, workspace_id, conversation_id), [turn for turn in history if turn.text]


def remember_filter(tx: Connection, caller: Caller, conversation_id: str, given: str | None) -> str:
    """Set the filter of a conversation, unless None is given; returns the conversation's filter."""
    values = {**own_values(caller, conversation_id), "given": given}
    remembered: str = tx.execute(_REMEMBER_FILTER, values).scalar_one()
    return remembered


def message_ids(workspace_id: uuid.UUID, conversation_id: str, message_id: str) -> list[uuid.UUID]:
    """Return the stored ids that a client's message id may refer to.

    Clients choose ids of any form. The stored id is derived from the client's and the conversation, so that ids of
    different callers never collide. A client that has read the conversation posts the stored id.
    """
    if not message_id:
        return [uuid.uuid4()]
    ids = [uuid.uuid5(workspace_id, f"{conversation_id}/{message_id}")]
    try:
        return [*ids, uuid.UUID(message_id)]
    except ValueError:
        return ids


def shorten(question: str) -> str:
    """Return a title for a question: its first 80 characters at most, cut between words."""
    line = " ".join(question.split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    cut = line[:MAX_TITLE_CHARS]
    return (cut[: cut.rfind(" ")] if cut.rfind(" ") > MAX_TITLE_CHARS // 2 else cut[:-1]).rstrip(" ,.;:") + "…"


def read_conversation(tx: Connection, caller: Caller, conversation_id: str) -> Conversation:
    """Return a conversation with its messages. Raises NotFound. Ends an answer whose writer has died."""
    conversation = _find_conversation(tx, caller, conversation_id)
    values = own_values(caller, conversation_id)
    message_log.find_running(tx, caller.workspace_id, values["conversation_id"])
    messages = []
    for row in tx.execute(_MESSAGES, values):
        parts = msgspec.convert(row.parts, list[StoredPart])
        messages.append(UIMessage(str(row.id), row.role, parts, _metadata(row)))
    return Conversation(conversation_id, conversation.title, conversation.filter, messages)


def _metadata(row: Any) -> MessageMetadata:
    return MessageMetadata(row.state, row.notice, row.created_at, row.rating)


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


def _turn(role: Literal["user", "assistant"], parts: Sequence[dict[str, Any]]) -> Turn:
    return Turn(role, "\n".join(part["text"] for part in parts if part["type"] == "text"))


_UPSERT = sa.text("""
    insert into conversations (workspace_id, id, subject, client_id, title)
    values (:workspace_id, :conversation_id, :subject, :client_id, :title)
    on conflict (workspace_id, id) do update set updated_at = now()
""")

_IN_CONVERSATION = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_FIND = sa.text(f"""
    select id, ordinal from messages
    where {_IN_CONVERSATION} and role = 'user' and id = any(cast(:ids as uuid[])) order by ordinal desc limit 1
""")

_DELETE_LATER = sa.text(f"delete from messages where {_IN_CONVERSATION} and ordinal > :ordinal")

_UPDATE_QUESTION = sa.text(f"update messages set parts = cast(:parts as jsonb) where {_IN_CONVERSATION} and id = :id")

_INSERT_QUESTION = sa.text("""
    insert into messages (id, workspace_id, conversation_id, role, parts)
    values (:id, :workspace_id, :conversation_id, 'user', cast(:parts as jsonb))
""")

_MESSAGES = sa.text(f"""
    select id, role, parts, state, notice, created_at, rating from messages
    where {_IN_CONVERSATION} and state <> 'streaming' order by ordinal
""")

_OWN = "workspace_id = :workspace_id and id = :conversation_id and subject = :subject"

_CONVERSATION = sa.text(f"select title, filter from conversations where {_OWN}")

_REMEMBER_FILTER = sa.text(f"""
    update conversations set filter = coalesce(cast(:given as text), filter) where {_OWN} returning filter
""")

_DELETE = sa.text(f"delete from conversations where {_OWN}")
