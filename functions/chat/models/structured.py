"""JSON by a schema: the options of a call that asks a provider for it, and the reader of its chunks.

Providers have a structured output for models that they know to support it. Others are asked to call a tool whose
arguments are the JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.chat.answers.pieces import Thought, ToolCall
from functions.chat.models.chunks import ChunkReader
from functions.chat.streams.ui_message_stream import FinishReason

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk

CALLS_A_TOOL = frozenset({"groq"})
"""Providers whose structured output can't be streamed."""

_FOR_TRACERS = frozenset({"ls_structured_output_format", "structured_output_format"})
"""Options that LangChain removes before it calls a provider."""

_ENDS = frozenset({"ContentFilterFinishReasonError", "LengthFinishReasonError"})


def json_options(client: "BaseChatModel", provider: str, schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the options of a call whose answer is JSON, and whether it comes as the arguments of a tool.

    The schema's `title` is its name.
    """
    if provider not in CALLS_A_TOOL and (client.profile or {}).get("structured_output"):
        try:
            chain: Any = client.with_structured_output(dict(schema), method="json_schema", include_raw=True)
        except (KeyError, TypeError, ValueError):  # a schema that the provider's structured output has no form for
            pass
        else:
            given: dict[str, Any] = chain.first.steps__["raw"].kwargs
            return {name: value for name, value in given.items() if name not in _FOR_TRACERS}, False
    name = str(schema["title"])
    function = {"name": name, "description": "Writes the answer.", "parameters": dict(schema)}
    bound: Any = client.bind_tools([{"type": "function", "function": function}], tool_choice=name)
    return dict(bound.kwargs), True


class JsonReader(ChunkReader):
    """Reads the chunks of an answer that is JSON: its text, or the arguments of the first call of the tool.

    A model that was to call a tool and wrote text instead has its text read at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls_tool = False
        self._prose: list[str] = []
        self._first: int | str | None = None

    def read(self, chunk: "AIMessageChunk") -> Iterator[str | Thought]:
        """Yield a chunk's thoughts and JSON."""
        for piece in super().read(chunk):
            if self.calls_tool and isinstance(piece, str):
                self._prose.append(piece)
            else:
                yield piece
        for call in chunk.tool_call_chunks if self.calls_tool else ():
            index = call["index"] or 0
            self._first = index if self._first is None else self._first
            if index == self._first and call["args"]:
                self.chars += len(call["args"])
                yield call["args"]

    def rest(self) -> Sequence[str | ToolCall]:
        """Return the text of a model that did not call the tool."""
        return self._prose if self._first is None else ()

    def is_end(self, error: Exception) -> bool:
        """Return True for an error that only says that the answer was cut or refused: OpenAI's client parses it."""
        return bool(self.reason) and type(error).__name__ in _ENDS

    @property
    def finish_reason(self) -> FinishReason:
        """How the answer ended. A call of the tool is a complete answer."""
        reason = super().finish_reason
        return "stop" if reason == "tool-calls" else reason
