"""List the questions that were declined, because nothing relevant was found: they show what the documents lack."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.auth.callers import Caller

MAX_DECLINED = 500


class DeclinedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days back, and how many questions at most."""

    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 30
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_DECLINED)] = 100


class DeclinedQuestion(msgspec.Struct, frozen=True):
    """A question, what was searched for, and where. Who asked is not said."""

    question: str
    query: str
    mode: Literal["documents", "web", "both"]
    asked_at: dt.datetime


class DeclinedQuestions(msgspec.Struct, frozen=True):
    """Declined questions, latest first. `total`: how many there are in these days."""

    total: int
    questions: list[DeclinedQuestion]


def read_declined(tx: Connection, caller: Caller, query: DeclinedQuery, *, everyone: bool) -> DeclinedQuestions:
    """Return the declined questions of a caller; with `everyone`, of the whole workspace."""
    values = {
        "workspace_id": caller.workspace_id,
        "subject": caller.subject,
        "everyone": everyone,
        "days": query.days,
        "n": query.limit,
    }
    rows = tx.execute(_DECLINED, values).all()
    return DeclinedQuestions(
        rows[0].total if rows else 0,
        [
            DeclinedQuestion(_text(row.question), declined["query"], declined["mode"], row.created_at)
            for row in rows
            for declined in [_declined(row.answer)]
        ],
    )


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _declined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return next(part["data"] for part in parts if part["type"] == "data-declined")


# Uses the partial index ix_messages_declined.
_DECLINED = sa.text("""
    select m.parts as answer, m.created_at, count(*) over () as total, q.parts as question
    from messages m
    join conversations c on c.workspace_id = m.workspace_id and c.id = m.conversation_id
    join messages q on q.workspace_id = m.workspace_id and q.id = m.parent_id
    where m.workspace_id = :workspace_id and m.parts @> '[{"type": "data-declined"}]'
      and m.created_at > now() - make_interval(days => :days) and (:everyone or c.subject = :subject)
    order by m.created_at desc limit :n
""")
