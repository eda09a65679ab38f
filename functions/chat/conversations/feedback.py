"""Store what readers think of answers, and list the rated questions.

A conversation is private to its caller. A rating shares its question, the reason and the keys of the cited documents
with the editors of the workspace, who use them to evaluate search. Functions run in the caller's transaction.
"""

import datetime as dt
import re
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.callers import Caller
from headwater.conversations import row_id
from headwater.errors import NotFound

Rating = Literal["good", "bad"]

_CITATION = re.compile(r"\[(\d{1,3})\]")


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the reader thinks of an answer; `rating: null` takes it back."""

    rating: Rating | None
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class FeedbackQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Filter of the rated questions, and their maximum number."""

    rating: Rating | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 200


class RatedQuestion(msgspec.Struct, frozen=True):
    """A question whose answer was rated. `documents` are the keys of the documents that the answer cites."""

    question: str
    documents: list[str]
    rating: Rating
    reason: str
    answered_at: dt.datetime


class RatedQuestions(msgspec.Struct, frozen=True):
    """Rated questions, latest answers first."""

    questions: list[RatedQuestion]


def rate(tx: Connection, caller: Caller, conversation_id: str, message_id: uuid.UUID, feedback: Feedback) -> None:
    """Store a caller's rating of a complete answer of theirs. Raises NotFound."""
    values = {
        "workspace_id": caller.workspace_id,
        "subject": caller.subject,
        "conversation_id": row_id(caller, conversation_id),
        "id": message_id,
        "rating": feedback.rating,
        "reason": feedback.reason.replace("\0", "").strip() if feedback.rating else "",
    }
    if tx.execute(_RATE, values).rowcount == 0:
        raise NotFound(f"Answer not found: {message_id}.")


def read_rated_questions(tx: Connection, workspace_id: uuid.UUID, query: FeedbackQuery) -> RatedQuestions:
    """Return the rated questions of all conversations of a workspace."""
    rows = tx.execute(_RATED, {"workspace_id": workspace_id, "rating": query.rating, "n": query.limit})
    return RatedQuestions(
        [
            RatedQuestion(_text(row.question), cited_keys(row.answer), row.rating, row.rating_reason, row.created_at)
            for row in rows
        ]
    )


def cited_keys(parts: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys of the documents that an answer cites, in the order of its citations.

    Left out are the conversation's own files: ratings are seen by others.
    """
    keys = {
        part["sourceId"]: part["filename"]
        for part in parts
        if part["type"] == "source-document" and not part["providerMetadata"]["headwater"].get("conversationFile")
    }
    return list(dict.fromkeys(keys[number] for number in _CITATION.findall(_text(parts)) if number in keys))


def _text(parts: Sequence[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


_RATE = sa.text("""
    update messages m set rating = :rating, rating_reason = :reason from conversations c
    where m.workspace_id = :workspace_id and m.conversation_id = :conversation_id and m.id = :id
      and m.role = 'assistant' and m.state <> 'streaming'
      and c.workspace_id = m.workspace_id and c.id = m.conversation_id and c.subject = :subject
""")

_RATED = sa.text("""
    select question.parts as question, m.parts as answer, m.rating, m.rating_reason, m.created_at
    from messages m cross join lateral (
      select q.parts from messages q
      where q.workspace_id = m.workspace_id and q.conversation_id = m.conversation_id and q.role = 'user'
        and (q.id = m.parent_id or (m.parent_id is null and q.ordinal < m.ordinal))
      order by q.ordinal desc limit 1) question
    where m.workspace_id = :workspace_id and m.rating is not null
      and (cast(:rating as text) is null or m.rating = :rating)
    order by m.created_at desc, m.ordinal desc limit :n
""")
