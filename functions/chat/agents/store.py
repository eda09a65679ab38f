"""The rows of an agent's answer. Functions run in the caller's transaction.

Each step that runs the agent increments the row's `fence`; `lock` refuses what an earlier step still wants to write. An
event of the log and the row that says that it was written are stored in one transaction, so each is written once.
"""

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents.limits import Used
from functions.chat.answers.prompt import Turn
from functions.chat.streams import message_log
from functions.chat.streams.message_log import AnswerEnded, AnswerKey
from functions.chat.streams.ui_message_stream import ModelName, ModelPart, Start
from headwater.auth.callers import Caller, Role
from headwater.errors import LeaseLost
from headwater.queue.ledger import NewStep
from headwater.usage.record import Payer, payer_of

QUEUE, KIND = "chat", "agent"


class Task(msgspec.Struct, frozen=True):
    """What an agent was asked, by whom, and which models it may use: `model` first, `models` for the others."""

    turns: Sequence[Turn]
    filter: str
    subject: str
    role: Role
    payer: Payer
    model: str
    models: Sequence[str] | None
    instructions: str = ""
    """The workspace's own."""
    agent: str = ""
    """The name of an installed agent, empty for the built-in one."""
    client_id: str = ""
    """The conversation's id, as the caller has chosen it."""


def new_task(
    caller: Caller,
    question: str,
    history: Sequence[Turn],
    *,
    document_filter: str,
    model: str,
    models: Sequence[str] | None,
    instructions: str,
    agent: str = "",
    client_id: str = "",
) -> Task:
    """Return what a caller asks an agent."""
    turns = [*history, Turn("user", question)]
    payer = payer_of(caller)
    return Task(
        turns, document_filter, caller.subject, caller.role, payer, model, models, instructions, agent, client_id
    )


class Agent(msgspec.Struct, frozen=True):
    """An agent's answer, as one step may change it. `responses`: how many the person had given when the step began.

    `lost_step`: the step's id, if workers that ran it were lost.
    """

    answer: AnswerKey
    fence: int
    task: Task
    responses: int
    lost_step: int | None = None


def begin(tx: Connection, answer: AnswerKey, task: Task, model: ModelName) -> None:
    """Store an agent's task and its first step, for a running answer. The caller wakes the queue."""
    message_log.append(tx, answer, [Start(str(answer.id)), ModelPart(model)])
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "task": msgspec.json.encode(task).decode()}
    tx.execute(_END_LEASE, values)
    tx.execute(_INSERT, values)
    open_run(tx, answer)


def open_run(tx: Connection, answer: AnswerKey) -> None:
    """Add a run whose first step continues the agent of an answer. The caller wakes the queue."""
    values = {"workspace_id": answer.workspace_id, "id": answer.id, "queue": QUEUE, "kind": KIND}
    tx.execute(_OPEN_RUN, values)


def take(tx: Connection, workspace_id: uuid.UUID, message_id: uuid.UUID) -> Agent | None:
    """Begin a step of an agent. Returns None if its answer has ended.

    Text of a turn that the step before didn't finish is dropped, and the turn is requested again.
    """
    row = tx.execute(_TAKE, {"workspace_id": workspace_id, "id": message_id}).one_or_none()
    if row is None:
        return None
    answer = AnswerKey(workspace_id, row.conversation_id, message_id, row.writing)
    answer = message_log.drop_unfinished(tx, answer)
    return Agent(answer, row.fence, msgspec.json.decode(row.task, type=Task), row.responses)


def lock(tx: Connection, agent: Agent) -> Any:
    """Lock an agent's row and return it. Raises AnswerEnded if the answer was stopped or deleted, LeaseLost if
    another step runs the agent."""
    row = tx.execute(_LOCK, _values(agent)).one_or_none()
    if row is None or row.state != "streaming":
        raise AnswerEnded
    if row.fence != agent.fence:
        raise LeaseLost("Another step runs this agent.")
    return row


def is_running(tx: Connection, agent: Agent) -> bool:
    """Return whether this step still runs the agent, and its answer was not stopped."""
    row = tx.execute(_READ, _values(agent)).one_or_none()
    return row is not None and row.state == "streaming" and row.fence == agent.fence


def read_used(tx: Connection, agent: Agent) -> tuple[Used, str]:
    """Return the agent's usage, and the limit that it has reached before."""
    row = lock(tx, agent)
    return Used(row.model_calls, row.tokens, row.cost, row.seconds), row.stopping


def count_model_call(tx: Connection, agent: Agent, tokens: int, cost: Decimal | None, stopping: str) -> None:
    """Count a call of the model."""
    values = {**_values(agent), "tokens": tokens, "cost": cost or 0, "stopping": stopping}
    tx.execute(_COUNT, values)


def set_turns(tx: Connection, agent: Agent, turns: int) -> None:
    """Remember how many turns of the model are in the log."""
    tx.execute(_SET_TURNS, {**_values(agent), "turns": turns})


def number_passages(tx: Connection, agent: Agent, count: int) -> int:
    """Reserve numbers for passages; returns the first."""
    total: int = tx.execute(_NUMBER, {**_values(agent), "count": count}).scalar_one()
    return total - count + 1


def note_progress(tx: Connection, agent: Agent) -> None:
    """Forget the workers that were lost before: a step fails only if it makes no progress (`MAX_LOST_LEASES`)."""
    if agent.lost_step is not None:
        tx.execute(_FORGET_LOST, {"id": agent.lost_step})


def next_step(agent: Agent) -> NewStep:
    """Return the step that continues the agent."""
    return NewStep(QUEUE, KIND, f"{agent.answer.id}/{agent.fence}")


def answer_id(key: str) -> uuid.UUID:
    """Return the answer's id from a step's key."""
    return uuid.UUID(key.partition("/")[0])


def delete(tx: Connection, workspace_id: uuid.UUID, message_id: uuid.UUID) -> None:
    """Delete what is stored for an answer that has ended."""
    tx.execute(_DELETE, {"workspace_id": workspace_id, "id": message_id})


def end_run(tx: Connection, run_id: uuid.UUID, state: str) -> None:
    """End the run."""
    tx.execute(_END_RUN, {"run_id": run_id, "state": state})


def count_use(tx: Connection, agent: Agent, tokens: int, cost: Decimal | None) -> None:
    """Count what a sub-agent has used."""
    tx.execute(_COUNT_USE, {**_values(agent), "tokens": tokens, "cost": cost or 0})


def _values(agent: Agent) -> dict[str, Any]:
    return {"workspace_id": agent.answer.workspace_id, "id": agent.answer.id}


# The step has the lease.
_END_LEASE = sa.text("update messages set alive_until = null where workspace_id = :workspace_id and id = :id")

_INSERT = sa.text("""
    insert into agents (message_id, workspace_id, task) values (:id, :workspace_id, cast(:task as jsonb))
""")

_OPEN_RUN = sa.text("""
    with opened as (
      insert into runs (workspace_id, kind, engine, message_id) values (:workspace_id, 'answer', 'tickets', :id)
      returning id)
    insert into steps (run_id, workspace_id, queue, kind, key)
    select id, :workspace_id, :queue, :kind, cast(:id as uuid)::text from opened
""")

_STATE = "m.workspace_id = a.workspace_id and m.id = a.message_id"

# The message is locked first, as by a request that stops the answer.
_TAKE = sa.text("""
    with message as materialized (
      select id, conversation_id, writing from messages
      where workspace_id = :workspace_id and id = :id and state = 'streaming' for update)
    update agents a set fence = fence + 1 from message m
    where a.workspace_id = :workspace_id and a.message_id = m.id
    returning a.fence, a.task::text as task, a.responses, m.conversation_id, m.writing
""")

_COLUMNS = """
    a.fence, a.turns, a.passages, a.model_calls, a.tokens, a.cost, a.stopping, a.responses, m.state,
    extract(epoch from clock_timestamp() - a.created_at)::float8 as seconds
"""

_READ = sa.text(f"""
    select {_COLUMNS} from agents a join messages m on {_STATE}
    where a.workspace_id = :workspace_id and a.message_id = :id
""")

_LOCK = sa.text(f"""
    with message as materialized (
      select id, state from messages where workspace_id = :workspace_id and id = :id for update)
    select {_COLUMNS} from agents a join message m on m.id = a.message_id
    where a.workspace_id = :workspace_id and a.message_id = :id for update of a
""")

_HERE = "where workspace_id = :workspace_id and message_id = :id"

_COUNT = sa.text(f"""
    update agents set model_calls = model_calls + 1, tokens = tokens + :tokens, cost = cost + cast(:cost as numeric),
      stopping = :stopping
    {_HERE}
""")
_COUNT_USE = sa.text(f"update agents set tokens = tokens + :tokens, cost = cost + cast(:cost as numeric) {_HERE}")
_SET_TURNS = sa.text(f"update agents set turns = :turns {_HERE}")
_FORGET_LOST = sa.text("update steps set lost = 0 where id = :id and lost > 0")
_NUMBER = sa.text(f"update agents set passages = passages + :count {_HERE} returning passages")

_DELETE = sa.text(f"delete from agents {_HERE}")

_END_RUN = sa.text("""
    update runs set state = :state, finished_at = clock_timestamp() where id = :run_id and state = 'running'
""")
