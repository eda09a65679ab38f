"""The state of an installed agent beside its messages: stored with an answer, and given to the agent's next answer.

The bytes are the agent's own: only its process reads them. Functions run in the caller's transaction.
"""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents.store import Agent
from headwater.agents.messages import MAX_STATE_BYTES, Blob


class _Kept(msgspec.Struct, frozen=True):
    """A state, and whose it is."""

    agent: str
    value: Blob


def read_state(tx: Connection, agent: Agent) -> Blob | None:
    """Return the state at the end of the answer before this one on its branch, if that is of the same agent."""
    stored = tx.execute(_READ, _values(agent)).scalar_one_or_none()
    if stored is None:
        return None
    kept = msgspec.msgpack.decode(bytes(stored), type=_Kept)
    return kept.value if kept.agent == agent.task.agent else None


def write_state(tx: Connection, agent: Agent, state: Blob | None) -> None:
    """Keep the state at the end of an answer. One that is too large is left out."""
    if state is not None and len(state.content) + len(state.format) <= MAX_STATE_BYTES:
        kept = msgspec.msgpack.encode(_Kept(agent.task.agent, state))
        tx.execute(_WRITE, {**_values(agent), "state": kept})


def _values(agent: Agent) -> dict[str, Any]:
    return {"workspace_id": agent.answer.workspace_id, "id": agent.answer.id}


_READ = sa.text("""
    select before.agent_state from messages answer
    join messages question on question.workspace_id = answer.workspace_id and question.id = answer.parent_id
    join messages before on before.workspace_id = answer.workspace_id and before.id = question.parent_id
    where answer.workspace_id = :workspace_id and answer.id = :id
""")

_WRITE = sa.text("update messages set agent_state = :state where workspace_id = :workspace_id and id = :id")
