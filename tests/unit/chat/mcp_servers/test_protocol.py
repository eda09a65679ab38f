"""Messages of MCP servers, well-formed and hostile."""

from typing import Any

import pytest

from functions.chat.mcp_servers.protocol import MAX_TOOLS, read_content, read_events, read_result, read_tools
from headwater.errors import PermanentError


def tool(name: Any, **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **fields}


def test_tools_are_named_after_their_server_and_sorted() -> None:
    found = read_tools([tool("b", description="B"), tool("a", title="A")], "issues")
    assert [(each.name, each.description, each.read_only) for each in found.tools] == [
        ("issues__a", "A", False),
        ("issues__b", "B", False),
    ]


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (tool("a b"), "other characters"),
        (tool(""), "other characters"),
        (tool(3.5), "other characters"),
        (tool("x" * 57), "longer than 56"),
        (tool("a", inputSchema=[1]), "schema"),
        (tool("a", inputSchema={"enum": ["x" * 20_000]}), "schema"),
        ("a", "no tool"),
    ],
    ids=["space", "empty", "number", "long", "list", "large schema", "text"],
)
def test_tool_that_cannot_be_used_is_left_out_with_the_reason(listed: Any, reason: str) -> None:
    found = read_tools([listed, tool("good")], "issues")
    assert [each.name for each in found.tools] == ["issues__good"]
    assert reason in found.left_out[0]


def test_descriptions_and_lists_are_bounded() -> None:
    found = read_tools([tool(f"t{n}", description="\x1b[2J\u202e" + "x" * 9_000) for n in range(1_000)], "s")
    assert len(found.tools) == MAX_TOOLS
    assert found.tools[0].description == "[2J" + "x" * 1_997
    assert len(found.left_out) == MAX_TOOLS


def test_events_are_joined_and_others_skipped() -> None:
    lines = [b": comment", b"event: message", b'data: {"id":', b"data: 1}", b"", b"data: no", b"", b"data: 2", b""]
    assert list(read_events(lines)) == [{"id": 1}, 2]


def test_only_the_response_to_a_request_is_its_result() -> None:
    others: list[Any] = [{"id": 2, "result": {}}, {"method": "ping", "id": 1}, [], None, {"result": {}}]
    assert [read_result(message, 1) for message in others] == [None] * 5
    assert read_result({"id": 1, "result": {"a": 1}}, 1) == {"a": 1}
    with pytest.raises(PermanentError, match=r"refused the request: No \\x1b"):
        read_result({"id": 1, "error": {"message": "No \x1b"}}, 1)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "image", "data": "x"}]}, "a\n\n[image left out]"),
        ({"content": [{"type": "resource", "resource": {"text": "b"}}]}, "b"),
        ({"structuredContent": {"n": 1}}, '{"n":1}'),
        ({"content": "none"}, "(The tool returned nothing.)"),
        ({}, "(The tool returned nothing.)"),
    ],
    ids=["image", "resource", "structured", "no list", "empty"],
)
def test_content_becomes_text(result: dict[str, Any], text: str) -> None:
    assert read_content(result) == (text, False)
    assert read_content({**result, "isError": True}) == (text, True)
