"""Questions about changes: what they are told, when they are asked, and that no change is missed."""

import uuid

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.harness.chat_app import ChatApp, message_text
from tests.harness.standing import (
    assert_nothing_is_open,
    call,
    create,
    end_source_run,
    run_now,
    runs,
    tick,
)

SUMMARIZE = "Summarise what changed in the sources this week."


@pytest.fixture
def source(chat: ChatApp) -> uuid.UUID:
    source_id = chat.add_source()
    chat.rows("update sources set name = 'hand*book' where id = :id", id=source_id)
    chat.add_document("new.md", "The brass compass is new.", title="Brass", source_id=source_id)
    chat.add_document("old.md", "The steel compass costs less.", title="Steel [x](y)", source_id=source_id)
    chat.add_document("gone.md", "Gone.", title="Gone", source_id=source_id)
    chat.rows("update documents set deleted_at = now() where key = 'gone.md'")
    return source_id


def test_answer_is_about_the_changes(chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID) -> None:
    end_source_run(chat, source, new="added", old="changed", gone="removed", brief="added")
    end_source_run(chat, source, new="changed", brief="removed")
    question = create(chat, question=SUMMARIZE, changes=True)
    run = run_now(chat, question)
    assert (run["state"], run["changes_until"] > run["changes_since"]) == ("complete", True)
    asked, answer = chat.messages(question["conversation_id"])
    text = message_text(asked)
    assert text.startswith(SUMMARIZE)
    assert "1 document was added, 1 document was changed and 1 document was removed." in text
    assert "- Added in hand\\*book: Brass\n- Changed in hand\\*book: Steel \\[x\\](y)\n" in text
    assert "- Removed in hand\\*book: Gone" in text
    titles = [part["title"] for part in answer["parts"] if part["type"] == "source-document"]
    assert sorted(titles) == ["Brass", "Steel [x](y)"]
    assert "steel compass costs less" in str(provider.requests[-1])
    assert "It needs Python" not in str(provider.requests[-1]), "unchanged documents are not passages"
    assert_nothing_is_open(chat)


def test_nothing_is_asked_without_changes(chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID) -> None:
    question = create(chat, question=SUMMARIZE, changes=True)
    run = run_now(chat, question)
    assert (run["state"], run["answer_id"]) == ("unchanged", None)
    assert "No document has changed" in run["reason"]
    assert provider.requests == []
    end_source_run(chat, source, new="added")
    assert run_now(chat, question)["state"] == "complete"
    assert run_now(chat, question)["state"] == "unchanged", "a change is reported once"
    assert_nothing_is_open(chat)


def test_changes_of_a_failed_run_are_reported_by_the_next(
    chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID
) -> None:
    end_source_run(chat, source, new="added")
    question = create(chat, question=SUMMARIZE, changes=True)
    provider.status = 400
    failed = run_now(chat, question)
    provider.status = 200
    end_source_run(chat, source, old="changed")
    run = run_now(chat, question)
    assert (failed["state"], run["state"]) == ("failed", "complete")
    text = message_text(chat.messages(question["conversation_id"])[-2])
    assert "1 document was added, 1 document was changed and 0 documents were removed." in text


def test_filter_and_removals_only(chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID) -> None:
    end_source_run(chat, source, new="added", old="changed", gone="removed")
    filtered = create(chat, question=SUMMARIZE, changes=True, filter="path:new.md")
    assert run_now(chat, filtered)["state"] == "complete"
    assert "1 document was added, 0 documents were changed" in message_text(
        chat.messages(filtered["conversation_id"])[0]
    )
    removed = create(chat, question=SUMMARIZE, changes=True, filter="path:gone.md")
    assert run_now(chat, removed)["state"] == "complete"
    assert "Removed in hand" in str(provider.requests[-1])


def test_agent_lists_changes_with_a_tool(chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID) -> None:
    end_source_run(chat, source, new="added", gone="removed")
    listing = ToolCall("recent_changes", {"since": "2020-01-01T00:00:00Z"})
    none = ToolCall("recent_changes", {"since": "2020-01-01T00:00:00Z", "source": "other"})
    provider.script = follow([listing], [none], "A brass one [1].")
    question = create(chat, question=SUMMARIZE, changes=True, mode="agent")
    assert run_now(chat, question)["state"] == "complete"
    asked, answer = chat.messages(question["conversation_id"])
    assert "List them with recent_changes since 20" in message_text(asked)
    assert "Brass" not in message_text(asked), "titles come as results of tools, not from the person"
    listed, nothing = results(provider.requests[-1])[-2:]
    assert "The brass compass is new." in listed
    assert "removed - hand*book: gone.md Gone" in listed
    assert nothing.endswith("0 documents were removed.")
    assert message_text(answer) == "A brass one [1]."


def test_question_is_asked_after_changes_of_its_sources(chat: ChatApp, source: uuid.UUID) -> None:
    other = chat.add_source()
    question = create(chat, question=SUMMARIZE, changes=True, on_change={"sources": [str(source)]})
    paused = create(chat, question=SUMMARIZE, changes=True, on_change={}, paused=True)
    assert not end_source_run(chat, other, new="added")
    assert not end_source_run(chat, source, new="skipped")
    assert end_source_run(chat, source, new="added")
    assert not end_source_run(chat, source, old="changed"), "it is being asked, about this change too"
    chat.drain()
    [run] = runs(chat, question)
    assert (run["trigger"], run["state"]) == ("change", "complete")
    assert runs(chat, paused) == []


def test_changes_within_the_interval_are_asked_about_together(chat: ChatApp, source: uuid.UUID) -> None:
    question = create(chat, question=SUMMARIZE, changes=True, on_change={"min_interval_minutes": 60})
    assert end_source_run(chat, source, new="added")
    chat.drain()
    for _ in range(2):
        assert not end_source_run(chat, source, old="changed")
    assert tick(chat) == 0
    assert call(chat, "GET", f"/{question['id']}")["next_run_at"] is not None
    chat.rows("update standing_questions set change_due_at = now()")
    assert (tick(chat), tick(chat)) == (1, 0)
    chat.drain()
    assert [run["state"] for run in runs(chat, question)] == ["complete", "complete"]
    assert_nothing_is_open(chat)


def test_change_while_it_is_asked_is_asked_about_afterwards(
    chat: ChatApp, provider: ScriptedProvider, source: uuid.UUID
) -> None:
    question = create(chat, on_change={})

    def change(_: object) -> str:
        if len(provider.requests) == 1:
            end_source_run(chat, source, old="changed")
            chat.rows("update standing_questions set change_due_at = now()")
        return "A brass one [1]."

    provider.script = change
    assert end_source_run(chat, source, new="added")
    chat.drain()
    assert [run["state"] for run in runs(chat, question)] == ["complete", "complete"]
    assert_nothing_is_open(chat)
