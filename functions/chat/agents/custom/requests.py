"""Handle the requests of an agent's process: calls of models and tools, checkpoints, and progress to show.

All of them are for the workspace of the answer. Limits, budgets and approvals are those of the built-in agent.
"""

import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.calls import Calls, Waiting
from functions.chat.agents.checkpoints import Checkpoints
from functions.chat.agents.custom import items, parts
from functions.chat.agents.limits import LimitReached, Limits
from functions.chat.agents.posted_responses import MAX_INPUT_BYTES
from functions.chat.agents.store import Agent
from functions.chat.agents.turns import ANSWER_TOKENS, SETTLE_S, Turns
from functions.chat.tools.text import clean
from functions.chat.usage.metering import CHARS_PER_TOKEN
from headwater import logs
from headwater.agents import messages as ask
from headwater.agents.items import Found, PutItem
from headwater.database.transactions import Database
from headwater.errors import PermanentError, UnprocessableContent
from headwater.schemas import has_nul
from headwater.usage.budgets import release, reserve
from headwater.usage.prices import Prices
from headwater.usage.record import Tokens, cost_of, record_usage

AFTER_LIMIT = 3
"""Calls of models after a limit is reached, with which a graph writes its answer."""

MAX_NAMESPACES = 200
"""Graphs within the graph of an answer that have checkpoints."""

MAX_DATA = 200
MAX_DATA_BYTES = 20_000
"""Values that an agent shows in one step of the queue, and the JSON of one. Others are left out."""

MAX_ID_CHARS = 1_000
"""Of ids, names of channels and namespaces."""

MAX_WRITES = 5_000
"""Values that a task may write after a checkpoint."""

MAX_METADATA_BYTES = 1_000_000

MAX_CALLS = 2_000
"""Calls of the workspace's tools and questions to the person in one step of the queue."""

MAX_OPEN_MODELS = 100
"""Calls of models of the agent's own at a time."""

MAX_TOKENS = 100_000_000
"""Tokens, or characters, that one call of a model may report."""

MAX_OWN_CALLS = 500
"""Calls of the agent's own tools that are shown in one step of the queue."""


class UnloggedTurns(Turns):
    """Calls the models of an agent whose log gets what it adds to its messages, not what a model writes."""

    is_logged = False


class Requests:
    """Answers the requests of one process, which come on several threads."""

    def __init__(
        self,
        database: Database,
        agent: Agent,
        *,
        turns: Turns,
        calls: Calls,
        limits: Limits,
        prices: Prices,
        timeout_s: float,
        is_time_up: Callable[[], bool],
    ) -> None:
        self._database = database
        self._agent = agent
        self._turns = turns
        self._calls = calls
        self._limits = limits
        self._prices = prices
        self._timeout_s = timeout_s
        self._is_time_up = is_time_up
        self._handlers: dict[type, Callable[[Any], Any]] = {
            ask.AskModel: self._ask_model,
            ask.CallTool: self._call_tool,
            ask.ReadCheckpoint: self._read_checkpoint,
            ask.StoreCheckpoint: self._store_checkpoint,
            ask.StoreWrites: self._store_writes,
            ask.ShowData: self._show_data,
            ask.ModelStarted: self._start_model,
            ask.ModelEnded: self._end_model,
            ask.ToolStarted: self._show_tool,
            ask.ToolEnded: self._show_tool,
            ask.AskPerson: self._ask_person,
            ask.UseStore: self._use_store,
        }
        self._reservations: dict[str, uuid.UUID | None] = {}
        self._after_limit = 0
        self._data = 0
        self._own_calls = 0
        self._calls_made = 0

    def answer(self, call: ask.Call) -> Any:
        """Return the reply. Raises LimitReached, BudgetExceeded, AnswerEnded, LeaseLost, and what models raise."""
        _check_ids(call)
        try:
            return self._handlers[type(call)](call)
        except RecursionError as error:
            raise UnprocessableContent("The agent sent a value that is nested too deeply.") from error

    def settle(self) -> None:
        """Release what calls of models have reserved that have not ended."""
        for id_ in [*self._reservations]:
            self._release(id_)

    def _ask_model(self, call: ask.AskModel) -> dict[str, Any]:
        from langchain_core.messages import message_to_dict, messages_from_dict

        self._check_limits(may_conclude=True)
        try:
            messages = messages_from_dict([*call.messages])
        except Exception as error:
            raise UnprocessableContent("The model was called with messages that LangChain can't read.") from error
        return dict(ask.plain_json(message_to_dict(self._turns.call(messages, call.tools, call.tool_choice))))

    def _count_call(self) -> None:
        self._calls_made += 1
        if self._calls_made > MAX_CALLS:
            raise PermanentError(f"The agent made more than {MAX_CALLS:,} calls of tools in a minute.")

    def _call_tool(self, call: ask.CallTool) -> ask.ToolAnswer:
        self._count_call()
        try:
            return ask.ToolAnswer(*self._calls.run(call.call_id, call.name, call.arguments, self._lock))
        except Waiting:
            return ask.ToolAnswer("", is_waiting=True)

    def _lock(self, tx: Connection) -> None:
        store.lock(tx, self._agent)

    def _read_checkpoint(self, call: ask.ReadCheckpoint) -> ask.StoredCheckpoint | None:
        found = self._checkpoints(call.namespace).read_rows()
        if found is None:
            return None
        row, writes = found
        written = [ask.TaskWrite(each.task_id, 0, each.channel, _blob(each)) for each in writes]
        return ask.StoredCheckpoint(row.id, _blob(row), row.metadata, written)

    def _store_checkpoint(self, call: ask.StoreCheckpoint) -> bool:
        if len(msgspec.json.encode(call.metadata, enc_hook=str)) > MAX_METADATA_BYTES:
            raise PermanentError(f"The metadata of a checkpoint has more than {MAX_METADATA_BYTES:,} bytes.")
        rows = self._checkpoints(call.namespace)
        with self._transaction() as tx:
            store.lock(tx, self._agent)
            if call.namespace:
                tx.execute(_ADD_NAMESPACE, {**self._values(), "namespace": call.namespace})
                if tx.execute(_COUNT_NAMESPACES, self._values()).scalar_one() > MAX_NAMESPACES:
                    raise PermanentError(f"The agent has more than {MAX_NAMESPACES} graphs within its graph.")
            rows.put_row(tx, call.id, (call.value.format, call.value.content), call.metadata)
            parts.write_said(tx, self._agent, call.said)
        return not self._is_time_up()

    def _store_writes(self, call: ask.StoreWrites) -> None:
        if len(call.writes) > MAX_WRITES:
            raise PermanentError(f"A task of the agent wrote more than {MAX_WRITES:,} values.")
        if call.writes:
            rows = [(each.position, each.channel, (each.value.format, each.value.content)) for each in call.writes]
            self._checkpoints(call.namespace).put_write_rows(call.checkpoint_id, call.writes[0].task_id, rows)

    def _checkpoints(self, namespace: str) -> Checkpoints:
        return Checkpoints(self._database, self._agent, namespace)

    def _show_data(self, call: ask.ShowData) -> None:
        self._data += 1
        encoded = msgspec.json.encode(call.value)
        if self._data > MAX_DATA or len(encoded) > MAX_DATA_BYTES or has_nul(call.value):
            if self._data <= MAX_DATA + 1:
                logs.event("agent.data_left_out", severity=30, agent=self._agent.task.agent, bytes=len(encoded))
            return
        with self._transaction() as tx:
            parts.show_data(tx, self._agent, clean(call.id, 200), call.value)

    def _show_tool(self, call: ask.ToolStarted | ask.ToolEnded) -> None:
        self._own_calls += isinstance(call, ask.ToolStarted)
        if isinstance(call, ask.ToolStarted) and self._own_calls > MAX_OWN_CALLS:
            return
        with self._transaction() as tx:
            if isinstance(call, ask.ToolStarted):
                parts.start_tool(tx, self._agent, call)
            else:
                parts.end_tool(tx, self._agent, call)

    def _ask_person(self, call: ask.AskPerson) -> ask.PersonAnswer | None:
        self._count_call()
        if has_nul(call.input) or len(msgspec.json.encode(call.input)) > MAX_INPUT_BYTES:
            raise PermanentError(f"The agent asked the person about more than {MAX_INPUT_BYTES:,} bytes, or with NUL.")
        with self._transaction() as tx:
            return parts.ask_person(tx, self._agent, call)

    def _use_store(self, call: ask.UseStore) -> list[Found]:
        with self._transaction() as tx:
            if any(isinstance(each, PutItem) for each in call.operations):
                store.lock(tx, self._agent)
            return items.run(tx, self._agent, call.operations)

    def _start_model(self, call: ask.ModelStarted) -> None:
        """Reserve the cost of a model of the agent's own, which can't be told to conclude: a limit ends the answer."""
        self._check_limits(may_conclude=False)
        if len(self._reservations) >= MAX_OPEN_MODELS:
            raise PermanentError(f"The agent has more than {MAX_OPEN_MODELS} calls of models at a time.")
        tokens = Tokens(input=_bounded(call.chars) // CHARS_PER_TOKEN, output=ANSWER_TOKENS)
        with self._transaction() as tx:
            amount = cost_of(self._prices, call.model, tokens)
            payer, for_s = self._agent.task.payer, self._timeout_s + SETTLE_S
            self._reservations[call.id] = reserve(tx, payer, amount, for_s=for_s)

    def _end_model(self, call: ask.ModelEnded) -> None:
        tokens = Tokens(input=_bounded(call.input), output=_bounded(call.output))
        with self._transaction() as tx:
            model = clean(call.model, 200)
            cost = record_usage(tx, self._prices, self._agent.task.payer, kind="chat", model=model, tokens=tokens)
            store.count_model_call(tx, self._agent, tokens.input + tokens.output, cost, "")
        self._release(call.id)

    def _release(self, id_: str) -> None:
        reservation = self._reservations.pop(id_, None)
        if reservation is not None:
            with self._transaction() as tx:
                release(tx, self._agent.task.payer.workspace_id, reservation)

    def _check_limits(self, *, may_conclude: bool) -> None:
        """Raise LimitReached. A model of ours is told to conclude first, in a few calls."""
        with self._transaction() as tx:
            used, stopping = store.read_used(tx, self._agent)
        reached = stopping or self._limits.reached(used)
        self._after_limit += bool(reached)
        is_over = used.model_calls >= self._limits.steps + AFTER_LIMIT
        if reached and (not may_conclude or is_over or self._after_limit > AFTER_LIMIT):
            raise LimitReached(reached)

    def _values(self) -> dict[str, Any]:
        return {"workspace_id": self._agent.answer.workspace_id, "id": self._agent.answer.id}

    def _transaction(self) -> Any:
        return self._database.transaction(self._agent.answer.workspace_id)


def _check_ids(call: ask.Call) -> None:
    """Raise PermanentError if an id in a request is too long, or has what no text in the database may have."""
    ids = [getattr(call, name, "") for name in ("namespace", "id", "call_id", "checkpoint_id")]
    if isinstance(call, ask.StoreWrites):
        ids += [text for each in call.writes[:MAX_WRITES] for text in (each.task_id, each.channel)]
        if any(not -MAX_WRITES <= each.position <= MAX_WRITES for each in call.writes[:MAX_WRITES]):
            raise PermanentError("The agent's process stored a value at a position that LangGraph doesn't use.")
    if any(len(id_) > MAX_ID_CHARS or "\0" in id_ for id_ in ids):
        raise PermanentError(f"The agent's process sent an ID with more than {MAX_ID_CHARS:,} characters, or with NUL.")


def _bounded(count: int) -> int:
    return min(max(0, count), MAX_TOKENS)


def _blob(row: Any) -> ask.Blob:
    return ask.Blob(row.format, bytes(row.content))


# The tables of sub-agents' checkpoints have those of graphs within a graph, too: the namespace is in place of the call.
_ADD_NAMESPACE = sa.text("""
    insert into sub_agents (message_id, workspace_id, call_id) values (:id, :workspace_id, :namespace)
    on conflict do nothing
""")

_COUNT_NAMESPACES = sa.text("select count(*) from sub_agents where workspace_id = :workspace_id and message_id = :id")
