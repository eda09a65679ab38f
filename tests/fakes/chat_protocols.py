"""The streams of chat APIs, as events of a script: OpenAI's chat completions, Anthropic's messages, Google's Gemini.

Sources: OpenAI, "Streaming" of the chat completions; Anthropic, "Streaming messages"; Google, "streamGenerateContent".
Groq, Azure OpenAI, Ollama, OpenRouter, vLLM and Mistral speak the first, Vertex AI the last.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

Event = tuple[str | None, dict[str, Any] | str]
"""An event's name, or None, and its data."""


class Script(Protocol):
    """What an answer consists of besides its pieces."""

    thoughts: tuple[str, ...]
    refusal: str
    tool: tuple[str, ...]
    counts: bool
    ends: str
    finish: str
    error: dict[str, Any] | None

    def fails(self) -> bool:
        """Return True if this answer ends with the error."""
        ...


def protocol_of(path: str) -> Callable[[Script, Iterator[str]], Iterator[Event]]:
    """Return the protocol of a request's path."""
    if "GenerateContent" in path:
        return _google
    if "/chat/completions" in path:
        return _groq if path.startswith("/openai/v1") else _openai
    return _anthropic


def _openai(script: Script, pieces: Iterator[str]) -> Iterator[Event]:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
        return {**about, "choices": [choice]}

    yield None, chunk({"role": "assistant", "content": ""})
    for thought in script.thoughts:
        yield None, chunk({"reasoning_content": thought})
    for piece in pieces:
        yield None, chunk({"content": piece})
    if script.refusal:
        yield None, chunk({"refusal": script.refusal})
    for n, arguments in enumerate(script.tool[2:]):
        about = {"id": script.tool[0], "type": "function"} if not n else {}
        function = {"arguments": arguments, **({"name": script.tool[1]} if not n else {})}
        yield None, chunk({"tool_calls": [{"index": 0, **about, "function": function}]})
    if script.fails():
        yield None, {"error": script.error}
    elif script.ends == "well":
        yield None, chunk({}, script.finish or ("tool_calls" if script.tool else "stop"))
        if script.counts:
            yield None, {**chunk({}), "choices": [], "usage": _OPENAI_USAGE}
    if script.ends in ("well", "done"):
        yield None, "[DONE]"


_OPENAI_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 10},
}


def _groq(script: Script, pieces: Iterator[str]) -> Iterator[Event]:
    """Groq has its own names for thoughts and usage."""
    for name, data in _openai(script, pieces):
        if not isinstance(data, dict) or "error" in data:
            yield name, data
        elif not data["choices"]:
            yield name, {**data, "choices": [{"index": 0, "delta": {}}], "x_groq": {"usage": data["usage"]}}
        else:
            delta = data["choices"][0]["delta"]
            if "reasoning_content" in delta:
                delta["reasoning"] = delta.pop("reasoning_content")
            yield name, data


def _anthropic(script: Script, pieces: Iterator[str]) -> Iterator[Event]:
    usage = {"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [], "usage": usage}
    yield "message_start", {"message": {**message, "stop_reason": None, "stop_sequence": None}}
    index = 0
    if script.thoughts:
        yield (
            "content_block_start",
            {"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        )
        for thought in script.thoughts:
            yield "content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": thought}}
        yield "content_block_delta", {"index": 0, "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}}
        yield "content_block_stop", {"index": 0}
        index = 1
    yield "content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}}
    for piece in pieces:
        yield "content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": piece}}
    if script.fails():
        yield "error", {"error": script.error}
    elif script.ends == "well":
        yield "content_block_stop", {"index": index}
        if script.tool:
            block = {"type": "tool_use", "id": script.tool[0], "name": script.tool[1], "input": {}}
            yield "content_block_start", {"index": index + 1, "content_block": block}
            for arguments in script.tool[2:]:
                delta = {"type": "input_json_delta", "partial_json": arguments}
                yield "content_block_delta", {"index": index + 1, "delta": delta}
            yield "content_block_stop", {"index": index + 1}
        reason = script.finish or ("tool_use" if script.tool else "end_turn")
        counted = {**usage, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 10}}
        total = counted if script.counts else {"output_tokens": 0}
        yield "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": total}
        yield "message_stop", {}


def _google(script: Script, pieces: Iterator[str]) -> Iterator[Event]:
    def chunk(parts: list[dict[str, Any]], finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
        return {"candidates": [candidate | ({"finishReason": finish_reason} if finish_reason else {})], **fields}

    for thought in script.thoughts:
        yield None, chunk([{"text": thought, "thought": True}])
    for piece in pieces:
        yield None, chunk([{"text": piece}])
    if script.tool:
        call = {"name": script.tool[1], "args": json.loads("".join(script.tool[2:]))}
        yield None, chunk([{"functionCall": call}])
    if script.fails():
        yield None, {"error": script.error}
    elif script.ends == "well":
        counted = {"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 10}
        usage = {**counted, "cachedContentTokenCount": 60, "totalTokenCount": 130}
        fields = {"usageMetadata": usage} if script.counts else {}
        yield None, chunk([{"text": ""}], script.finish or "STOP", **fields)
