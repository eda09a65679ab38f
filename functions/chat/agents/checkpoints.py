# ruff: noqa: ARG002 - the signatures are LangGraph's
"""A checkpointer of LangGraph on Postgres: the last checkpoint of an agent, and what its tasks have written since.

Row-level security and the agent's fence apply to every write. Imports LangGraph: import it when an agent runs.
"""

from collections.abc import Iterator, Sequence
from typing import Any

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

from functions.chat.agents import store
from functions.chat.agents.store import Agent
from headwater.database.transactions import Database


class Checkpoints(BaseCheckpointSaver[int]):
    """The checkpoints of one agent. Raises LeaseLost if another step runs it, AnswerEnded if its answer has ended."""

    def __init__(self, database: Database, agent: Agent) -> None:
        super().__init__()
        self._database = database
        self._agent = agent
        self._values = {"workspace_id": agent.answer.workspace_id, "id": agent.answer.id}

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the last checkpoint, None before the first."""
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            row = tx.execute(_READ, self._values).one_or_none()
            if row is None:
                return None
            written = tx.execute(_READ_WRITES, {**self._values, "checkpoint_id": row.id}).all()
        writes = [(each.task_id, each.channel, self._load(each)) for each in written]
        return CheckpointTuple(self._config(row.id), self._load(row), row.metadata, None, writes)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint in place of the last one."""
        kind, content = self.serde.dumps_typed(checkpoint)
        values = {**self._values, "checkpoint_id": checkpoint["id"], "format": kind, "content": content}
        values["metadata"] = msgspec.json.encode(metadata, enc_hook=str).decode()
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            store.lock(tx, self._agent)
            tx.execute(_PUT, values)
            tx.execute(_DELETE_WRITES, values)
        return self._config(checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task has written after a checkpoint."""
        checkpoint_id = config["configurable"]["checkpoint_id"]
        with self._database.transaction(self._agent.answer.workspace_id) as tx:
            store.lock(tx, self._agent)
            for position, (channel, value) in enumerate(writes):
                kind, content = self.serde.dumps_typed(value)
                values = {**self._values, "checkpoint_id": checkpoint_id, "task_id": task_id, "channel": channel}
                values |= {"position": WRITES_IDX_MAP.get(channel, position), "format": kind, "content": content}
                tx.execute(_PUT_WRITE, values)

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


_HERE = "where workspace_id = :workspace_id and message_id = :id"

_READ = sa.text(f"select id, format, content, metadata from agent_checkpoints {_HERE}")

_READ_WRITES = sa.text(f"""
    select task_id, channel, format, content from agent_writes {_HERE} and checkpoint_id = :checkpoint_id
    order by task_id, position
""")

_PUT = sa.text("""
    insert into agent_checkpoints (message_id, workspace_id, id, format, content, metadata)
    values (:id, :workspace_id, :checkpoint_id, :format, :content, cast(:metadata as jsonb))
    on conflict (message_id) do update set id = excluded.id, format = excluded.format, content = excluded.content,
      metadata = excluded.metadata
""")

_DELETE_WRITES = sa.text(f"delete from agent_writes {_HERE} and checkpoint_id <> :checkpoint_id")

_PUT_WRITE = sa.text("""
    insert into agent_writes (message_id, workspace_id, checkpoint_id, task_id, position, channel, format, content)
    values (:id, :workspace_id, :checkpoint_id, :task_id, :position, :channel, :format, :content)
    on conflict (message_id, checkpoint_id, task_id, position) do update set
      channel = excluded.channel, format = excluded.format, content = excluded.content
""")
