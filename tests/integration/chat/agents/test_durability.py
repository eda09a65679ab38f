"""Agents under kills: whatever dies, the answer goes on from the last finished call."""

import time

import pytest
import sqlalchemy as sa

from functions.chat.agents import step, store
from functions.chat.agents.calls import INTERRUPTED, Calls
from functions.chat.streams import message_log
from functions.chat.streams.tool_parts import ToolInput
from functions.chat.tools.toolbox import Toolbox
from headwater.errors import LeaseLost
from headwater.file_store.places import Quota
from headwater.outbound.deadline import CHECK_EVERY_S
from headwater.queue.worker import MAX_LOST_LEASES
from headwater.tools import ToolContext
from tests.fakes.agent_provider import ScriptedProvider, ToolCall, Written, follow
from tests.harness.agents import SEARCH, answer_of, ask, assert_nothing_is_open, logged_events, tool_parts
from tests.harness.chat_app import ChatApp, event_types, text_of
from tests.harness.kill_switch import Killed, KillSwitch, take_back

LIST = ToolCall("list_documents", {})
PYTHON = ToolCall("run_python", {"code": "print(1)"})
WRITE = ToolCall("write_file", {"path": "notes.md", "content": "With pip."})
TURNS = ([SEARCH, LIST], [PYTHON, WRITE], "With pip [1].")


def go_on(chat: ChatApp) -> None:
    """Return the step to the queue and run it; again while a thread of the killed step, which lives, has locked it."""
    for _ in range(20):
        take_back(chat.database)
        chat.drain()
        if chat.rows("select count(*) from agents") == [(0,)]:
            return
        time.sleep(0.5)


@pytest.mark.parametrize("at", range(2, 30))
def test_agent_goes_on_after_a_kill_at_each_commit(chat: ChatApp, provider: ScriptedProvider, at: int) -> None:
    provider.script = follow(*TURNS)
    reader = ask(chat)
    switch = KillSwitch(chat.database, at)
    try:
        chat.drain()
        was_killed = False
    except Killed:
        was_killed = True
    finally:
        switch.remove()
    go_on(chat)
    events = logged_events(chat)
    assert text_of(events) == "With pip [1].", [event.part for event in events]
    assert reader.all() == events or event_types(reader.all())[-2:] == ["error", "[DONE]"], "it is told to reconnect"
    kinds = [event.part["type"] for event in events if isinstance(event.part, dict)]
    assert kinds.count("tool-input-available") == kinds.count("tool-output-available") == 4
    assert kinds.count("text-start") == kinds.count("finish") == kinds.count("start") == 1
    assert sorted(part["toolName"] for part in tool_parts(chat)) == sorted(
        call.name for call in (SEARCH, LIST, PYTHON, WRITE)
    )
    assert chat.rows("select path, version from file_versions") == [("notes.md", 1)]
    assert answer_of(chat)["metadata"]["state"] == "complete"
    assert_nothing_is_open(chat)
    if was_killed:
        assert len(provider.turns) <= len(TURNS) + 1, "at most the turn in flight is paid twice"


def test_step_that_gets_further_is_not_given_up(chat: ChatApp, provider: ScriptedProvider) -> None:
    def turn(_: object) -> list[ToolCall] | str:
        lost.append(chat.rows("select lost from steps where state = 'running'"))
        return "With pip [1]." if provider.turns else [SEARCH]

    lost: list[list[tuple[int]]] = []
    provider.script = turn
    ask(chat)
    chat.rows("update steps set lost = :lost", lost=MAX_LOST_LEASES - 1)
    chat.drain()
    assert lost == [[(MAX_LOST_LEASES - 1,)], [(0,)]]
    assert answer_of(chat)["metadata"]["state"] == "complete"


def test_turn_that_was_cut_off_is_written_once(chat: ChatApp, provider: ScriptedProvider) -> None:
    def cut() -> None:
        reader.until("text-delta")
        raise ConnectionResetError

    cut_off, whole = Written("Hm.", "By hand", "", cut), Written("So.", "With pip ", "[1].")
    provider.script = lambda _: [SEARCH] if not provider.turns else whole if cut_off in provider.turns else cut_off
    reader = ask(chat)
    chat.drain()
    go_on(chat)
    assert text_of(reader.all()) == "By hand"
    assert event_types(reader.all())[-2:] == ["error", "[DONE]"], "it is told to reconnect"
    events = logged_events(chat)
    assert text_of(events) == "With pip [1]."
    assert [part["text"] for part in answer_of(chat)["parts"] if "text" in part] == ["So.", "With pip [1]."]
    assert event_types(events).count("tool-input-available") == 1
    assert_nothing_is_open(chat)


def test_step_that_ends_before_a_call_keeps_the_text(
    chat: ChatApp, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SLICE_S", 0.0)
    provider.script = follow(Written("So.", "I look ", "it up.", calls=[SEARCH]), "With pip [1].")
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert event_types(events)[-2:] == ["finish", "[DONE]"], "the log did not begin again"
    assert [part["text"] for part in answer_of(chat)["parts"] if "text" in part] == [
        "So.",
        "I look it up.",
        "With pip [1].",
    ]
    assert len(provider.turns) == 2
    assert_nothing_is_open(chat)


def test_stopped_agent_ends_with_what_it_has(chat: ChatApp, provider: ScriptedProvider) -> None:
    def stop(_: object) -> list[ToolCall]:
        assert chat.client.post("/api/chat/c1/stop").get_json() == {"stopped": True}
        return [SEARCH]

    provider.script = stop
    reader = ask(chat)
    chat.drain()
    assert event_types(reader.all())[-2:] == ["abort", "[DONE]"]
    assert answer_of(chat)["metadata"]["state"] == "stopped"
    assert len(provider.turns) == 1
    assert tool_parts(chat) == []
    assert_nothing_is_open(chat)


def test_agent_that_was_stopped_before_it_began_does_nothing(chat: ChatApp, provider: ScriptedProvider) -> None:
    reader = ask(chat)
    chat.client.post("/api/chat/c1/stop")
    assert chat.drain() == 1
    assert event_types(reader.all())[-2:] == ["abort", "[DONE]"]
    assert provider.turns == []
    assert_nothing_is_open(chat)


def test_deleted_conversation_ends_its_agent(chat: ChatApp, provider: ScriptedProvider) -> None:
    def delete(_: object) -> list[ToolCall]:
        assert chat.client.delete("/api/conversations/c1").status_code == 204
        return [SEARCH]

    provider.script = delete
    ask(chat)
    chat.drain()
    assert_nothing_is_open(chat)


def test_frozen_step_writes_nothing_once_another_runs_the_agent(chat: ChatApp, provider: ScriptedProvider) -> None:
    taken: list[store.Agent | None] = []

    def freeze(_: object) -> str:
        if not taken:
            [(message_id,)] = chat.rows("select message_id from agents")
            with chat.database.transaction(chat.workspace_id) as tx:
                taken.append(store.take(tx, chat.workspace_id, message_id))
            time.sleep(2 * CHECK_EVERY_S)  # the frozen step ends its call of the model
            return "From the frozen step."
        return "From the other step."

    provider.script = freeze
    reader = ask(chat)
    chat.drain()
    take_back(chat.database)
    chat.drain()
    assert text_of(reader.all()) == "From the other step."
    assert_nothing_is_open(chat)


def test_another_instance_goes_on(chat: ChatApp, second_app: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow(*TURNS)
    reader = ask(chat)
    switch = KillSwitch(chat.database, 10)
    try:
        with pytest.raises(Killed):
            chat.drain()
    finally:
        switch.remove()
    take_back(chat.database)
    assert second_app.drain() == 1
    assert text_of(reader.all()) == "With pip [1]."


def test_interrupted_call_with_effects_is_not_repeated(chat: ChatApp) -> None:
    class Effects(Toolbox):
        def may_repeat(self, name: str) -> bool:
            return False

        def accepts(self, name: str, arguments: object) -> bool:
            return True

    ask(chat)
    [(message_id,)] = chat.rows("select message_id from agents")
    with chat.database.transaction(chat.workspace_id) as tx:
        agent = store.take(tx, chat.workspace_id, message_id)
        assert agent
        message_log.append(tx, agent.answer, [ToolInput(tool_call_id="c", tool_name="pay", input={})])
    context = ToolContext(
        workspace_id=chat.workspace_id,
        caller="someone",
        settings={},
        blob_url="memory:///",
        blob_prefix="tools/",
        allow_private=False,
    )
    chat.rows(
        "insert into agent_calls (message_id, workspace_id, id) values (:m, :w, 'c')", m=message_id, w=chat.workspace_id
    )
    calls = Calls(chat.database, agent, Effects([]), context, Quota(1_000, 1_000))
    assert calls.run("c", "pay", {}, lambda tx: store.lock(tx, agent)) == (INTERRUPTED, True)
    assert calls.run("c", "pay", {}, lambda tx: store.lock(tx, agent)) == (INTERRUPTED, True), "the stored result"
    with chat.database.transaction(chat.workspace_id) as tx:
        store.take(tx, chat.workspace_id, message_id)
    with pytest.raises(LeaseLost):
        calls.run("d", "pay", {}, lambda tx: store.lock(tx, agent))
    chat.client.post("/api/chat/c1/stop")
    chat.drain()


def test_row_level_security_hides_agents_of_other_workspaces(chat: ChatApp) -> None:
    ask(chat)
    other = "00000000-0000-4000-8000-00000000000b"
    with chat.database.transaction(other) as tx:  # type: ignore[arg-type]
        assert tx.execute(sa.text("select count(*) from agents")).scalar_one() == 0
    chat.client.post("/api/chat/c1/stop")
    chat.drain()
