"""The event log of an answer: its writer appends, any instance reads.

An answer is a row of `messages` in state `streaming`, with a lease that its writer renews. Its writer, a stop request,
or a reader that finds the lease expired ends it: last events, state and the message's parts in one transaction.

An answer that lost its writer while no client was reading is written again by a step of the queue `chat`
(`answer_queue`). Each new writer increments `writing`, which stops the one before, and begins the log again, with
numbers above all earlier ones. Such an answer has no lease of its own: the step has one.

Functions run in the caller's transaction. All times come from the database clock.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.streams.end_signal import signal_end
from functions.chat.streams.message_parts import closing_events, fold, without_unfinished
from functions.chat.streams.ui_message_stream import (
    CutMetadata,
    ErrorPart,
    Event,
    FinishPart,
    Part,
    encode,
)
from headwater.database.transactions import after_commit, json_rows

LEASE_S = 30
"""Seconds without a renewal after which a writer counts as dead. A client that does not read can block its writer."""

MAX_EVENTS = 1_000_000
"""Events of one writing of an answer, at most. The numbers of the next writing begin above."""

Ending = Literal["complete", "cut", "stopped", "interrupted", "failed"]

INTERRUPTED = ErrorPart("This answer was interrupted and is incomplete. Ask again for a complete one.")


SHUT_DOWN = ErrorPart("The server closed the connection. Open the conversation again to see the rest of the answer.")
"""Ends a stream whose answer goes on."""


class AnswerEnded(Exception):
    """The answer was already stopped, interrupted or deleted by another request, or has another writer."""


class AnswerKey(msgspec.Struct, frozen=True):
    """Identifies an answer, and how often its writing has begun. `is_waiting`: for the person, so no step writes it."""

    workspace_id: uuid.UUID
    conversation_id: str
    id: uuid.UUID
    writing: int = 1
    is_waiting: bool = False


Rewrite = Callable[[Connection, AnswerKey], bool]
"""Has an answer written again. Returns False if that can't be."""


def begin(tx: Connection, workspace_id: uuid.UUID, conversation_id: str, question_id: uuid.UUID) -> AnswerKey:
    """Start an answer to a question of a conversation without a running one, on its current path.

    Deletes the events of earlier answers.
    """
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id, "lease_s": LEASE_S}
    values["question_id"] = question_id
    return AnswerKey(workspace_id, conversation_id, tx.execute(_BEGIN, values).scalar_one())


def remember_request(tx: Connection, answer: AnswerKey, request: bytes, first: Sequence[Part] = ()) -> list[Event]:
    """Store the request for an answer as JSON, so that it can be written again, and the answer's first parts.

    Returns the events of those.
    """
    data = [encode(part) for part in first]
    tx.execute(_REMEMBER_REQUEST, {**_values(answer), "request": request.decode(), "data": json_rows(data)})
    return [Event(seq, text) for seq, text in enumerate(data, 1)]


def take_over(tx: Connection, workspace_id: uuid.UUID, answer_id: uuid.UUID) -> tuple[AnswerKey, bytes] | None:
    """Become the writer of a running answer and delete its events. Returns its key and its request as JSON.

    Returns None if the answer has ended.
    """
    values = {"workspace_id": workspace_id, "id": answer_id}
    row = tx.execute(_TAKE_OVER, values).one_or_none()
    if row is None:
        return None
    tx.execute(_DELETE_EVENTS_OF_ANSWER, values)
    return AnswerKey(workspace_id, row.conversation_id, answer_id, row.writing), row.request.encode()


def drop_unfinished(tx: Connection, answer: AnswerKey) -> AnswerKey:
    """Begin the log again without texts and thoughts that have no end. Returns the key for what follows.

    If all have an end, nothing changes, and only what comes after the last call of a tool is read: a call begins in the
    transaction that ends the text before it.
    """
    tail = tx.execute(_READ_TAIL, _values(answer)).scalars().all()
    if len(without_unfinished(tail)) == len(tail):
        return answer
    data = [event.data for event in read(tx, answer)]
    kept = without_unfinished(data)
    values = {"workspace_id": answer.workspace_id, "id": answer.id}
    answer = msgspec.structs.replace(answer, writing=tx.execute(_BEGIN_AGAIN, values).scalar_one())
    tx.execute(_DELETE_EVENTS_OF_ANSWER, values)
    _insert_events(tx, answer, kept)
    return answer


def find_running(
    tx: Connection,
    workspace_id: uuid.UUID,
    conversation_id: str,
    rewrite: Rewrite | None = None,
) -> AnswerKey | None:
    """Return the running answer of a conversation, or None.

    If its lease has expired, `rewrite` may have it written again and return True; otherwise it ends as interrupted.
    """
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    row = tx.execute(_RUNNING, values).one_or_none()
    if row is None:
        return None
    answer = AnswerKey(workspace_id, conversation_id, row.id, row.writing, row.is_waiting)
    # Check again under a lock: the writer may have renewed its lease. `rewrite` would skip a locked answer.
    if not row.is_expired or not tx.execute(_LOCK_EXPIRED, {"workspace_id": workspace_id, "id": row.id}).one_or_none():
        return answer
    if rewrite is not None and rewrite(tx, answer):
        return msgspec.structs.replace(answer, writing=answer.writing + 1)
    end(tx, answer, "interrupted", INTERRUPTED)
    return None


def find_last(tx: Connection, workspace_id: uuid.UUID, conversation_id: str) -> tuple[AnswerKey | None, bool]:
    """Return the last answer of a conversation, and whether its state is still streaming."""
    values = {"workspace_id": workspace_id, "conversation_id": conversation_id}
    row = tx.execute(_LAST, values).one_or_none()
    if row is None:
        return None, False
    return AnswerKey(workspace_id, conversation_id, row.id, row.writing), row.is_open


def append(tx: Connection, answer: AnswerKey, parts: Sequence[Part], *, after: int | None = None) -> list[Event]:
    """Append parts to a running answer and renew its lease. Returns their events. Raises AnswerEnded.

    With `after`, the number of the writer's last event, later events are returned if there are any: they are of these
    parts, whose commit succeeded, though the connection broke before it was reported.
    """
    if tx.execute(_RENEW_LEASE, {**_values(answer), "lease_s": LEASE_S}).rowcount == 0:
        raise AnswerEnded
    if after is not None and (events := read(tx, answer, after)):
        return events
    return _insert_events(tx, answer, [encode(part) for part in parts])


def append_locked(tx: Connection, answer: AnswerKey, parts: Sequence[Part]) -> None:
    """Append parts to an answer without a lease of its own, whose row the caller has locked and found to be running."""
    _insert_events(tx, answer, [encode(part) for part in parts])


def append_many(
    tx: Connection, workspace_id: uuid.UUID, groups: Sequence[tuple[AnswerKey, Sequence[Part]]]
) -> dict[uuid.UUID, list[Event]]:
    """Append parts to running answers of a workspace. Returns the events of each answer to which they were appended.

    The others have ended, or another transaction has locked them. Leases are renewed in their second third.
    """
    data = {answer.id: [encode(part) for part in parts] for answer, parts in groups}
    rows = [{"id": answer.id, "writing": answer.writing, "data": data[answer.id]} for answer, _ in groups]
    values = {"workspace_id": workspace_id, "groups": json_rows(rows), "lease_s": LEASE_S, "max": MAX_EVENTS}
    return {
        row.id: [Event(seq, text) for seq, text in enumerate(data[row.id], row.before + 1)]
        for row in tx.execute(_APPEND_MANY, values)
    }


def end(tx: Connection, answer: AnswerKey, ending: Ending, last: Part) -> list[Event]:
    """End a running answer with the part `last`. Returns the added events. Raises AnswerEnded if it has ended."""
    values = _values(answer)
    if tx.execute(_LOCK, values).one_or_none() is None:
        raise AnswerEnded
    data = [event.data for event in read(tx, answer)]
    parts = msgspec.json.encode(fold(data)).decode()
    tx.execute(_END, {**values, "state": ending, "parts": parts, "notice": _notice(last)})
    after_commit(tx, lambda: signal_end(answer.id))
    return _insert_events(tx, answer, closing_events(data, last))


def _notice(last: Part) -> str | None:
    """Return the sentence that explains an answer's end, which is stored with it."""
    match last:
        case ErrorPart():
            return last.error_text
        case FinishPart(message_metadata=CutMetadata(notice=notice)):
            return notice
    return None


def read(tx: Connection, answer: AnswerKey, after: int = 0) -> list[Event]:
    """Return the events of an answer with numbers above `after`."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "after": after}
    return [Event(row.seq, row.data) for row in tx.execute(_READ, values)]


def has_more(tx: Connection, answer: AnswerKey, after: int) -> bool:
    """Return whether an answer has events with numbers above `after`."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "after": after}
    return bool(tx.execute(_HAS_MORE, values).scalar_one())


def is_restarted(after: int, events: Sequence[Event]) -> bool:
    """Return True if events are of a later writing of the answer than the event with the number `after`."""
    return after > 0 and bool(events) and (events[0].seq - 1) // MAX_EVENTS > (after - 1) // MAX_EVENTS


def _insert_events(tx: Connection, answer: AnswerKey, data: Sequence[str]) -> list[Event]:
    """Store events with the next numbers. The caller holds the lock on the message's row."""
    if not data:
        return []
    values = {**_values(answer), "data": list(data), "before": (answer.writing - 1) * MAX_EVENTS}
    return sorted(Event(row.seq, row.data) for row in tx.execute(_INSERT_EVENTS, values))


def _values(answer: AnswerKey) -> dict[str, Any]:
    return {"workspace_id": answer.workspace_id, "id": answer.id, "writing": answer.writing}


_BEGIN = sa.text("""
    with deleted as (
      delete from message_events e using messages m
      where m.workspace_id = :workspace_id and m.conversation_id = :conversation_id
        and e.message_id = m.id and e.workspace_id = :workspace_id
    ), answer as (
      insert into messages (workspace_id, conversation_id, parent_id, role, state, alive_until)
      values (:workspace_id, :conversation_id, :question_id, 'assistant', 'streaming',
        clock_timestamp() + make_interval(secs => cast(:lease_s as float)))
      returning id
    )
    update conversations c set current_message_id = answer.id from answer
    where c.workspace_id = :workspace_id and c.id = :conversation_id
    returning answer.id
""")

_REMEMBER_REQUEST = sa.text("""
    with remembered as (
      update messages set request = cast(:request as jsonb) where workspace_id = :workspace_id and id = :id
    )
    insert into message_events (message_id, workspace_id, seq, data)
    select :id, :workspace_id, n, text
    from json_array_elements_text(cast(:data as json)) with ordinality as first (text, n)
""")

_TAKE_OVER = sa.text("""
    update messages set writing = writing + 1, alive_until = null
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and request is not null
    returning conversation_id, writing, request::text as request
""")

_BEGIN_AGAIN = sa.text("""
    update messages set writing = writing + 1 where workspace_id = :workspace_id and id = :id returning writing
""")

_DELETE_EVENTS_OF_ANSWER = sa.text("""
    delete from message_events where workspace_id = :workspace_id and message_id = :id
""")

_RUNNING = sa.text("""
    select id, writing, coalesce(alive_until < clock_timestamp(), false) as is_expired,
      waiting_since is not null as is_waiting from messages
    where workspace_id = :workspace_id and conversation_id = :conversation_id and state = 'streaming'
""")

_LAST = sa.text("""
    select id, writing, state = 'streaming' as is_open from messages
    where workspace_id = :workspace_id and conversation_id = :conversation_id and role = 'assistant'
    order by ordinal desc limit 1
""")

_RENEW_LEASE = sa.text("""
    update messages set alive_until = case when alive_until is not null
      then clock_timestamp() + make_interval(secs => cast(:lease_s as float)) end
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and writing = :writing
""")

_APPEND_MANY = sa.text("""
    with given as (
      select * from json_to_recordset(cast(:groups as json)) as each (id uuid, writing integer, data json)
    ), locked as (
      select m.id, m.writing, m.alive_until, given.data from messages m
      join given on given.id = m.id and given.writing = m.writing
      where m.workspace_id = :workspace_id and m.state = 'streaming'
      for no key update of m skip locked
    ), renewed as (
      update messages m set alive_until = clock_timestamp() + make_interval(secs => cast(:lease_s as float))
      from locked where m.workspace_id = :workspace_id and m.id = locked.id
        and m.alive_until < clock_timestamp() + make_interval(secs => cast(:lease_s as float) * 2 / 3)
    ), numbered as (
      select id, data, (
        select coalesce(max(seq), (writing - 1) * cast(:max as integer)) from message_events
        where workspace_id = :workspace_id and message_id = id) as before
      from locked
    ), added as (
      insert into message_events (message_id, workspace_id, seq, data)
      select id, :workspace_id, before + n, text
      from numbered, json_array_elements_text(data) with ordinality as new (text, n)
    )
    select id, before from numbered
""")

_LOCK = sa.text("""
    select 1 from messages
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and writing = :writing for update
""")

_LOCK_EXPIRED = sa.text("""
    select 1 from messages
    where workspace_id = :workspace_id and id = :id and state = 'streaming' and alive_until < clock_timestamp()
    for update
""")

# The run of a standing question that waits for the answer goes on with its step `deliver`.
_END = sa.text("""
    with ended as (
      update messages set state = :state, parts = cast(:parts as jsonb), notice = :notice, alive_until = null,
        waiting_since = null
      where workspace_id = :workspace_id and id = :id returning id)
    insert into steps (run_id, workspace_id, queue, kind, key)
    select r.id, r.workspace_id, 'chat', 'deliver', ''
    from ended join standing_runs s on s.answer_id = ended.id join runs r on r.standing_run_id = s.id
    where s.workspace_id = :workspace_id and r.state = 'running'
    on conflict (run_id, kind, key) do nothing
""")

_READ = sa.text("""
    select seq, data from message_events
    where workspace_id = :workspace_id and message_id = :id and seq > :after order by seq
""")

_HAS_MORE = sa.text("""
    select exists (
      select 1 from message_events where workspace_id = :workspace_id and message_id = :id and seq > :after)
""")

# Events begin with their type. The index is read backwards, to the last event of a call.
_READ_TAIL = sa.text("""
    select data from message_events
    where workspace_id = :workspace_id and message_id = :id and seq > coalesce((
      select seq from message_events
      where workspace_id = :workspace_id and message_id = :id and data like '{"type":"tool-%'
      order by seq desc limit 1), 0)
    order by seq
""")

_INSERT_EVENTS = sa.text("""
    insert into message_events (message_id, workspace_id, seq, data)
    select :id, :workspace_id, n + (
      select coalesce(max(seq), cast(:before as integer)) from message_events
      where workspace_id = :workspace_id and message_id = :id), data
    from unnest(cast(:data as text[])) with ordinality as new (data, n)
    returning seq, data
""")
