"""Reports the calls of an agent's own tools and models to the parent. Imports LangChain."""

import json
from collections import Counter
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from headwater.agents.connection import Connection
from headwater.agents.messages import ModelEnded, ModelStarted, ToolEnded, ToolStarted, plain_json, storable
from headwater.agents.tools import call_key

MAX_TEXT_CHARS = 100_000
MAX_INPUT_CHARS = 100_000


class Reports(BaseCallbackHandler):
    """LangChain's callbacks. Those of models raise if a limit or a budget is reached."""

    raise_error = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts: Counter[str] = Counter()
        self._tools: dict[UUID, str] = {}
        self._models: dict[UUID, str] = {}

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, *, run_id: UUID, **given: Any) -> None:
        """Report a call of one of the agent's own tools. The workspace's are reported by the parent."""
        inputs = given.get("inputs")
        arguments = _plain(inputs if isinstance(inputs, dict) else {"input": input_str})
        name = str((serialized or {}).get("name") or given.get("name") or "tool")
        config: Any = {"metadata": given.get("metadata")}
        call_id = call_key(config, str(given.get("tool_call_id") or ""), name, arguments, self._counts)
        self._tools[run_id] = call_id
        self._connection.request(ToolStarted(call_id, name, arguments), None)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """Report the result."""
        content = getattr(output, "content", output)
        self._end(run_id, content if isinstance(content, str) else json.dumps(content, default=str), is_error=False)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Report a failure. An interrupt is none: the call begins again when the person has answered."""
        if type(error).__name__ != "GraphInterrupt":
            self._end(run_id, f"{type(error).__name__}: {error}", is_error=True)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - the signature is LangChain's
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **given: Any,
    ) -> None:
        """Ask whether a model of the agent's own may be called."""
        if (given.get("invocation_params") or {}).get("_type") == "headwater":
            return
        metadata = given.get("metadata") or {}
        model = f"{metadata.get('ls_provider', '')}:{metadata.get('ls_model_name', '')}"
        chars = sum(len(str(message.content)) for message in messages[0])
        self._connection.request(ModelStarted(str(run_id), model, chars), None)
        self._models[run_id] = model

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Report what a model of the agent's own has used."""
        usage: Any = {}
        text = ""
        for generation in response.generations[0] if response.generations else ():
            message: Any = getattr(generation, "message", None)
            usage, text = getattr(message, "usage_metadata", None) or {}, generation.text
        self._end_model(run_id, usage.get("input_tokens", 0), usage.get("output_tokens", 0) or len(text) // 4)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002 - LangChain's
        """Report a failed call, which has used nothing that is known."""
        self._end_model(run_id, 0, 0)

    def _end(self, run_id: UUID, text: str, *, is_error: bool) -> None:
        if call_id := self._tools.pop(run_id, ""):
            self._connection.request(ToolEnded(call_id, storable(text[:MAX_TEXT_CHARS]), is_error), None)

    def _end_model(self, run_id: UUID, used_in: int, used_out: int) -> None:
        if model := self._models.pop(run_id, ""):
            self._connection.request(ModelEnded(str(run_id), model, used_in, used_out), None)


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON values, without those that LangGraph has injected."""
    kept = {name: value for name, value in arguments.items() if name not in ("runtime", "state", "store", "config")}
    text = json.dumps(kept, default=str, skipkeys=True)
    return dict(plain_json(kept)) if len(text) <= MAX_INPUT_CHARS else {"input": text[:MAX_INPUT_CHARS]}
