"""Run an agent's graph in its process: from the last checkpoint until it has answered, waits, or time is up."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from headwater.agents.connection import Connection
from headwater.agents.messages import AgentContext, Outcome, Request, ShowData, plain_json
from headwater.extensions.discovery import Extension
from headwater.extensions.methods import ExtensionMethods

MAX_PARALLEL_CALLS = 4
RECURSION_LIMIT = 1_000
"""Steps of a graph in one run of its process."""


class AgentMethods(ExtensionMethods):
    """The methods of an agent's process."""

    def __init__(self, extension: Extension, context: msgspec.Raw) -> None:
        super().__init__(extension, context)
        self._pipe: socket.socket | None = None

    def attach(self, pipe: socket.socket) -> None:
        """Take the connection to the parent."""
        self._pipe = pipe

    def run(self) -> Iterator[Request]:
        """Continue the agent. Yields its requests to the parent, and at the end its Outcome."""
        assert self._pipe
        connection = Connection(self._pipe, msgspec.msgpack.decode(self.context, type=AgentContext))
        outcome: list[Outcome | BaseException] = []

        def work() -> None:
            try:
                outcome.append(asyncio.run(_run(self, connection)))
            except BaseException as error:  # noqa: BLE001 - raised on the thread that reports it
                outcome.append(error)
            finally:
                connection.close()

        threading.Thread(target=work, name="agent", daemon=True).start()
        yield from connection.requests()
        [result] = outcome
        if isinstance(result, BaseException):
            raise result
        yield Request(0, result)


async def _run(methods: AgentMethods, connection: Connection) -> Outcome:
    target = methods.target  # first: an agent that can't be imported need not wait for LangGraph
    from langgraph.types import Command

    from headwater.agents.callbacks import Reports
    from headwater.agents.checkpoints import RemoteCheckpoints, TimeIsUp
    from headwater.agents.graphs import compile_graph, first_input, kept_state
    from headwater.agents.interrupts import answers_of
    from headwater.agents.stores import RemoteStore

    checkpoints = RemoteCheckpoints(connection)
    graph = await compile_graph(target, checkpoints, RemoteStore(connection))
    context = connection.context
    thread = {"thread_id": context.conversation_id, "checkpoint_ns": "", "user_id": context.subject}
    config: Any = {
        "configurable": thread,
        "callbacks": [Reports(connection)],
        "max_concurrency": MAX_PARALLEL_CALLS,
        "recursion_limit": RECURSION_LIMIT,
    }
    given: Any = None
    if await checkpoints.aget_tuple(config) is None:
        given = first_input(graph, context.turns)
        given = {**kept_state(graph, checkpoints.load_state(context.state)), **given}
        checkpoints.mark_stored(given.get("messages"))
    else:
        state = await graph.aget_state(config)
        if not state.tasks:
            return _answered(state.values, checkpoints)
        answers, may_go_on = await asyncio.to_thread(answers_of, connection, state.interrupts)
        if not may_go_on:
            return Outcome("waiting")
        given = Command(resume=answers) if answers else None
    try:
        await _stream(graph, given, config, connection, checkpoints)
    except TimeIsUp:
        return Outcome("time is up")
    state = await graph.aget_state(config)
    if not state.tasks:
        return _answered(state.values, checkpoints)
    await asyncio.to_thread(answers_of, connection, state.interrupts)
    return Outcome("waiting")


def _answered(values: Any, checkpoints: Any) -> Outcome:
    from headwater.agents.graphs import last_answer

    return Outcome("answered", last_answer(values), checkpoints.dump_state(values))


async def _stream(graph: Any, given: Any, config: Any, connection: Connection, checkpoints: Any) -> None:
    """Run the graph, and show the person what its nodes write to the stream."""
    from headwater.agents.graphs import context_of

    shown: dict[str, int] = {}
    chunks = graph.astream(
        given, config, context=context_of(graph), stream_mode="custom", durability="sync", subgraphs=True
    )
    async with aclosing(chunks) as open_chunks:
        async for _, value in open_chunks:
            after = checkpoints.checkpoint_id
            shown[after] = shown.get(after, 0) + 1
            shown_value = ShowData(f"{after}/{shown[after]}", plain_json(value))
            await asyncio.to_thread(connection.request, shown_value, None)
