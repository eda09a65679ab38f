"""The log of an answer: events flow in as it is written, and flow out to whoever follows it, on any instance.

An answer is a row of `messages` that is `streaming`, under a lease that its writer keeps renewing; the database's clock
alone counts. Whoever ends it (its writer, a stop, a reader that finds the writer dead) does all of it in one
transaction: the last events, the state, and the message's parts. Every function works in the transaction it is given.
"""

import uuid
from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.streams.ui_message_stream import ErrorPart, Event, Part, closing, encode, fold

LEASE_S = 30
"""How long a writer may give no sign of life; a client that takes nothing off it can hold it up, too."""

Ending = Literal["complete", "stopped", "interrupted", "failed"]

INTERRUPTED = ErrorPart("This answer was interrupted. What there is of it is kept; ask again for a whole one.")


class Ended(Exception):
    """Somebody else has ended this answer: it was stopped, given up or deleted."""


class Answer(msgspec.Struct, frozen=True):
    """Which answer."""

    workspace_id: uuid.UUID
    conversation_id: str
    id: uuid.UUID


def begin(tx: Connection, workspace_id: uuid.UUID, conversation_id: str) -> Answer:
    """Begin an answer in a conversation in which none is running; the events of earlier ones go."""
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id, "lease_s": LEASE_S}
    tx.execute(_DROP_EVENTS, values)
    return Answer(workspace_id, conversation_id, tx.execute(_BEGIN, values).scalar_one())


def find_running(tx: Connection, workspace_id: uuid.UUID, conversation_id: str) -> Answer | None:
    """Find the answer that is being written in a conversation; one whose writer has died is ended first."""
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    row = tx.execute(_RUNNING, values).one_or_none()
    if row is None:
        return None
    answer = Answer(workspace_id, conversation_id, row.id)
    # Looked at again under a lock: the writer may have come back to life between.
    if row.dead and tx.execute(_LOCK_DEAD, {"workspace_id": workspace_id, "id": row.id}).one_or_none():
        end(tx, answer, "interrupted", INTERRUPTED)
        return None
    return answer


def find_last(tx: Connection, workspace_id: uuid.UUID, conversation_id: str) -> tuple[Answer | None, bool]:
    """Find the last answer of a conversation, and tell whether it is still open, be its writer alive or dead."""
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    row = tx.execute(_LAST, values).one_or_none()
    return (None, False) if row is None else (Answer(workspace_id, conversation_id, row.id), row.open)


def append(tx: Connection, answer: Answer, parts: Sequence[Part]) -> list[Event]:
    """Add parts to a running answer and renew its lease; returns their events, raises Ended."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "lease_s": LEASE_S}
    if tx.execute(_RENEW, values).rowcount == 0:
        raise Ended
    return _add(tx, answer, [encode(part) for part in parts])


def end(tx: Connection, answer: Answer, ending: Ending, last: Part) -> list[Event]:
    """End a running answer with `last`; returns the events that this added, raises Ended if it had ended already."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id}
    if tx.execute(_LOCK, values).one_or_none() is None:
        raise Ended
    data = [event.data for event in read(tx, answer)]
    parts = msgspec.json.encode(fold(data)).decode()
    tx.execute(_END, {**values, "state": ending, "parts": parts})
    return _add(tx, answer, closing(data, last))


def read(tx: Connection, answer: Answer, after: int = 0) -> list[Event]:
    """Read the events of an answer whose numbers are over `after`."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "after": after}
    return [Event(row.seq, row.data) for row in tx.execute(_READ, values)]


def _add(tx: Connection, answer: Answer, data: Sequence[str]) -> list[Event]:
    """Number events on and store them; we hold the lock on the message's row, so nobody else numbers them too."""
    if not data:
        return []
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "data": list(data)}
    return sorted(Event(row.seq, row.data) for row in tx.execute(_ADD, values))


_DROP_EVENTS = sa.text("""
    delete from message_events e using messages m
    where m.workspace_id = :workspace_id and m.conversation_id = :conversation_id
      and e.message_id = m.id and e.workspace_id = :workspace_id
""")

_BEGIN = sa.text("""
    insert into messages (workspace_id, conversation_id, role, state, alive_until)
    values (:workspace_id, :conversation_id, 'assistant', 'streaming',
      clock_timestamp() + make_interval(secs => cast(:lease_s as float)))
    returning id
""")

_RUNNING = sa.text("""
    select id, alive_until < clock_timestamp() as dead from messages
    where workspace_id = :workspace_id and conversation_id = :conversation_id and state = 'streaming'
""")

_LAST = sa.text("""
    select id, state = 'streaming' as open from messages
    where workspace_id = :workspace_id and conversation_id = :conversation_id and role = 'assistant'
    order by ordinal desc limit 1
""")

_RENEW = sa.text("""
    update messages set alive_until = clock_timestamp() + make_interval(secs => cast(:lease_s as float))
    where workspace_id = :workspace_id and id = :id and state = 'streaming'
""")

_LOCK = sa.text("""
    select 1 from messages where workspace_id = :workspace_id and id = :id and state = 'streaming' for update
""")

_LOCK_DEAD = sa.text("""
    select 1 from messages
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and alive_until < clock_timestamp()
    for update
""")

_END = sa.text("""
    update messages set state = :state, parts = cast(:parts as jsonb), alive_until = null
    where workspace_id = :workspace_id and id = :id
""")

_READ = sa.text("""
    select seq, data from message_events
    where workspace_id = :workspace_id and message_id = :id and seq > :after order by seq
""")

_ADD = sa.text("""
    insert into message_events (message_id, workspace_id, seq, data)
    select :id, :workspace_id, n + (
      select coalesce(max(seq), 0) from message_events where workspace_id = :workspace_id and message_id = :id), data
    from unnest(cast(:data as text[])) with ordinality as new (data, n)
    returning seq, data
""")
