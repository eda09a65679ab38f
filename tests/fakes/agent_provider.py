"""A fake chat provider whose model follows a script: each request gets the next turn, text or calls of tools."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakes.chat_protocols import Event
from tests.fakes.chat_provider import FakeProvider, serve


class ToolCall(NamedTuple):
    """A call of a tool. `arguments` are sent as JSON, a string as it is."""

    name: str
    arguments: dict[str, Any] | str
    id: str = ""


class Written(NamedTuple):
    """Text in two pieces, after thoughts and before calls. `between` is called before the second; an error of it cuts
    the connection.
    """

    thoughts: str
    first: str
    second: str
    between: Callable[[], object] = bool
    calls: Sequence[ToolCall] = ()


Turn = str | Sequence[ToolCall] | Written
Script = Callable[[list[dict[str, Any]]], Turn]
"""Returns the model's next turn for a request's messages."""


@dataclass
class ScriptedProvider(FakeProvider):
    """A model that follows `script`."""

    script: Script = lambda _: "Done."
    turns: list[Turn] = field(default_factory=list)

    def events(self, path: str, body: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of the next turn."""
        turn: Turn = self.script(body["messages"])
        self.turns.append(turn)
        calls = [] if isinstance(turn, str) else list(turn.calls if isinstance(turn, Written) else turn)
        yield None, _chunk({"role": "assistant", "content": turn if isinstance(turn, str) else ""})
        if isinstance(turn, Written):
            yield None, _chunk({"reasoning_content": turn.thoughts})
            yield None, _chunk({"content": turn.first})
            turn.between()
            yield None, _chunk({"content": turn.second})
        for n, call in enumerate(calls):
            arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
            id_ = call.id or f"call-{len(self.turns)}-{n}"
            function = {"name": call.name, "arguments": arguments}
            yield None, _chunk({"tool_calls": [{"index": n, "id": id_, "type": "function", "function": function}]})
        yield None, _chunk({}, "tool_calls" if calls else "stop")
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
        yield None, {**_chunk({}), "choices": [], "usage": usage}
        yield None, "[DONE]"


def follow(*turns: Turn) -> Script:
    """Return a script with one turn after the other: by the number of the model's turns in the messages."""

    def script(messages: list[dict[str, Any]]) -> Turn:
        last_question = max(n for n, message in enumerate(messages) if message["role"] == "user")
        done = sum(message["role"] == "assistant" for message in messages[last_question:])
        turn: Turn = turns[min(done, len(turns) - 1)]
        return turn

    return script


def results(request: dict[str, Any]) -> list[str]:
    """Return the results of tools in a request."""
    return [message["content"] for message in request["messages"] if message["role"] == "tool"]


@contextmanager
def scripted_provider(script: Script | None = None) -> Iterator[ScriptedProvider]:
    """Run the server until the block ends."""
    provider = ScriptedProvider()
    if script:
        provider.script = script
    with serve(provider):
        yield provider


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}
