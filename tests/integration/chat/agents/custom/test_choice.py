"""The list of installed agents, which a workspace allows, and the one of a conversation."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.agents import ask
from tests.harness.chat_app import ChatApp


@pytest.fixture(autouse=True)
def other(write: Callable[[str, str], None]) -> None:
    write("other", '"""Does other things.\n\nIn detail."""\n\nraise SystemExit')
    write("support", "")
    write("Bad name", "")
    write("_private", "")


def listed(chat: ChatApp) -> dict[str, Any]:
    return {agent["name"]: agent for agent in chat.client.get("/api/agents").get_json()["agents"]}


def test_list_describes_agents_without_importing_them(chat: ChatApp) -> None:
    agents = listed(chat)
    assert list(agents) == ["Bad name", "other", "support"]
    assert agents["other"] == {
        "name": "other",
        "description": "Does other things.",
        "package": "agents/other.py",
        "allowed": True,
        "problem": None,
    }
    assert agents["Bad name"]["problem"] == (
        "The agent's name 'Bad name' may have lower-case letters, digits, - and _ only."
    )


def test_workspace_allows_agents(chat: ChatApp) -> None:
    response = chat.client.put("/api/agents", json={"allowed": ["other"]})
    assert {agent["name"]: agent["allowed"] for agent in response.get_json()["agents"]} == {
        "Bad name": False,
        "other": True,
        "support": False,
    }
    refused = chat.post("c1", "Hello?", mode="agent", agent="support")
    assert (refused.status_code, refused.get_json()["detail"]) == (
        422,
        "agent: this workspace does not allow support. Choose another one.",
    )
    unknown = chat.client.put("/api/agents", json={"allowed": ["nothing"]})
    assert unknown.get_json()["detail"] == "allowed: nothing is not among the installed agents."
    chat.client.put("/api/agents", json={"allowed": None})
    assert listed(chat)["support"]["allowed"]


def test_conversation_keeps_its_agent(chat: ChatApp) -> None:
    def asked(message_id: str, **body: Any) -> str:
        ask(chat, message_id=message_id, **body)
        [(agent,)] = chat.rows("select task->>'agent' from agents")
        chat.client.post("/api/chat/c1/stop")
        chat.drain()
        return str(agent)

    assert asked("m1") == ""
    assert asked("m2", agent="support") == "support"
    assert asked("m3") == "support"
    assert asked("m4", agent="") == ""
    missing = chat.post("c1", "Hello?", "m5", mode="agent", agent="gone")
    assert missing.get_json()["detail"] == "agent: The agent 'gone' isn't installed any more. Choose another one."
    other_mode = chat.post("c1", "Hello?", "m5", agent="support")
    assert other_mode.get_json()["detail"] == "agent: only a question with `mode: agent` has one."
