"""Sub-agents: agents that an agent's calls of `delegate` run."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.agents.sub_agents import INSTRUCTIONS
from tests.fakes.agent_provider import ScriptedProvider, ToolCall, Turn, follow, results
from tests.harness.agents import (
    QUESTION,
    SEARCH,
    answer_of,
    approval,
    ask,
    assert_nothing_is_open,
    respond,
    tool_parts,
)
from tests.harness.chat_app import ChatApp, event_types, second_instance, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.localcloud import Cloud
from tests.harness.support import queue_settings

INSTALL = ToolCall("delegate", {"task": "How is it installed?"}, "install")
USE = ToolCall("delegate", {"task": "How is it used?"}, "use")


class SlowClock:
    """A clock on which the third turn or call of a step is after its end."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 25
        return self.seconds


def is_of_sub_agent(messages: list[dict[str, Any]]) -> bool:
    return str(messages[0]["content"]).endswith(INSTRUCTIONS)


def both(agent: Any, sub_agent: Any) -> Any:
    """Return a script for an agent and its sub-agents."""

    def script(messages: list[dict[str, Any]]) -> Turn:
        turn: Turn = (sub_agent if is_of_sub_agent(messages) else agent)(messages)
        return turn

    return script


@pytest.fixture
def limited(chat: ChatApp, cloud: Cloud, database: FreshDatabase, provider: ScriptedProvider) -> Iterator[ChatApp]:
    """An instance whose sub-agents have two steps."""
    changes = queue_settings(cloud.url) | {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1"}
    with second_instance(database, **changes, sub_agent_steps=2) as made:
        yield made


def test_reports_of_parallel_sub_agents_are_results(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = both(follow([INSTALL, USE], "Both [1]."), follow([SEARCH], "With pip [1]."))
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert text_of(events) == "Both [1]."
    assert results(provider.requests[-1]) == ["With pip [1].", "With pip [1]."]
    of_sub_agents = [request for request in provider.requests if is_of_sub_agent(request["messages"])]
    assert len(of_sub_agents) == 4
    asked = {request["messages"][1]["content"] for request in of_sub_agents}
    assert asked == {"How is it installed?", "How is it used?"}
    assert QUESTION not in str(of_sub_agents[0]["messages"])
    offered = {tool["function"]["name"] for tool in of_sub_agents[0]["tools"]}
    assert "search_knowledge" in offered
    assert not {"delegate", "ask_user"} & offered
    nested = {part["toolCallId"]: part.get("callProviderMetadata") for part in tool_parts(chat)}
    assert nested["install"] is None
    assert {str(value) for value in nested.values() if value} == {
        "{'headwater': {'parent': 'install'}}",
        "{'headwater': {'parent': 'use'}}",
    }
    # Passages of both have numbers of their own.
    passages = [event.part["sourceId"] for event in events if event_types([event]) == ["source-document"]]
    assert passages == [str(n) for n in range(1, len(passages) + 1)]
    assert answer_of(chat)["metadata"]["state"] == "complete"
    [(tokens, calls)] = chat.rows("select input_tokens + output_tokens, calls from usage where kind = 'chat'")
    assert (tokens, calls) == (6 * 1_100, 6)
    assert_nothing_is_open(chat)


def test_limit_of_a_sub_agent_is_told(limited: ChatApp, provider: ScriptedProvider) -> None:
    def sub_agent(messages: list[dict[str, Any]]) -> Turn:
        return "Half of it." if "This is your last turn" in str(messages[-1]["content"]) else [SEARCH]

    provider.script = both(follow([INSTALL], "Done."), sub_agent)
    reader = ask(limited)
    limited.drain()
    assert text_of(reader.all()) == "Done."
    assert results(provider.requests[-1]) == [
        "Half of it.\n\n(It reached its limit of 2 steps (SUB_AGENT_STEPS). The report may be incomplete.)"
    ]
    assert answer_of(limited)["metadata"]["state"] == "complete"


def test_call_of_a_sub_agent_waits_for_an_approval(chat: ChatApp, provider: ScriptedProvider) -> None:
    chat.client.patch("/api/chat/tools", json={"approvals": {"list_documents": "always"}})
    listing = ToolCall("list_documents", {})
    provider.script = both(follow([INSTALL], "Done."), follow([listing], "Two guides."))
    reader = ask(chat)
    chat.drain()
    [requested] = [event.part for event in reader.all() if event_types([event]) == ["tool-approval-request"]]
    assert len(provider.requests) == 2
    assert chat.drain() == 0
    reader = respond(chat, approval(requested["approvalId"]))
    chat.drain()
    assert text_of(reader.all()) == "Done."
    assert len(provider.requests) == 4, "no turn is asked again"
    assert_nothing_is_open(chat)


def test_errors_of_a_sub_agents_calls_are_its_own(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = both(
        follow([INSTALL, ToolCall("delegate", {})], "Done."), follow([ToolCall("ask_user", {"question": "?"})], "No.")
    )
    reader = ask(chat)
    chat.drain()
    assert text_of(reader.all()) == "Done."
    report, invalid = results(provider.requests[-1])
    assert report == "No."
    assert "missing required field `task`" in invalid


def test_stop_ends_sub_agents(chat: ChatApp, provider: ScriptedProvider) -> None:
    def stop(_: object) -> list[ToolCall]:
        chat.client.post("/api/chat/c1/stop")
        return [SEARCH]

    provider.script = both(follow([INSTALL], "Done."), stop)
    reader = ask(chat)
    chat.drain()
    assert event_types(reader.all())[-2:] == ["abort", "[DONE]"]
    assert len(provider.requests) == 2
    assert chat.rows("select count(*) from sub_agents") == [(0,)]
    assert_nothing_is_open(chat)


def test_steps_hand_over_in_the_middle_of_a_sub_agent(
    chat: ChatApp, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.chat.agents.step.time", SlowClock())
    provider.script = both(follow([INSTALL, USE], "Done."), follow([SEARCH], [SEARCH], "With pip [1]."))
    reader = ask(chat)
    assert chat.drain() > 2
    assert text_of(reader.all()) == "Done."
    assert len(provider.requests) == 8, "no turn is asked again"
    assert_nothing_is_open(chat)
