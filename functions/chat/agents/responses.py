"""Responses of the person who asked to calls that wait: an approval, a rejection, or the answer to a question.

While an agent waits, no step runs it and its run has ended. A response opens another run. Functions run in the caller's
transaction.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.posted_responses import Response
from functions.chat.agents.store import Agent
from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerKey
from functions.chat.streams.tool_parts import (
    ApprovalResponse,
    OutputDenied,
    ToolInput,
    ToolOutput,
    ToolText,
)
from functions.chat.streams.ui_message_stream import DONE, Event, Part
from headwater.errors import Conflict

NOT_WAITING = "No call of this answer waits for this response. Open the conversation again to see the answer."


def pause(tx: Connection, agent: Agent) -> bool:
    """Let an answer wait for the person. Returns False if a response has come since the step began.

    Raises AnswerEnded, LeaseLost.
    """
    if store.lock(tx, agent).responses != agent.responses:
        return False
    tx.execute(_PAUSE, _values(agent.answer))
    return True


def respond(tx: Connection, answer: AnswerKey, responses: Sequence[Response]) -> tuple[int, bool]:
    """Store the responses to calls of an answer, each once. The caller wakes the queue if the second value is True.

    Returns the number of the last event before the responses, and whether a run was opened. Raises Conflict if no call
    waits for any of the responses, and none has had one.
    """
    is_open = tx.execute(_LOCK, _values(answer)).one_or_none()
    events = message_log.read(tx, answer)
    before = _seqs_of_responses(events, responses)
    given = _inputs(events)
    new = [each for each in responses if is_open and _store(tx, answer, each, given.get(each.call_id))]
    if not new and not before:
        raise Conflict(NOT_WAITING)
    after = min([*before, *([events[-1].seq + 1] if new else [])]) - 1
    if not new:
        return after, False
    message_log.append(tx, answer, [part for each in new for part in _parts(tx, answer, each)])
    tx.execute(_COUNT, {**_values(answer), "count": len(new)})
    if not tx.execute(_GO_ON, _values(answer)).rowcount:
        return after, False
    store.open_run(tx, answer)
    return after, True


def _store(tx: Connection, answer: AnswerKey, response: Response, given: object) -> bool:
    """Store a response to a call with the arguments `given`. Returns False if the call waits for no such response."""
    values = {**_values(answer), "call_id": response.call_id}
    if response.answer is not None:
        output = response.answer
        return bool(tx.execute(_ANSWER, {**values, "output": output}).rowcount)
    if not response.approved:
        return bool(tx.execute(_REJECT, {**values, "output": response.rejection()}).rowcount)
    is_changed = response.input is not None and response.input != given
    changed = msgspec.json.encode(response.input).decode() if is_changed else None
    return bool(tx.execute(_APPROVE, {**values, "input": changed}).rowcount)


def _parts(tx: Connection, answer: AnswerKey, response: Response) -> list[Part]:
    id_ = response.call_id
    row = tx.execute(_READ, {**_values(answer), "call_id": id_}).one()
    if response.answer is not None:
        return [ToolOutput(tool_call_id=id_, output=ToolText(response.answer, round(row.seconds, 2)))]
    reason = response.reason or msgspec.UNSET
    responded = ApprovalResponse(approval_id=id_, approved=response.approved, reason=reason)
    if not response.approved:
        return [responded, OutputDenied(tool_call_id=id_)]
    changed = [] if row.input is None else [ToolInput(tool_call_id=id_, tool_name=row.name, input=row.input)]
    return [*changed, responded]


def _seqs_of_responses(events: Sequence[Event], responses: Sequence[Response]) -> list[int]:
    """Return the numbers of the events that come from responses to these calls."""
    ids = {response.call_id for response in responses}
    answered = {response.call_id for response in responses if response.answer is not None}
    called: set[str] = set()
    found = []
    for event in events:
        match _decode(event):
            case ToolInput(tool_call_id=id_) if id_ not in called:
                called.add(id_)
            case ToolInput(tool_call_id=id_) | ApprovalResponse(approval_id=id_) if id_ in ids:
                found.append(event.seq)
            case ToolOutput(tool_call_id=id_) if id_ in answered:
                found.append(event.seq)
    return found


def _inputs(events: Sequence[Event]) -> dict[str, Any]:
    """Return the arguments of calls as the model has written them, by the calls' ids."""
    return {part.tool_call_id: part.input for part in map(_decode, events) if isinstance(part, ToolInput)}


def _decode(event: Event) -> Part | None:
    return None if event.data == DONE else _DECODER.decode(event.data)


def _values(answer: AnswerKey) -> dict[str, Any]:
    return {"workspace_id": answer.workspace_id, "id": answer.id}


_DECODER: msgspec.json.Decoder[Part] = msgspec.json.Decoder(Part)

_PAUSE = sa.text("""
    update messages set waiting_since = clock_timestamp() where workspace_id = :workspace_id and id = :id
""")

# The message is locked first, as by the step.
_LOCK = sa.text("""
    select 1 from messages where workspace_id = :workspace_id and id = :id and state = 'streaming' for update
""")

_CALL = "where workspace_id = :workspace_id and message_id = :id and id = :call_id"

_APPROVE = sa.text(f"""
    update agent_calls set state = 'approved', is_approved = true, input = cast(:input as jsonb)
    {_CALL} and state = 'approval'
""")
_REJECT = sa.text(f"""
    update agent_calls set state = 'running', output = :output, is_error = true {_CALL} and state = 'approval'
""")
_ANSWER = sa.text(f"update agent_calls set state = 'running', output = :output {_CALL} and state = 'answer'")
_READ = sa.text(f"""
    select name, input, extract(epoch from clock_timestamp() - started_at)::float8 as seconds from agent_calls {_CALL}
""")

_COUNT = sa.text("""
    update agents set responses = responses + :count where workspace_id = :workspace_id and message_id = :id
""")

# Waiting doesn't count in the time of the limit AGENT_SECONDS.
_GO_ON = sa.text("""
    with waited as (
      select id, workspace_id, waiting_since from messages
      where workspace_id = :workspace_id and id = :id and waiting_since is not null),
    shifted as (
      update agents a set created_at = a.created_at + (clock_timestamp() - w.waiting_since)
      from waited w where a.workspace_id = w.workspace_id and a.message_id = w.id)
    update messages m set waiting_since = null from waited w where m.workspace_id = w.workspace_id and m.id = w.id
""")
