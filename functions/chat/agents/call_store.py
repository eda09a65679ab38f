"""The calls of tools of an agent's answer. Functions run in the caller's transaction."""

from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents.store import Agent

CallState = Literal["approval", "answer", "approved", "running"]
"""The call waits for an approval, waits for the person's answer, was approved and has not begun, or has begun."""


class Call(msgspec.Struct, frozen=True):
    """A stored call. `output` is None if it has not ended. `input`: the arguments as the person has changed them."""

    state: CallState
    output: str | None
    is_error: bool
    input: dict[str, Any] | None


def read(tx: Connection, agent: Agent, call_id: str) -> Call | None:
    """Return a call, None if there is none. The caller has locked the agent's row."""
    row = tx.execute(_READ, _values(agent, call_id)).one_or_none()
    return None if row is None else Call(row.state, row.output, row.is_error, row.input)


def add(tx: Connection, agent: Agent, call_id: str, name: str, state: CallState) -> None:
    """Add a call, which begins or waits."""
    tx.execute(_ADD, {**_values(agent, call_id), "name": name, "state": state})


def start(tx: Connection, agent: Agent, call_id: str) -> None:
    """Begin a call that was approved."""
    tx.execute(_START, _values(agent, call_id))


def end(tx: Connection, agent: Agent, call_id: str, output: str, *, is_error: bool) -> float:
    """Store the result of a call. Returns the seconds since the call was begun."""
    values = {**_values(agent, call_id), "output": output, "is_error": is_error}
    return float(tx.execute(_END, values).scalar_one())


def open_calls(tx: Connection, agent: Agent) -> list[str]:
    """Return the ids of calls that have begun and not ended."""
    return list(tx.execute(_OPEN, _values(agent, "")).scalars())


def any_waits(tx: Connection, agent: Agent) -> bool:
    """Return whether a call waits for the person."""
    return bool(tx.execute(_ANY_WAITS, _values(agent, "")).scalar_one())


def was_approved(tx: Connection, agent: Agent, name: str) -> bool:
    """Return whether the person has approved a call of this tool before, in this conversation."""
    part = [{"type": "dynamic-tool", "toolName": name, "approval": {"approved": True}}]
    values = {**_values(agent, ""), "name": name, "part": msgspec.json.encode(part).decode()}
    values["conversation_id"] = agent.answer.conversation_id
    return bool(tx.execute(_WAS_APPROVED, values).scalar_one())


def _values(agent: Agent, call_id: str) -> dict[str, Any]:
    return {"workspace_id": agent.answer.workspace_id, "id": agent.answer.id, "call_id": call_id}


_CALLS = "where workspace_id = :workspace_id and message_id = :id"

_READ = sa.text(f"select state, output, is_error, input from agent_calls {_CALLS} and id = :call_id")

_ADD = sa.text("""
    insert into agent_calls (message_id, workspace_id, id, name, state)
    values (:id, :workspace_id, :call_id, :name, :state)
""")

_START = sa.text(f"""
    update agent_calls set state = 'running', started_at = clock_timestamp() {_CALLS} and id = :call_id
""")

_END = sa.text(f"""
    update agent_calls set output = :output, is_error = :is_error {_CALLS} and id = :call_id
    returning extract(epoch from clock_timestamp() - started_at)::float8
""")

_OPEN = sa.text(f"select id from agent_calls {_CALLS} and state = 'running' and output is null order by id")

_ANY_WAITS = sa.text(f"""
    select exists (select from agent_calls {_CALLS} and state in ('approval', 'answer') and output is null)
""")

_WAS_APPROVED = sa.text(f"""
    select exists (select from agent_calls {_CALLS} and name = :name and is_approved)
      or exists (select from messages
                 where workspace_id = :workspace_id and conversation_id = :conversation_id and role = 'assistant'
                   and parts @> cast(:part as jsonb))
""")
