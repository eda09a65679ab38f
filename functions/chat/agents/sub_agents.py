"""Sub-agents: agents that calls of the tool `delegate` run, with limits and checkpoints of their own.

Imports LangChain: import it when an agent runs.
"""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, Literal

import sqlalchemy as sa
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import var_child_runnable_config
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.calls import TimeUp, Waiting
from functions.chat.agents.limits import Limits, Used
from functions.chat.agents.store import Agent
from functions.chat.agents.turns import Turns
from functions.chat.tools.text import clean
from functions.chat.tools.toolbox import Result
from headwater.database.transactions import Database

MAX_SUB_AGENTS = 20
"""Sub-agents of one answer."""

INSTRUCTIONS = """

You work for another agent, on a part of a question. Your answer is a report to that agent: what you found, with the
citations, and what you did not find."""

Outcome = Sequence[BaseMessage] | Literal["time is up", "waiting"]


class SubTurns(Turns):
    """Calls the models of a sub-agent. The log of the answer has none of its text: that is the result of the call."""

    sub_agent: str
    """The id of the call that runs the sub-agent."""
    of_answer: Limits
    """The limits of the whole answer, which hold, too."""

    is_logged = False
    ids_are_own = True

    def read_used(self, tx: Connection) -> tuple[Used, str]:
        """Return the sub-agent's usage, and the limit that it or the whole answer has reached."""
        of_all, stopping = store.read_used(tx, self._agent)
        row = tx.execute(_READ, _values(self._agent, self.sub_agent)).one()
        reached = row.stopping or stopping or self.of_answer.reached(of_all)
        return Used(row.model_calls, row.tokens, of_all.cost, of_all.seconds), reached

    def count(self, tx: Connection, tokens: int, cost: Any, stopping: str) -> None:
        """Count a call of the model for the sub-agent, and what it has used for the whole answer."""
        store.count_use(tx, self._agent, tokens, cost)
        tx.execute(_COUNT, {**_values(self._agent, self.sub_agent), "tokens": tokens, "stopping": stopping})

    def write(self, tx: Connection, messages: Sequence[BaseMessage]) -> None:  # noqa: ARG002
        """Write nothing. Locks the agent's row, as the other one does."""
        store.lock(tx, self._agent)


def run_sub_agent(database: Database, agent: Agent, call_id: str, run: Callable[[], Outcome]) -> Result:
    """Continue a sub-agent. `run` runs its loop. Returns its report.

    Raises Waiting if one of its calls waits for the person, TimeUp if the next step must continue.
    """
    with database.transaction(agent.answer.workspace_id) as tx:
        store.lock(tx, agent)
        tx.execute(_ADD, _values(agent, call_id))
        if tx.execute(_COUNT_ALL, _values(agent, call_id)).scalar_one() > MAX_SUB_AGENTS:
            return Result(f"There have been {MAX_SUB_AGENTS} agents for this answer, the limit.", is_error=True)
    outcome = copy_context().run(_run_apart, run)
    if outcome == "waiting":
        raise Waiting
    if outcome == "time is up":
        raise TimeUp
    with database.transaction(agent.answer.workspace_id) as tx:
        stopping = tx.execute(_READ, _values(agent, call_id)).one().stopping
    return Result(_report(outcome, stopping))


def _run_apart(run: Callable[[], Outcome]) -> Outcome:
    # Else LangGraph would take the sub-agent's graph for a part of the agent's.
    var_child_runnable_config.set(None)
    return run()


def _report(messages: Sequence[Any], stopping: str) -> str:
    last = messages[-1]
    text = clean(str(last.text) if isinstance(last, AIMessage) else "").strip()
    note = f"(It reached its limit of {stopping}. The report may be incomplete.)" if stopping else ""
    return "\n\n".join(part for part in (text, note) if part) or "The agent reported nothing."


def _values(agent: Agent, call_id: str) -> dict[str, Any]:
    return {"workspace_id": agent.answer.workspace_id, "id": agent.answer.id, "call_id": call_id}


_ADD = sa.text("""
    insert into sub_agents (message_id, workspace_id, call_id) values (:id, :workspace_id, :call_id)
    on conflict do nothing
""")

_COUNT_ALL = sa.text("select count(*) from sub_agents where workspace_id = :workspace_id and message_id = :id")

_HERE = "where workspace_id = :workspace_id and message_id = :id and call_id = :call_id"

_READ = sa.text(f"select model_calls, tokens, stopping from sub_agents {_HERE}")

_COUNT = sa.text(f"""
    update sub_agents set model_calls = model_calls + 1, tokens = tokens + :tokens, stopping = :stopping {_HERE}
""")
