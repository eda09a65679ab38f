"""Store questions and start their answers.

The stored history counts: of the messages a client posts, only the last is read. A new question follows the current
path. A stored question is asked again: with the same text it gets another answer, with another text it becomes another
version of the question. Nothing is deleted. Functions run in the caller's transaction.
"""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.answers.compose import Question
from functions.chat.answers.continuation import evidence_of
from functions.chat.answers.evidence import Mode
from functions.chat.answers.prompt import Turn
from functions.chat.changes.passages import Changed
from functions.chat.conversations.conversations import (
    own_values,
    read_messages,
    read_tree,
    set_current,
    shorten,
)
from functions.chat.conversations.tree import MessageTree
from functions.chat.streams import message_log
from functions.chat.streams.ui_message_stream import ModelPart, StoredPart, TextPart
from headwater.auth.callers import LOCAL, Caller, Role, ensure_local_workspace
from headwater.conversations import row_id
from headwater.errors import Conflict, NotFound, UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.usage.record import payer_of

MAX_HISTORY_MESSAGES = 100
"""Messages before a question that are read, at most."""


class Begun(NamedTuple):
    """An answer that has been started: its question, the conversation before, and what there is of it already."""

    answer: message_log.AnswerKey
    question: str
    history: list[Turn]
    text: str = ""
    parts: Sequence[StoredPart] = ()
    may_have_files: bool = True
    """False if the conversation is known to have none."""


class AnswerRequest(msgspec.Struct, frozen=True):
    """The request for an answer, which is stored with the answer.

    `model`: empty for the default. `changed`: the documents that a standing question is about. `is_titled`: the
    conversation has a title, which a language model must not replace.
    """

    subject: str
    role: Role
    filter: str
    model: str
    mode: Mode
    half_life_days: float | None = None
    continues: uuid.UUID | None = None
    changed: Changed | None = None
    is_titled: bool = False

    def caller(self, workspace_id: uuid.UUID) -> Caller:
        """Return who asked."""
        return Caller(workspace_id, self.subject, self.role)

    def question(self, caller: Caller, begun: Begun, instructions: str) -> Question:
        """Return the question to answer. `instructions` are those of the workspace."""
        return Question(
            begun.answer,
            begun.question,
            begun.history,
            self.role == "owner",
            begun=begun.text,
            may_have_files=begun.may_have_files,
            evidence=evidence_of(begun.parts),
            new_title="" if begun.history or self.is_titled else shorten(begun.question),
            half_life_days=self.half_life_days,
            filter=parse_filter(self.filter),
            mode=self.mode,
            payer=payer_of(caller),
            instructions=instructions,
            changed=self.changed,
        )


def ask(
    tx: Connection,
    caller: Caller,
    conversation_id: str,
    message_id: str,
    question: str,
    *,
    after: uuid.UUID | None = None,
) -> Begun:
    """Store a question and start its answer.

    `after` is the message that a new question follows, by default the last of the current path. Raises Conflict if an
    answer is running, NotFound if `after` is not in the conversation.
    """
    if caller.subject == LOCAL:
        ensure_local_workspace(tx, caller.workspace_id)
    values = {**own_values(caller, conversation_id), "client_id": conversation_id, "title": shorten(question)}
    # Locks the conversation's row until the transaction ends, so that questions are stored one at a time.
    conversation = tx.execute(_UPSERT, values).one()
    stored_id: str = values["conversation_id"]
    tree = read_tree(tx, caller, conversation_id)
    if tree.is_running:
        _check_idle(tx, caller, stored_id)
    values["parts"] = msgspec.json.encode([TextPart(text=question)]).decode()
    ids = message_ids(caller.workspace_id, stored_id, message_id)
    if (earlier := next(filter(tree.is_question, ids), None)) is not None:
        parent = tree.parent(earlier)
        own = tx.execute(_FIND_SAME, {**values, "ids": tree.versions(earlier), "id": earlier}).scalar_one_or_none()
        own = own or _insert(tx, values, uuid.uuid4(), parent)
    else:
        parent = _end_of(tree, conversation.current_message_id) if after is None else after
        if parent is not None and parent not in tree:
            raise NotFound(f"Message not found: {parent}.")
        own = _insert(tx, values, ids[0], parent)
    answer = _begin(tx, caller, conversation_id, own)
    history = _read_history(tx, caller, conversation_id, tree.path_to(parent))
    return Begun(answer, question, history, may_have_files=conversation.has_files)


def go_on(tx: Connection, caller: Caller, conversation_id: str, answer_id: uuid.UUID) -> Begun:
    """Start another answer to the question of an incomplete one, to continue its text.

    Raises NotFound, Conflict if an answer is running or the given one is complete, UnprocessableContent if it is an
    agent's.
    """
    set_current(tx, caller, conversation_id, answer_id)  # locks the conversation's row, as `ask` does
    tree = read_tree(tx, caller, conversation_id)
    if tree.is_running:
        _check_idle(tx, caller, row_id(caller, conversation_id))
    if answer_id not in tree or tree.is_question(answer_id):
        raise NotFound(f"Answer not found: {answer_id}.")
    [*before, question_id, _] = tree.path_to(answer_id)
    question, cut = read_messages(tx, caller, conversation_id, [question_id, answer_id])
    if cut.state == "complete":
        raise Conflict("This answer is complete. Ask for more with another question.")
    parts = msgspec.convert(cut.parts, list[StoredPart])
    if any(isinstance(part, ModelPart) and part.data.agent for part in parts):
        raise UnprocessableContent("continues: an agent's answer can't be continued. Ask for the rest.")
    answer = _begin(tx, caller, conversation_id, question_id)
    history = _read_history(tx, caller, conversation_id, before)
    return Begun(answer, _text(question.parts), history, _text(cut.parts), parts)


def _check_idle(tx: Connection, caller: Caller, stored_id: str) -> None:
    running = message_log.find_running(tx, caller.workspace_id, stored_id)
    if running and running.is_waiting:
        raise Conflict("This conversation has an answer that waits for you. Respond to it, or stop it.")
    if running:
        raise Conflict("This conversation has a running answer. Wait until it is complete, or stop it.")


def _begin(tx: Connection, caller: Caller, conversation_id: str, question_id: uuid.UUID) -> message_log.AnswerKey:
    """Start an answer to a stored question, on the current path."""
    return message_log.begin(tx, caller.workspace_id, row_id(caller, conversation_id), question_id)


def _read_history(tx: Connection, caller: Caller, conversation_id: str, path: Sequence[uuid.UUID]) -> list[Turn]:
    """Return the last messages of a path that have a text."""
    latest = path[-MAX_HISTORY_MESSAGES:]
    rows = read_messages(tx, caller, conversation_id, latest) if latest else []
    turns = [Turn(row.role, _text(row.parts)) for row in rows]
    return [turn for turn in turns if turn.text]


def read_question(tx: Connection, answer: message_log.AnswerKey, continues: uuid.UUID | None = None) -> Begun:
    """Return the question that a stored answer is for, and the conversation before it.

    `continues` is the answer that this one continues.
    """
    values = {"workspace_id": answer.workspace_id, "conversation_id": answer.conversation_id}
    tree = MessageTree((row.id, row.parent_id, row.role) for row in tx.execute(_TREE, values))
    before = tree.path_to(answer.id)[:-1][-MAX_HISTORY_MESSAGES - 1 :]
    turns = [Turn(row.role, _text(row.parts)) for row in tx.execute(_PATH, {**values, "ids": before})]
    history = [turn for turn in turns[:-1] if turn.text]
    cut = tx.execute(_PATH, {**values, "ids": [continues]}).one_or_none() if continues else None
    if cut is None:
        return Begun(answer, turns[-1].text, history)
    return Begun(answer, turns[-1].text, history, _text(cut.parts), msgspec.convert(cut.parts, list[StoredPart]))


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


def _text(parts: Sequence[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


# A conversation whose files were attached before its first question has the name of one as its title.
_UPSERT = sa.text("""
    insert into conversations as c (workspace_id, id, subject, client_id, title)
    values (:workspace_id, :conversation_id, :subject, :client_id, :title)
    on conflict (workspace_id, id) do update set updated_at = now(),
      title = case when c.current_message_id is null and exists (
          select from conversation_files f
          where f.workspace_id = c.workspace_id and f.conversation_id = c.id and left(f.name, 80) = c.title)
        then excluded.title else c.title end
    returning current_message_id, exists (
      select from conversation_files f where f.workspace_id = c.workspace_id and f.conversation_id = c.id) as has_files
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
