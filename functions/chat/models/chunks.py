"""Read the chunks of LangChain's clients: thoughts, text, tool calls, usage, and how an answer ended. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.chat.answers.pieces import Thought, ToolCall
from functions.chat.streams.ui_message_stream import FinishReason
from headwater.usage.record import Tokens

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

_FAILURES = {"error", "failed", "malformed_function_call"}
_LENGTH = ("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded")
_FILTER = ("content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii")
_REASONS: Mapping[str, FinishReason] = {
    **dict.fromkeys(_LENGTH, "length"),
    **dict.fromkeys(_FILTER, "content-filter"),
    **dict.fromkeys(("pause_turn", "language", "other"), "other"),
}
"""Providers' reasons for ending an answer early. All others are complete answers."""


@dataclass
class _Call:
    """A call of a tool, whose arguments come in pieces."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ChunkReader:
    """Reads the chunks of one answer. `reason` is the provider's for its end, in lower case; "" until it is known."""

    def __init__(self) -> None:
        self.reason = ""
        self.tokens = Tokens()
        self.chars = 0
        """Characters of all text and thoughts, to estimate the usage of an answer that is cut off."""
        self._calls: dict[int | str, _Call] = {}

    def read(self, chunk: "AIMessageChunk") -> Iterator[str | Thought]:
        """Yield a chunk's thoughts and text. A refusal's explanation is text, too."""
        self.reason = finish_reason(chunk.response_metadata) or self.reason
        if chunk.usage_metadata:
            self.tokens = _sum(self.tokens, chunk.usage_metadata)
        for call in chunk.tool_call_chunks:
            whole = self._calls.setdefault(call["index"] or 0, _Call())
            whole.id = whole.id or call["id"] or ""
            whole.name = whole.name or call["name"] or ""
            whole.arguments.append(call["args"] or "")
        for piece in _pieces(chunk):
            self.chars += len(piece.text if isinstance(piece, Thought) else piece)
            yield piece

    def tool_calls(self) -> list[ToolCall]:
        """Return the calls of tools, after the last chunk."""
        return [ToolCall(call.id, call.name, "".join(call.arguments) or "{}") for call in self._calls.values()]

    def is_end(self, error: Exception) -> bool:  # noqa: ARG002 - for other readers
        """Return True if a client's error only says how the answer ended, which `reason` has."""
        return False

    def rest(self) -> Sequence[str | ToolCall]:
        """Return the pieces that follow the last chunk's."""
        return self.tool_calls()

    @property
    def has_failed(self) -> bool:
        """Whether the provider ended the answer by an error."""
        return self.reason in _FAILURES

    @property
    def finish_reason(self) -> FinishReason:
        """How the answer ended."""
        return _REASONS.get(self.reason, "tool-calls" if self._calls else "stop")


def finish_reason(metadata: Mapping[str, Any]) -> str:
    """Return why a provider ended an answer, in lower case, from a chunk's metadata; "" if the chunk is not the last.

    OpenAI's responses API has `status: incomplete` with a reason in `incomplete_details`.
    """
    details = metadata.get("incomplete_details") or {}
    names = ("finish_reason", "stop_reason", "status")
    return str(details.get("reason") or next((metadata[name] for name in names if metadata.get(name)), "")).lower()


def _pieces(chunk: "AIMessageChunk") -> Iterator[str | Thought]:
    for block in chunk.content if isinstance(chunk.content, list) else ():
        if isinstance(block, dict) and (thought := _thought(block)):
            yield Thought(thought)
    if thoughts := chunk.additional_kwargs.get("reasoning_content"):
        yield Thought(str(thoughts))
    if text := str(chunk.text) or str(chunk.additional_kwargs.get("refusal") or "") or _refusal(chunk):
        yield text


def _thought(block: Mapping[str, Any]) -> str:
    """Return the thoughts of a block: Anthropic's and Google's `thinking`, or a summary of OpenAI's responses API."""
    if isinstance(thought := block.get("thinking"), str):
        return thought
    summary = block.get("summary") if block.get("type") == "reasoning" else None
    return "".join(str(part.get("text") or "") for part in summary or () if isinstance(part, dict))


def _refusal(chunk: "AIMessageChunk") -> str:
    """Return the text of a refusal's block in OpenAI's responses API."""
    blocks = chunk.content if isinstance(chunk.content, list) else ()
    return "".join(str(block.get("refusal") or "") for block in blocks if isinstance(block, dict))


def _sum(tokens: Tokens, usage: Mapping[str, Any]) -> Tokens:
    """Add a chunk's usage. Details of OpenAI's service tiers have a prefix, such as `flex_cache_read`."""
    read, written = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    return Tokens(
        input=tokens.input + usage["input_tokens"],
        cached=tokens.cached + _detail(read, "cache_read"),
        output=tokens.output + usage["output_tokens"],
        reasoning=tokens.reasoning + _detail(written, "reasoning"),
        cache_written=tokens.cache_written
        + _detail(read, "cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    )


def _detail(details: Mapping[str, Any], *names: str) -> int:
    return sum(int(value or 0) for name, value in details.items() if name.endswith(names))
