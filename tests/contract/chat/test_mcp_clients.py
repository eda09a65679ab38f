"""The official clients of the Model Context Protocol, in Python and TypeScript, use the tools."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.paths import EDGE

TOOLS = ["search", "read_document", "list_sources", "ask"]
TEXT = "Install the compass with pip. It points north."

# Connects as a client of the stateless revision, and as one of the older ones.
READER = """
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
const [url, authorization, question] = process.argv.slice(1);
const results = [];
for (const mode of ["auto", "legacy"]) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url + "/mcp"), {
    requestInit: { headers: { authorization } },
  }));
  const { tools } = await client.listTools();
  const answer = await client.callTool({ name: "ask", arguments: { question } });
  results.push({ tools: tools.map((tool) => tool.name), text: answer.content[0].text });
  await client.close();
}
console.log(JSON.stringify(results));
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = ["Install it ", "with pip [1], ", "not conda [9]."]
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", TEXT, title="Guide", headings=["A"])
        yield made


Mode = Literal["auto", "legacy"]


async def use_tools(chat: httpx.Client, mode: Mode) -> dict[str, Any]:
    """List the tools and call each; return what came back."""
    import httpx2
    from mcp import Client, MCPError
    from mcp.client.streamable_http import streamable_http_client

    messages: list[str | None] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        assert (progress, total) == (len(messages) + 1, None)
        messages.append(message)

    async with httpx2.AsyncClient(headers={"Authorization": chat.headers["Authorization"]}, timeout=60) as http:
        transport = streamable_http_client(f"{chat.base_url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            listed = await client.list_tools()
            found = await client.call_tool("search", {"query": "How do I install the compass?", "limit": 3})
            passage = (found.structured_content or {})["passages"][0]
            read = await client.call_tool("read_document", {"document_id": passage["document_id"], "limit": 7})
            sources = await client.call_tool("list_sources", {})
            answer = await client.call_tool(
                "ask", {"question": "How do I install the compass?"}, progress_callback=on_progress
            )
            missing = await client.call_tool("read_document", {"document_id": "00000000-0000-4000-8000-00000000dead"})
            with pytest.raises(MCPError, match="Invalid arguments for search"):
                await client.call_tool("search", {"query": 1})
    return {
        "tools": [tool.name for tool in listed.tools],
        "passage": passage,
        "read": read.structured_content,
        "sources": sources.structured_content,
        "answer": answer.structured_content,
        "progress": messages,
        "missing": (missing.is_error, missing.content[0].text),  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_python_client_uses_the_tools(chat: httpx.Client, mode: Mode) -> None:
    results = asyncio.run(use_tools(chat, mode))
    assert results["tools"] == TOOLS
    assert results["passage"]["text"] == TEXT
    assert (results["read"]["text"], results["read"]["next_offset"], results["read"]["total_chars"]) == (
        "Install",
        7,
        len(TEXT),
    )
    assert [source["documents"] for source in results["sources"]["sources"]] == [1]
    assert results["answer"]["text"] == "Install it with pip [1], not conda."
    assert [citation["text"] for citation in results["answer"]["citations"]] == [TEXT]
    assert results["progress"] == ["writing the answer"]
    assert results["missing"][0] is True
    assert "Document not found" in results["missing"][1]


@pytest.mark.skipif(
    not (EDGE / "node_modules" / "@modelcontextprotocol" / "client").exists(),
    reason="needs edge/node_modules: `npm ci` in edge/ brings the package `@modelcontextprotocol/client`",
)
def test_typescript_client_uses_the_tools(chat: httpx.Client) -> None:
    arguments = [str(chat.base_url), chat.headers["Authorization"], "How do I install the compass?"]
    command = ["node", "--input-type=module", "--eval", READER, *arguments]
    run = subprocess.run(command, cwd=EDGE, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    assert [result["tools"] for result in results] == [TOOLS, TOOLS]
    assert all(result["text"].startswith("Install it with pip [1], not conda.") for result in results)
