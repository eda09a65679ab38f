"""Store questions and start their answers.

The stored history counts: of the messages a client posts, only the last is read. A new question follows the current
path. A stored question is asked again: with the same text it gets another answer, with another text it becomes another
version of the question. Nothing is deleted. Functions run in the caller's transaction.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.answers.prompt import Turn
from functions.chat.conversations.conversations import own_values, read_messages, read_tree, set_current, shorten
from functions.chat.conversations.tree import MessageTree
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import TextPart
from headwater.auth.callers import LOCAL, Caller, ensure_local_workspace
from headwater.errors import Conflict, NotFound

MAX_HISTORY_MESSAGES = 100
"""Messages before a question that are read, at most."""


def ask(
    tx: Connection,
    caller: Caller,
    conversation_id: str,
    message_id: str,
    question: str,
    *,
    after: uuid.UUID | None = None,
) -> tuple[message_log.AnswerKey, list[Turn]]:
    """Store a question and start its answer. Returns the answer and the conversation before the question.

    `after` is the message that a new question follows, by default the last of the current path. Raises Conflict if an
    answer is running, NotFound if `after` is not in the conversation.
    """
    if caller.subject == LOCAL:
        ensure_local_workspace(tx, caller.workspace_id)
    values = {**own_values(caller, conversation_id), "client_id": conversation_id, "title": shorten(question)}
    # Locks the conversation's row until the transaction ends, so that questions are stored one at a time.
    current: uuid.UUID | None = tx.execute(_UPSERT, values).scalar_one()
    stored_id: str = values["conversation_id"]
    if message_log.find_running(tx, caller.workspace_id, stored_id):
        raise Conflict("This conversation has a running answer. Wait until it is complete, or stop it.")
    tree = read_tree(tx, caller, conversation_id)
    values["parts"] = msgspec.json.encode([TextPart(text=question)]).decode()
    ids = message_ids(caller.workspace_id, stored_id, message_id)
    if (earlier := next(filter(tree.is_question, ids), None)) is not None:
        parent = tree.parent(earlier)
        own = tx.execute(_FIND_SAME, {**values, "ids": tree.versions(earlier), "id": earlier}).scalar_one_or_none()
        own = own or _insert(tx, values, uuid.uuid4(), parent)
    else:
        parent = _end_of(tree, current) if after is None else after
        if parent is not None and parent not in tree:
            raise NotFound(f"Message not found: {parent}.")
        own = _insert(tx, values, ids[0], parent)
    answer = message_log.begin(tx, caller.workspace_id, stored_id, own)
    set_current(tx, caller, conversation_id, answer.id)
    before = tree.path_to(parent)[-MAX_HISTORY_MESSAGES:]
    rows = read_messages(tx, caller, conversation_id, before) if before else []
    return answer, [turn for turn in (_turn(row.role, row.parts) for row in rows) if turn.text]


def read_question(tx: Connection, answer: message_log.AnswerKey) -> tuple[str, list[Turn]]:
    """Return the question that a stored answer is for, and the conversation before it."""
    values = {"workspace_id": answer.workspace_id, "conversation_id": answer.conversation_id}
    tree = MessageTree((row.id, row.parent_id, row.role) for row in tx.execute(_TREE, values))
    before = tree.path_to(answer.id)[:-1][-MAX_HISTORY_MESSAGES - 1 :]
    turns = [_turn(row.role, row.parts) for row in tx.execute(_PATH, {**values, "ids": before})]
    return turns[-1].text, [turn for turn in turns[:-1] if turn.text]


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


def _end_of(tree: MessageTree, current: uuid.UUID | None) -> uuid.UUID | None:
    path = tree.path_through(current)
    return path[-1] if path else None


def _insert(tx: Connection, values: dict[str, Any], id_: uuid.UUID, parent: uuid.UUID | None) -> uuid.UUID:
    tx.execute(_INSERT, {**values, "id": id_, "parent_id": parent or id_})
    return id_


def _turn(role: Literal["user", "assistant"], parts: Sequence[dict[str, Any]]) -> Turn:
    return Turn(role, "\n".join(part["text"] for part in parts if part["type"] == "text"))


_UPSERT = sa.text("""
    insert into conversations (workspace_id, id, subject, client_id, title)
    values (:workspace_id, :conversation_id, :subject, :client_id, :title)
    on conflict (workspace_id, id) do update set updated_at = now()
    returning current_message_id
""")

_IN_CONVERSATION = "workspace_id = :workspace_id and conversation_id = :conversation_id"

_TREE = sa.text(f"select id, parent_id, role from messages where {_IN_CONVERSATION} order by ordinal")

_PATH = sa.text(f"""
    select role, parts from messages where {_IN_CONVERSATION} and id = any(cast(:ids as uuid[])) order by ordinal
""")

# The question itself, or else its newest version with this text.
_FIND_SAME = sa.text("""
    select id from messages
    where workspace_id = :workspace_id and conversation_id = :conversation_id and role = 'user'
      and id = any(cast(:ids as uuid[])) and parts = cast(:parts as jsonb)
    order by id = :id desc, ordinal desc limit 1
""")

_INSERT = sa.text("""
    insert into messages (id, workspace_id, conversation_id, role, parts, parent_id)
    values (:id, :workspace_id, :conversation_id, 'user', cast(:parts as jsonb), :parent_id)
""")
