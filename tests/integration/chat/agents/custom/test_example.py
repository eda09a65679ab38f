"""The example agent: an ordinary LangGraph app with the workspace's model, tools, approvals, checkpoints and log."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, Turn, follow, results
from tests.harness.agents import answer_of, approval, ask, assert_nothing_is_open, reply, respond, tool_parts
from tests.harness.chat_app import ChatApp, text_of
from tests.harness.kill_switch import take_back

FIND = ToolCall("find_order", {"number": "1001"})
SEARCH = ToolCall("search_knowledge", {"query": "How long do refunds take?"})
REFUND = ToolCall("refund_order", {"number": "1001"})
TURNS = follow([FIND, SEARCH], [REFUND], "Refunded, which takes three days [1][7].")


def kill_the_agent() -> None:
    """Kill this process's child that runs an agent."""
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            status, command = path.read_text(), (path.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if f"PPid:\t{os.getpid()}\n" in status and "headwater.agents.run" in command:
            os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.mark.usefixtures("installed")
def test_agent_answers_with_tools_an_approval_and_a_question_and_survives_a_kill(
    chat: ChatApp, provider: ScriptedProvider
) -> None:
    is_killed: list[bool] = []

    def script(messages: list[dict[str, Any]]) -> Turn:
        if len(provider.requests) == 3 and not is_killed:
            is_killed.append(True)
            kill_the_agent()
        return TURNS(messages)

    provider.script = script
    [listed] = chat.client.get("/api/agents").get_json()["agents"]
    assert (listed["name"], listed["package"]) == ("support", "agent-support")
    chat.client.patch("/api/chat/tools", json={"approvals": {"search_knowledge": "always"}})
    ask(chat, agent="support")
    chat.drain()
    [search] = [part for part in current_parts(chat) if part.get("type") == "tool-approval-request"]
    assert chat.drain() == 0, "nothing runs while it waits"

    respond(chat, approval(search["toolCallId"]))
    chat.drain()
    [question] = [part for part in current_parts(chat) if part.get("toolName") == "ask_user"]
    assert question["input"] == {"question": "Refund order 1001?", "choices": ["yes", "no"]}

    followed = respond(chat, reply(question["toolCallId"], "yes"))
    chat.drain()
    assert is_killed
    chat.rows("update steps set not_before = now() where state = 'ready'")
    take_back(chat.database)
    chat.drain()
    assert text_of(followed.all()) == "Refunded, which takes three days [1]."
    assert results(provider.requests[-1])[-1] == "Refunded 1001."
    assert len(provider.turns) == 4, "the turn in flight is asked again"

    parts = {part["toolName"]: part for part in tool_parts(chat)}
    assert len(tool_parts(chat)) == len(parts) == 3
    assert parts["find_order"]["output"]["text"] == "Order 1001: Compass, 30 euros, delivered."
    assert "Refunds take three days." in parts["search_knowledge"]["output"]["text"]
    assert parts["ask_user"]["output"]["text"] == "yes"
    [shown] = [part for part in answer_of(chat)["parts"] if part["type"] == "data-custom"]
    assert shown["data"] == {"text": "Order 1001 is refunded."}
    [model] = [part["data"] for part in answer_of(chat)["parts"] if part["type"] == "data-model"]
    assert (model["agent"], model["agentName"]) == (True, "support")
    assert answer_of(chat)["metadata"]["state"] == "complete"
    assert chat.rows("select sum(calls), sum(input_tokens + output_tokens) from usage where kind = 'chat'") == [
        (4, 4_400)
    ]
    assert_nothing_is_open(chat)


def current_parts(chat: ChatApp) -> list[dict[str, Any]]:
    """Return the parts of the running answer's stream."""
    return [json.loads(data) for (data,) in chat.rows("select data from message_events order by seq") if data[0] == "{"]
