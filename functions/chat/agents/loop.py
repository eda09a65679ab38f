"""LangChain's agent with our model, tools and checkpoints, run for a while.

Imports LangChain and LangGraph: import it when an agent runs.
"""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, Literal, cast

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import StructuredTool
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import interrupt
from sqlalchemy.engine import Connection

from functions.chat.agents.calls import Calls, TimeUp, Waiting
from functions.chat.agents.checkpoints import Checkpoints
from functions.chat.agents.turns import AgentModel, Turns
from functions.chat.answers.prompt import Turn
from functions.chat.streams.message_log import AnswerEnded
from headwater.errors import HeadwaterError
from headwater.tools import ToolDescription

MAX_PARALLEL_CALLS = 4
_TIME_UP = "time is up"
_RECURSION_LIMIT = 10_000
"""LangGraph's own limit, which raises. Ours ends earlier, with an answer."""


class _CallTools(AgentMiddleware[Any, Any]):
    """Runs the calls of tools by `Calls`, instead of LangChain's own functions."""

    def __init__(self, calls: Calls, turns: Turns, checkpoints: Checkpoints) -> None:
        super().__init__()
        self._calls = calls
        self._turns = turns
        self._checkpoints = checkpoints

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[..., Any]) -> ToolMessage:  # noqa: ARG002
        """Run a call."""
        call, messages = request.tool_call, request.state["messages"]

        def before(tx: Connection) -> None:
            self._turns.write(tx, messages)
            self._checkpoints.store_with(tx)

        try:
            text, is_error = self._calls.run(str(call["id"]), call["name"], call["args"], before)
        except (Waiting, TimeUp) as reason:
            # Ends the graph's run. The next one makes the call again.
            interrupt(_TIME_UP if isinstance(reason, TimeUp) else call["id"])
            raise
        status = "error" if is_error else "success"
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status=status)


def run_agent(
    begin_with: Sequence[Turn],
    tools: Sequence[ToolDescription],
    *,
    instructions: str,
    turns: Turns,
    calls: Calls,
    checkpoints: Checkpoints,
    is_time_up: Callable[[], bool],
) -> list[BaseMessage] | Literal["time is up", "waiting"]:
    """Continue an agent from its last checkpoint. Returns its messages when it has answered.

    Otherwise returns whether time is up, or all that it can do now is to wait for the person.

    Raises what the model raises, AnswerEnded, LeaseLost.
    """
    graph = create_agent(
        AgentModel(turn=turns.call),
        [_to_langchain(tool) for tool in tools],
        system_prompt=instructions,
        middleware=[_CallTools(calls, turns, checkpoints)],
        checkpointer=checkpoints,
    )
    thread = {"thread_id": "answer", "checkpoint_ns": ""}
    config: RunnableConfig = {
        "configurable": thread,
        "max_concurrency": MAX_PARALLEL_CALLS,
        "recursion_limit": _RECURSION_LIMIT,
    }
    has_begun = checkpoints.get_tuple(config) is not None
    given = None if has_begun else {"messages": [_to_message(turn) for turn in begin_with]}
    is_cut = False
    try:
        with closing(
            cast(Any, graph.stream(cast(Any, given), config, stream_mode="updates", durability="sync"))
        ) as updates:
            for _ in updates:
                if is_time_up():
                    is_cut = True
                    break
    except Exception:
        with suppress(HeadwaterError, AnswerEnded):  # the first error says why
            checkpoints.store_all()
        raise
    state = graph.get_state(config)
    if not state.tasks:  # `next` has none if they have ended, but not what comes after them
        messages: list[BaseMessage] = state.values["messages"]
        return messages
    if is_cut:
        turns.end_text(state.values["messages"])
    is_cut = is_cut or any(one.value == _TIME_UP for one in state.interrupts)
    return "time is up" if is_cut else "waiting"


def _to_message(turn: Turn) -> BaseMessage:
    return HumanMessage(turn.text) if turn.role == "user" else AIMessage(turn.text)


def _to_langchain(tool: ToolDescription) -> StructuredTool:
    return StructuredTool.from_function(
        _never_called, name=tool.name, description=tool.description, args_schema=tool.arguments_schema
    )


def _never_called(**_: Any) -> None:
    raise AssertionError
