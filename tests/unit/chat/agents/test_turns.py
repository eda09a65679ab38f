"""The chunks of a turn become one message."""

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from functions.chat.agents.turns import NO_JSON, _Chunks
from functions.chat.models.language_model import leave_arguments_unparsed

DELTAS = 5_000


def message_of(*chunks: AIMessageChunk) -> AIMessage:
    reader = _Chunks()
    for chunk in chunks:
        list(reader.read(chunk))
    return reader.message()


def delta(args: str, index: int | None = 0, name: str | None = None, id_: str | None = None) -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=name, args=args, id=id_, index=index)])


def calls(*chunks: AIMessageChunk) -> list[tuple[str | None, str, dict[str, Any]]]:
    return [(call["id"], call["name"], call["args"]) for call in message_of(*chunks).tool_calls]


def test_text_and_calls_are_joined() -> None:
    chunks = (
        AIMessageChunk(content="I write ", id="m1", response_metadata={"model_name": "m"}),
        AIMessageChunk(content="a file."),
        delta("", name="write_file", id_="a"),
        delta('{"path": "a.md",'),
        delta("", 1, "list_files", "b"),
        delta(' "content": "A"}'),
        AIMessageChunk(content="", usage_metadata={"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}),
    )
    message = message_of(*chunks)
    assert (message.text, message.id, message.response_metadata["model_name"]) == ("I write a file.", "m1", "m")
    assert message.usage_metadata == {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}
    assert message.invalid_tool_calls == []
    assert calls(*chunks) == [("a", "write_file", {"path": "a.md", "content": "A"}), ("b", "list_files", {})]


def test_calls_without_an_index_are_not_joined() -> None:
    chunks = delta("{}", None, "list_files", "a"), delta('{"path": "a.md"}', None, "read_file", "b")
    assert calls(*chunks) == [("a", "list_files", {}), ("b", "read_file", {"path": "a.md"})]


def test_long_arguments_are_parsed_once() -> None:
    """LangChain would parse these chunks and their sums for hours."""
    leave_arguments_unparsed()
    text = "no JSON, "
    chunks = [delta(text, name="write_file", id_="a"), *(delta(text) for _ in range(DELTAS))]
    assert calls(*chunks) == [("a", "write_file", {NO_JSON: text * (DELTAS + 1)})]
