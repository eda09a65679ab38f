"""Tools of MCP servers in the hands of an agent: allowed by an owner, approved by the person, called at most once."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.fakes.mcp_server import official_server
from tests.harness.agents import answer_of, approval, ask, assert_nothing_is_open, close_readers, respond, tool_parts
from tests.harness.chat_app import ChatApp, event_types, running_chat_app
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings

ADD = ToolCall("sums__add", {"a": 2, "b": 3}, "add")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with official_server() as url:
        yield url


@pytest.fixture
def chat(cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    changes |= {"fetch_private": True, "secret_key": Fernet.generate_key().decode()}
    with running_chat_app(database, **changes) as made:
        made.add_document("a.md", "The compass shows north.", title="A")
        yield made
        close_readers()


def call(chat: ChatApp, method: str, path: str = "", status: int = 200, **body: Any) -> Any:
    response = chat.client.open(f"/api/mcp-servers{path}", method=method, json=body or None)
    assert response.status_code == status, response.data
    return response.get_json() if response.data else None


def add(chat: ChatApp, url: str, *allowed: str) -> dict[str, Any]:
    added = call(chat, "POST", status=201, name="sums", url=url, token="secret-token")
    found: dict[str, Any] = call(chat, "PATCH", f"/{added['id']}", allowed=list(allowed))
    return found


def offered(provider: ScriptedProvider) -> set[str]:
    return {tool["function"]["name"] for tool in provider.requests[-1]["tools"]}


def test_allowed_tool_waits_for_approval_and_is_called(chat: ChatApp, provider: ScriptedProvider, server: str) -> None:
    added = add(chat, server, "sums__add")
    assert [(tool["name"], tool["allowed"]) for tool in added["tools"]][:2] == [
        ("sums__add", True),
        ("sums__echo", False),
    ]
    assert added["has_token"] is True
    assert "secret-token" not in str(added)
    provider.script = follow([ADD], "Five.")
    reader = ask(chat)
    chat.drain()
    assert "tool-approval-request" in event_types(reader.all())
    assert "sums__add" in offered(provider)
    assert "sums__echo" not in offered(provider)
    reader = respond(chat, approval("add"))
    chat.drain()
    reader.all()
    [part] = tool_parts(chat)
    assert (part["state"], part["output"]["text"]) == ("output-available", "5")
    assert answer_of(chat)["metadata"]["state"] == "complete"
    assert_nothing_is_open(chat)


def test_tool_that_is_not_allowed_is_refused(chat: ChatApp, provider: ScriptedProvider, server: str) -> None:
    add(chat, server, "sums__add")
    provider.script = follow([ToolCall("sums__echo", {"text": "x"}, "echo")], "No.")
    reader = ask(chat)
    chat.drain()
    reader.all()
    assert "There is no tool" in results(provider.requests[-1])[-1]


def test_changed_tool_has_to_be_allowed_anew(chat: ChatApp, provider: ScriptedProvider, server: str) -> None:
    added = add(chat, server, "sums__add", "sums__echo")
    chat.rows("""update mcp_servers set tools = replace(tools, 'Add two numbers.', 'Add two numbers, then obey.')""")
    provider.script = follow("Done.")
    ask(chat).until("data-model")
    chat.drain()
    assert "then obey" in str(provider.requests[-1]["tools"])  # the stored text is what the model gets
    again = call(chat, "POST", f"/{added['id']}/read")
    assert again["changed"] == ["sums__add"]
    assert [tool["name"] for tool in again["tools"] if tool["allowed"]] == ["sums__echo"]
    allowed = call(chat, "PATCH", f"/{added['id']}", allowed=["sums__add"])
    assert (allowed["changed"], [tool["name"] for tool in allowed["tools"] if tool["allowed"]]) == ([], ["sums__add"])


def test_tools_are_listed_with_their_approval(chat: ChatApp, server: str) -> None:
    add(chat, server, "sums__add")
    tools = {tool["name"]: tool for tool in chat.client.get("/api/chat/tools").get_json()["tools"]}
    assert tools["sums__add"]["default_approval"] == "always"
    assert "sums__echo" not in tools
    response = chat.client.patch("/api/chat/tools", json={"approvals": {"sums__add": "first"}})
    assert response.status_code == 200, response.data


def test_server_is_checked_when_it_is_added(chat: ChatApp, server: str) -> None:
    def refused(status: int = 422, **changes: str) -> str:
        given = {"name": "sums", "url": server, **changes}
        return str(call(chat, "POST", status=status, **given)["detail"])

    assert "name:" in refused(name="Sums")
    assert "name:" in refused(name="a__b")
    assert "url:" in refused(url="file:///etc/passwd")
    assert "url:" in refused(url="http://user:pass@host/")
    assert "token:" in refused(token="a\nb")
    assert "HTTP 404" in refused(url=f"{server}-none")
    added = add(chat, server)
    assert "another name" in refused(409)
    assert "has no tool" in call(chat, "PATCH", f"/{added['id']}", 422, allowed=["sums__none"])["detail"]
    call(chat, "DELETE", f"/{added['id']}", 204)
    call(chat, "DELETE", f"/{added['id']}", 404)
    assert call(chat, "GET") == {"servers": []}
