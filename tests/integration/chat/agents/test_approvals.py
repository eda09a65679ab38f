"""Calls of tools that wait for the approval of the person who asked."""

import threading
from pathlib import Path
from typing import Any

import pytest

from functions.chat.agents.responses import NOT_WAITING
from headwater.extensions import discovery
from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.harness.agents import (
    SEARCH,
    answer_of,
    approval,
    ask,
    assert_nothing_is_open,
    post_response,
    respond,
    tool_parts,
)
from tests.harness.chat_app import ChatApp, event_types, parse_events, text_of
from tests.harness.extensions import declare_tool

LIST = ToolCall("list_documents", {"path": "guides/**"}, "list")
PAYMENTS = """
import msgspec
from headwater.tools import Tool

class Arguments(msgspec.Struct):
    euros: int

class Pay(Tool):
    name = "pay"
    description = "Pays."
    arguments_type = Arguments

    def run(self, context, arguments):
        with open({path!r}, "a") as log:
            log.write(f"{{arguments.euros}}\\n")
        return f"Paid {{arguments.euros}}."
"""


@pytest.fixture
def payments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a tool with effects. Returns the file where it writes what was paid."""
    log = tmp_path / "payments"
    log.touch()
    site = declare_tool(tmp_path / "site", "pay", "test_payments:Pay")
    (site / "test_payments.py").write_text(PAYMENTS.format(path=str(log)))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    discovery.installed.cache_clear()
    return log


@pytest.fixture(autouse=True)
def _forget_extensions() -> Any:
    yield
    discovery.installed.cache_clear()


def set_approvals(chat: ChatApp, **approvals: str | None) -> Any:
    response = chat.client.patch("/api/chat/tools", json={"approvals": approvals})
    assert response.status_code == 200, response.data
    return {tool["name"]: tool for tool in response.get_json()["tools"]}


def test_call_waits_and_runs_once_approved(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([LIST], "Done.")
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert event_types(events)[2:] == ["tool-input-available", "tool-approval-request", "finish", "[DONE]"]
    assert events[3].part == {"type": "tool-approval-request", "approvalId": "list", "toolCallId": "list"}
    assert events[-2].part == {"type": "finish", "finishReason": "tool-calls"}
    assert_nothing_runs(chat)
    assert chat.drain() == 0
    assert chat.client.get("/api/conversations/c1").get_json()["messages"][-1]["role"] == "user"
    replayed = parse_events(chat.client.get("/api/chat/c1/stream").data)
    assert [event.part for event in replayed] == [event.part for event in events]

    followed = respond(chat, approval("list"))
    chat.drain()
    more = followed.all()
    assert event_types(more) == [
        "tool-approval-response",
        "tool-output-available",
        "text-start",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ]
    assert [event.id for event in [*events[:-2], *more]] == [*range(1, len(events) - 2 + len(more) + 1)]
    [tool] = tool_parts(chat)
    assert (tool["state"], tool["approval"]) == ("output-available", {"id": "list", "approved": True})
    assert answer_of(chat)["metadata"]["state"] == "complete"
    assert_nothing_is_open(chat)


def assert_nothing_runs(chat: ChatApp) -> None:
    """Nothing is due, no run is open, and no ticket is sent again: waiting costs nothing."""
    assert chat.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)]
    assert chat.rows("select count(*) from runs where state = 'running'") == [(0,)]
    assert chat.rows("select waiting_since is not null from messages where role = 'assistant'") == [(True,)]


def test_rejected_call_is_told_with_its_reason(chat: ChatApp, provider: ScriptedProvider, payments: Path) -> None:
    provider.script = follow([ToolCall("pay", {"euros": 5}, "p")], "I did not pay.")
    ask(chat)
    chat.drain()
    reader = respond(chat, approval("p", approved=False, reason="Too much."))
    chat.drain()
    assert event_types(reader.all())[:2] == ["tool-approval-response", "tool-output-denied"]
    assert results(provider.requests[-1]) == [
        "The person has rejected this call, so it was not made. The person's reason: Too much."
    ]
    [tool] = tool_parts(chat)
    assert tool["state"] == "output-denied"
    assert tool["approval"] == {"id": "p", "approved": False, "reason": "Too much."}
    assert payments.read_text() == ""
    assert_nothing_is_open(chat)


def test_tool_with_effects_waits_by_default_and_runs_with_the_changed_arguments(
    chat: ChatApp, provider: ScriptedProvider, payments: Path
) -> None:
    provider.script = follow([ToolCall("pay", {"euros": 500}, "p"), SEARCH], "Paid.")
    ask(chat)
    chat.drain()
    assert payments.read_text() == ""
    reader = respond(chat, approval("p", input={"euros": 50}))
    chat.drain()
    events = reader.all()
    assert event_types(events)[:2] == ["tool-input-available", "tool-approval-response"]
    assert payments.read_text() == "50\n"
    told = results(provider.requests[-1])[0]
    assert told == '(The person has changed the arguments to {"euros":50}.)\n\nPaid 50.'
    [paid] = [part for part in tool_parts(chat) if part["toolName"] == "pay"]  # calls begin in any order
    assert paid["input"] == {"euros": 50}
    assert "changed" not in paid["output"]["text"]


def test_response_given_twice_runs_the_tool_once(chat: ChatApp, provider: ScriptedProvider, payments: Path) -> None:
    provider.script = follow([ToolCall("pay", {"euros": 5}, "p")], "Paid.")
    ask(chat)
    chat.drain()
    first = respond(chat, approval("p"))
    second = respond(chat, approval("p"))
    late = respond(chat, approval("p", approved=False))
    chat.drain()
    assert [event.part for event in first.all()] == [event.part for event in second.all()]
    assert text_of(late.all()) == "Paid."
    third = respond(chat, approval("p"))
    assert [event.part for event in third.all()] == [event.part for event in first.all()]
    assert payments.read_text() == "5\n"
    assert_nothing_is_open(chat)


def test_parallel_calls_wait_one_by_one(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    grep = ToolCall("grep_documents", {"text": "pip"}, "grep")
    other = ToolCall("list_documents", {}, "other")
    provider.script = follow([LIST, grep, other], "Done.")
    reader = ask(chat)
    chat.drain()
    parts = [event.part["type"] for event in reader.all()[:-1]]
    assert (parts.count("tool-approval-request"), parts.count("tool-output-available")) == (2, 1)
    assert len(provider.requests) == 1
    first = respond(chat, approval("other"))
    chat.drain()
    assert event_types(first.all()) == ["tool-approval-response", "tool-output-available", "finish", "[DONE]"]
    assert len(provider.requests) == 1
    second = respond(chat, approval("list", approved=False))
    chat.drain()
    assert text_of(second.all()) == "Done."
    assert [part["state"] for part in sorted(tool_parts(chat), key=lambda part: part["toolCallId"])] == [
        "output-available",
        "output-denied",
        "output-available",
    ]
    assert_nothing_is_open(chat)


def test_first_use_in_a_conversation_needs_an_approval(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="first")
    again = ToolCall("list_documents", {}, "again")
    provider.script = follow([LIST], [again], "Done.")
    ask(chat)
    chat.drain()
    reader = respond(chat, approval("list"))
    chat.drain()
    assert text_of(reader.all()) == "Done."
    provider.script = follow([LIST], "Done again.")
    reader = ask(chat, message_id="m2")
    chat.drain()
    assert text_of(reader.all()) == "Done again."


def test_invalid_call_fails_without_an_approval(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([ToolCall("list_documents", {"x": 1})], "I can't.")
    reader = ask(chat)
    chat.drain()
    assert text_of(reader.all()) == "I can't."
    assert tool_parts(chat)[0]["state"] == "output-error"


def test_stop_ends_an_answer_that_waits(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([LIST], "Done.")
    ask(chat)
    chat.drain()
    refused = chat.post("c1", "And now?", "m2")
    assert refused.status_code == 409
    assert "waits for you" in refused.get_json()["detail"]
    assert chat.client.post("/api/chat/c1/stop").get_json() == {"stopped": True}
    assert answer_of(chat)["metadata"]["state"] == "stopped"
    assert tool_parts(chat)[0]["state"] == "approval-requested"
    assert_nothing_is_open(chat)
    late = post_response(chat, approval("list"))
    assert (late.status_code, late.get_json()["detail"]) == (409, NOT_WAITING)
    assert chat.post("c1", "And now?", "m2").status_code == 200


def test_waiting_does_not_count_as_time_of_the_agent(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([LIST], "Done.")
    ask(chat)
    chat.drain()
    chat.rows("update agents set created_at = created_at - interval '3 days'")
    chat.rows("update messages set waiting_since = waiting_since - interval '3 days' where role = 'assistant'")
    reader = respond(chat, approval("list"))
    chat.drain()
    assert text_of(reader.all()) == "Done."
    assert answer_of(chat)["metadata"]["state"] == "complete"


def test_response_that_comes_before_the_step_ends_goes_on_at_once(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    answered: list[int] = []
    slow = ToolCall("run_python", {"code": "import time; time.sleep(1)"}, "slow")
    provider.script = follow([LIST, slow], "Done.")
    reader = ask(chat)

    def approve() -> None:
        reader.until("tool-approval-request")
        answered.append(post_response(chat, approval("list")).status_code)

    thread = threading.Thread(target=approve)
    thread.start()
    while not provider.turns or len(provider.turns) < 2:
        chat.drain()
    thread.join()
    assert answered == [200]
    assert_nothing_is_open(chat)


@pytest.mark.parametrize(
    ("part", "status", "says"),
    [
        (approval("nothing"), 409, NOT_WAITING),
        ({"type": "dynamic-tool", "state": "approval-responded", "approval": {"approved": True}}, 422, "toolCallId"),
        ({**approval("list"), "approval": {"approved": "yes"}}, 422, "true or false"),
        ({**approval("list"), "approval": {"approved": True, "reason": "x" * 3_000}}, 422, "limit is 2,000"),
        ({**approval("list"), "input": ["x"]}, 422, "JSON object"),
        ({**approval("list"), "input": {"path": "x\0"}}, 422, "NUL"),
        ({**approval("list"), "input": {"path": "x" * 250_000}}, 422, "limit is 200,000"),
        ({"type": "text", "text": "yes"}, 422, "with a response"),
    ],
    ids=["unknown", "no id", "no boolean", "long reason", "list", "NUL", "long input", "text"],
)
def test_invalid_responses_are_refused(
    chat: ChatApp, provider: ScriptedProvider, part: dict[str, Any], status: int, says: str
) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([LIST], "Done.")
    ask(chat)
    chat.drain()
    response = post_response(chat, part)
    assert response.status_code == status, response.data
    assert says in response.get_json()["detail"]
    assert_nothing_runs(chat)


def test_only_the_person_who_asked_may_respond(chat: ChatApp, provider: ScriptedProvider) -> None:
    set_approvals(chat, list_documents="always")
    provider.script = follow([LIST], "Done.")
    ask(chat)
    chat.drain()
    chat.rows("update conversations set subject = 'user:someone'")
    assert post_response(chat, approval("list")).status_code == 404
    assert_nothing_runs(chat)


def test_owner_sets_which_tools_need_an_approval(chat: ChatApp, payments: Path) -> None:
    tools = set_approvals(chat)
    assert tools["pay"]["default_approval"] == "always"
    assert tools["run_python"]["default_approval"] == "never"
    assert {tool["approval"] for tool in tools.values()} == {None}
    tools = set_approvals(chat, pay="never", run_python="first")
    assert (tools["pay"]["approval"], tools["run_python"]["approval"]) == ("never", "first")
    assert set_approvals(chat, pay=None)["pay"]["approval"] is None
    assert chat.client.get("/api/chat/tools").get_json()["tools"] == list(set_approvals(chat).values())
    refused = chat.client.patch("/api/chat/tools", json={"approvals": {"nothing": "never"}})
    assert refused.get_json()["detail"] == "approvals: there is no tool nothing."
    [(details,)] = chat.rows("select details from audit_log where action = 'chat.changed' order by id limit 1")
    assert details == {"fields": ["approvals"], "approvals": {"pay": "never", "run_python": "first"}}


def test_tools_that_are_offered_are_in_the_list(chat: ChatApp, provider: ScriptedProvider) -> None:
    ask(chat)
    chat.drain()
    offered = {tool["function"]["name"] for tool in provider.requests[-1]["tools"]}
    listed = {tool["name"] for tool in chat.client.get("/api/chat/tools").get_json()["tools"]}
    assert offered - listed == {"ask_user"}
