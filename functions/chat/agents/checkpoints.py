# ruff: noqa: ARG002 - the signatures are LangGraph's
"""A checkpointer of LangGraph on Postgres: the last checkpoint of an agent, and what its tasks have written since.

Row-level security and the agent's fence apply to every write. Imports LangGraph: import it when an agent runs.

Commits and serialising are the most expensive work of an agent, so not every checkpoint is stored. One is stored in the
transaction in which its calls begin. The next one, after the calls, is not, because the results of the calls are stored
with the calls. A step that continues from the stored checkpoint makes the calls again and gets the stored results. When
the run ends, the last checkpoint and the tasks' writes are stored, if they are not yet.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from sqlalchemy.engine import Connection

from functions.chat.agents import store
from functions.chat.agents.store import Agent
from headwater.database.transactions import Database, after_commit

INTERRUPT = "__interrupt__"
"""LangGraph's channel of interrupts."""


Writes = Sequence[tuple[int, str, tuple[str, bytes]]]
"""What a task has written, each with its position, channel and serialised value."""


class _Unstored(NamedTuple):
    """A checkpoint that is not stored yet, and its metadata. Channels of `create_agent` replace their values, so that
    these stay as they are."""

    checkpoint: Checkpoint
    metadata: object


class Checkpoints(BaseCheckpointSaver[int]):
    """The checkpoints of one agent, or of its sub-agent that the call `call_id` runs.

    `store_with` and `store_all` store what is not stored yet.

    Raises LeaseLost if another step runs the agent, AnswerEnded if its answer has ended.
    """

    def __init__(self, database: Database, agent: Agent, call_id: str = "") -> None:
        super().__init__()
        self._database = database
        self._agent = agent
        self._values: dict[str, Any] = {"workspace_id": agent.answer.workspace_id, "message_id": agent.answer.id}
        if call_id:
            self._values["call_id"] = call_id
        self._statements = _OF_SUB_AGENT if call_id else _OF_AGENT
        self._unstored: _Unstored | None = None
        self._writes: dict[tuple[str, str], Sequence[tuple[int, str, Any]]] = {}
        """Those after the last checkpoint, by its id and the task's: positions, channels and values."""
        self._lock = threading.Lock()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the last checkpoint, None before the first. Stores it, if it is not stored yet."""
        self.store_all()
        found = self.read_rows()
        if found is None:
            return None
        row, written = found
        writes = [(each.task_id, each.channel, self._load(each)) for each in written]
        return CheckpointTuple(self._config(row.id), self._load(row), row.metadata, None, writes)

    def read_rows(self) -> tuple[Any, Sequence[Any]] | None:
        """Return the row of the last checkpoint and those of what was written since, None before the first."""
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            row = tx.execute(self._statements.read, self._values).one_or_none()
            if row is None:
                return None
            return row, tx.execute(self._statements.read_writes, {**self._values, "checkpoint_id": row.id}).all()

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Remember a checkpoint in place of the last one."""
        with self._lock:
            self._unstored = _Unstored(checkpoint, metadata)
            self._writes.clear()
        return self._config(checkpoint["id"])

    def store_with(self, tx: Connection) -> None:
        """Store the last checkpoint, if it is not stored yet, in a transaction that begins what comes after it.

        The caller has locked the agent.
        """
        with self._lock:
            unstored = self._unstored
        if unstored is not None:
            checkpoint, metadata = unstored
            self.put_row(tx, checkpoint["id"], self.serde.dumps_typed(checkpoint), metadata)
            after_commit(tx, lambda: self._forget(unstored))

    def store_all(self) -> None:
        """Store the last checkpoint and what tasks have written since, if it is not stored yet."""
        with self._lock:
            writes = dict(self._writes)
            if self._unstored is None and not writes:
                return
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            store.lock(tx, self._agent)
            self.store_with(tx)
            for (checkpoint_id, task_id), rows in writes.items():
                serialized = [(position, channel, self.serde.dumps_typed(value)) for position, channel, value in rows]
                self._put_writes(tx, checkpoint_id, task_id, serialized)
        with self._lock:
            for key in writes:
                self._writes.pop(key, None)

    def _forget(self, stored: _Unstored) -> None:
        with self._lock:
            if self._unstored is stored:
                self._unstored = None

    def put_row(self, tx: Connection, checkpoint_id: str, value: tuple[str, bytes], metadata: object) -> None:
        """Store a serialised checkpoint in place of the last one. The caller has locked the agent."""
        kind, content = value
        values = {**self._values, "checkpoint_id": checkpoint_id, "format": kind, "content": content}
        values["metadata"] = msgspec.json.encode(metadata, enc_hook=str).decode()
        tx.execute(self._statements.put, values)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep the writes of a task after a checkpoint."""
        rows = [
            (WRITES_IDX_MAP.get(channel, position), channel, value) for position, (channel, value) in enumerate(writes)
        ]
        key = config["configurable"]["checkpoint_id"], task_id
        with self._lock:
            before = [row for row in self._writes.get(key, ()) if row[1] != INTERRUPT]  # the task has run again
            self._writes[key] = list({row[0]: row for row in [*before, *rows]}.values())

    def put_write_rows(self, checkpoint_id: str, task_id: str, rows: Writes) -> None:
        """Store the writes of a task."""
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            store.lock(tx, self._agent)
            self._put_writes(tx, checkpoint_id, task_id, rows)

    def _put_writes(self, tx: Connection, checkpoint_id: str, task_id: str, rows: Writes) -> None:
        values = {**self._values, "checkpoint_id": checkpoint_id, "task_id": task_id}
        tx.execute(self._statements.delete_interrupt, values)
        for position, channel, (kind, content) in rows:
            values |= {"channel": channel, "position": position, "format": kind, "content": content}
            tx.execute(self._statements.put_write, values)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield the last checkpoint: no other is kept."""
        if config is not None and (found := self.get_tuple(config)) is not None:
            yield found

    def _load(self, row: Any) -> Any:
        return self.serde.loads_typed((row.format, bytes(row.content)))

    def _config(self, checkpoint_id: str) -> RunnableConfig:
        thread = {"thread_id": str(self._agent.answer.id), "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
        return {"configurable": thread}


class _Statements(NamedTuple):
    """The statements for an agent's checkpoints, or for those of its sub-agents."""

    read: sa.TextClause
    read_writes: sa.TextClause
    put: sa.TextClause
    delete_interrupt: sa.TextClause
    put_write: sa.TextClause


def _statements(checkpoints: str, writes: str, key: Sequence[str]) -> _Statements:
    """`key`: the columns that identify an agent or a sub-agent, whose parameters have the same names."""
    columns, values = ", ".join(["workspace_id", *key]), ", ".join(f":{name}" for name in ["workspace_id", *key])
    here = " and ".join(["where workspace_id = :workspace_id", *(f"{name} = :{name}" for name in key)])
    conflict = ", ".join(key)
    return _Statements(
        read=sa.text(f"select id, format, content, metadata from {checkpoints} {here}"),
        read_writes=sa.text(f"""
            select task_id, channel, format, content from {writes} {here} and checkpoint_id = :checkpoint_id
            order by task_id, position
        """),
        put=sa.text(f"""
            with outdated as (delete from {writes} {here} and checkpoint_id <> :checkpoint_id)
            insert into {checkpoints} ({columns}, id, format, content, metadata)
            values ({values}, :checkpoint_id, :format, :content, cast(:metadata as jsonb))
            on conflict ({conflict}) do update set id = excluded.id, format = excluded.format,
              content = excluded.content, metadata = excluded.metadata
        """),
        # A task that was interrupted has run again.
        delete_interrupt=sa.text(f"""
            delete from {writes} {here} and checkpoint_id = :checkpoint_id and task_id = :task_id
              and channel = '{INTERRUPT}'
        """),
        put_write=sa.text(f"""
            insert into {writes} ({columns}, checkpoint_id, task_id, position, channel, format, content)
            values ({values}, :checkpoint_id, :task_id, :position, :channel, :format, :content)
            on conflict ({conflict}, checkpoint_id, task_id, position) do update set
              channel = excluded.channel, format = excluded.format, content = excluded.content
        """),
    )


_OF_AGENT = _statements("agent_checkpoints", "agent_writes", ["message_id"])
_OF_SUB_AGENT = _statements("sub_agent_checkpoints", "sub_agent_writes", ["message_id", "call_id"])
