# ruff: noqa: ARG002 - the signatures are LangGraph's
"""A checkpointer of LangGraph whose rows the parent stores. Imports LangGraph."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from headwater.agents.connection import Connection
from headwater.agents.messages import (
    MAX_STATE_BYTES,
    Blob,
    ReadCheckpoint,
    Said,
    StoreCheckpoint,
    StoredCheckpoint,
    StoreWrites,
    TaskWrite,
    storable,
)

MAX_REASONING_CHARS = 20_000
_OF_ANSWER = {"messages", "chat_history", "question", "query", "input"}
"""Parts of the state that each answer gets from the conversation."""


class TimeIsUp(Exception):
    """The checkpoint is stored, and another step of the queue continues from it."""


class RemoteCheckpoints(BaseCheckpointSaver[int]):
    """The checkpoints of the agent's answer. What the agent has said is stored with the checkpoint that has it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._stored: set[str] = set()
        self.checkpoint_id = ""
        """Of the graph itself, not of a graph within it."""

    def mark_stored(self, messages: Any) -> None:
        """Say which messages are no news: those of the conversation, and of the last checkpoint."""
        self._stored |= {_key(n, message) for n, message in enumerate(_messages(messages))}

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the last checkpoint, None before the first."""
        namespace = _namespace(config)
        found: StoredCheckpoint | None = self._connection.request(ReadCheckpoint(namespace), StoredCheckpoint | None)
        if found is None:
            return None
        checkpoint: Checkpoint = self._load(found.value)
        if not namespace:
            self.checkpoint_id = found.id
            self.mark_stored(checkpoint["channel_values"].get("messages"))
        writes = [(write.task_id, write.channel, self._load(write.value)) for write in found.writes]
        metadata: Any = found.metadata
        return CheckpointTuple(_config(config, found.id), checkpoint, metadata, None, writes)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint in place of the last one. Raises TimeIsUp once it is stored."""
        namespace = _namespace(config)
        messages = [] if namespace else _messages(checkpoint["channel_values"].get("messages"))
        new = [message for n, message in enumerate(messages) if _key(n, message) not in self._stored]
        said = [_said(message) for message in new if isinstance(message, AIMessage)]
        plain = msgspec.json.decode(msgspec.json.encode(metadata, enc_hook=str))
        call = StoreCheckpoint(namespace, checkpoint["id"], self._dump(checkpoint), plain, said)
        goes_on: bool = self._connection.request(call, bool)
        if not namespace:
            self.checkpoint_id = checkpoint["id"]
            self.mark_stored(messages)
            if not goes_on:
                raise TimeIsUp
        return _config(config, checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store the writes of a task after a checkpoint."""
        written = [
            TaskWrite(task_id, WRITES_IDX_MAP.get(channel, n), channel, self._dump(value))
            for n, (channel, value) in enumerate(writes)
        ]
        checkpoint_id = config["configurable"]["checkpoint_id"]
        self._connection.request(StoreWrites(_namespace(config), checkpoint_id, written), None)

    def dump_state(self, values: Any) -> Blob | None:
        """Return the state beside the messages, None if there is none, or too much."""
        kept = (
            {name: value for name, value in values.items() if name not in _OF_ANSWER}
            if isinstance(values, dict)
            else {}
        )
        if not kept:
            return None
        blob = self._dump(kept)
        return blob if len(blob.content) <= MAX_STATE_BYTES else None

    def load_state(self, state: Blob | None) -> dict[str, Any]:
        """Return the state that was kept. Empty without one, or if the agent's code can't read it any more."""
        try:
            loaded = self._load(state) if state else {}
        except Exception:  # noqa: BLE001 - it is made of the author's classes
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def list(self, config: RunnableConfig | None, **_: Any) -> Iterator[CheckpointTuple]:
        """Yield the last checkpoint: no other is kept."""
        if config is not None and (found := self.get_tuple(config)) is not None:
            yield found

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the last checkpoint."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store the writes of a task."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def alist(self, config: RunnableConfig | None, **_: Any) -> AsyncIterator[CheckpointTuple]:
        """Yield the last checkpoint."""
        for found in await asyncio.to_thread(lambda: [*self.list(config)]):
            yield found

    def _dump(self, value: Any) -> Blob:
        return Blob(*self.serde.dumps_typed(value))

    def _load(self, blob: Blob) -> Any:
        return self.serde.loads_typed((blob.format, blob.content))


def _namespace(config: RunnableConfig) -> str:
    return str(config["configurable"].get("checkpoint_ns", ""))


def _config(config: RunnableConfig, checkpoint_id: str) -> RunnableConfig:
    thread = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": _namespace(config)}
    return {"configurable": {**thread, "checkpoint_id": checkpoint_id}}


def _messages(value: Any) -> "list[Any]":
    return [*value] if isinstance(value, list | tuple) else []


def _key(position: int, message: Any) -> str:
    return str(getattr(message, "id", None) or position)


def _said(message: AIMessage) -> Said:
    thoughts = [str(block.get("reasoning", "")) for block in message.content_blocks if block["type"] == "reasoning"]
    return Said(storable(str(message.text)), storable("\n\n".join(thoughts)[:MAX_REASONING_CHARS].strip()))
