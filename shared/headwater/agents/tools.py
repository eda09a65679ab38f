"""The workspace's tools as LangChain's, which the parent calls by the workspace's policies. Imports LangChain."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt

from headwater.agents.connection import Connection
from headwater.agents.messages import CallTool, ToolAnswer, plain_json

CALL_WAITS = "headwater: a call waits"
"""The value of an interrupt that no node has made: a call of a tool waits for the person."""


class WorkspaceTool(BaseTool):
    """A tool of the workspace. A call that waits for the person interrupts the graph."""

    connection: Any
    counts: Any

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:  # noqa: A002 - LangChain's
        """Call the tool with arguments, or with a model's call. Returns a text, for a call a ToolMessage."""
        is_call = isinstance(input, dict) and input.get("type") == "tool_call"
        arguments = input["args"] if is_call else input if isinstance(input, dict) else self._single(input)
        given_id = str(input.get("id") or "") if is_call else ""
        connection: Connection = self.connection
        call_id = call_key(ensure_config(config), given_id, self.name, arguments, self.counts)
        answer: ToolAnswer = connection.request(CallTool(call_id, self.name, plain_json(arguments)), ToolAnswer)
        if answer.is_waiting:
            raise GraphInterrupt((Interrupt(value=CALL_WAITS, id=call_id.removeprefix("call_")),))
        if not is_call:
            return answer.text
        status = "error" if answer.is_error else "success"
        return ToolMessage(answer.text, tool_call_id=given_id, name=self.name, status=status)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:  # noqa: A002
        """Call the tool in the same way, on a thread."""
        context = copy_context()
        return await asyncio.to_thread(context.run, self.invoke, input, config)

    def _run(self, **arguments: Any) -> Any:
        return self.invoke(arguments)

    def _single(self, value: Any) -> dict[str, Any]:
        """Return the arguments for a tool with one, which LangChain lets one pass as it is."""
        schema: Any = self.args_schema
        names = list(schema.get("required") or schema.get("properties") or ["input"])
        return {names[0]: value}


def langchain_tools(connection: Connection, names: Sequence[str] = ()) -> list[BaseTool]:
    """Return the workspace's tools, or those with these names that it has."""
    counts: Counter[str] = Counter()
    return [
        WorkspaceTool(
            name=tool.name,
            description=tool.description,
            args_schema=tool.arguments_schema,
            connection=connection,
            counts=counts,
        )
        for tool in connection.context.tools
        if not names or tool.name in names
    ]


def call_key(config: RunnableConfig, given_id: str, name: str, arguments: Any, counts: Counter[str]) -> str:
    """Return an id for a call that is the same when its task runs again after an interrupt or a kill."""
    metadata = config.get("metadata") or {}
    task = str(config.get("configurable", {}).get("checkpoint_ns") or metadata.get("langgraph_checkpoint_ns", ""))
    call = json.dumps([task, given_id, name, arguments], sort_keys=True, default=str)
    counts[call] += 1
    number = 1 if given_id else counts[call]
    return f"call_{hashlib.sha256(f'{call} {number}'.encode()).hexdigest()[:32]}"
