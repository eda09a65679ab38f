"""Branches of a conversation: other answers, edited questions, switching, and stopping one answer only."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, RunApp, event_types, parse_events

INSTALL, NEEDLE = "How do I install the compass?", "Where does the needle of the compass point?"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def chat(run_in_workspace: RunApp, provider: FakeProvider) -> Iterator[ChatApp]:
    with run_in_workspace(chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as made:
        made.add_document("guide.md", "Install the compass with pip. The needle points north.", title="Guide")
        yield made


def ask(chat: ChatApp, text: str, message_id: str, answer: str, provider: FakeProvider, **body: Any) -> str:
    """Ask a question; returns the id of the answer, which the model writes."""
    provider.pieces = [answer]
    events = chat.ask("c1", text, message_id, **body)
    assert event_types(events)[-2:] == ["finish", "[DONE]"]
    return str(events[0].part["messageId"])


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for message in messages for part in message["parts"] if part["type"] == "text"]


def switch(chat: ChatApp, message_id: str, conversation_id: str = "c1") -> Any:
    return chat.client.put(f"/api/conversations/{conversation_id}/branch", json={"message_id": message_id})


def test_another_answer_is_stored_beside_the_first(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "With pip.", provider)
    later = ask(chat, NEEDLE, "m2", "North.", provider)
    second = ask(chat, INSTALL, "m1", "By pip.", provider, trigger="regenerate-message", messageId=first)
    messages = chat.messages("c1")
    assert texts(messages) == [INSTALL, "By pip."]
    assert messages[0]["metadata"]["versions"] == [messages[0]["id"]]
    assert messages[1]["metadata"]["versions"] == [first, second]
    switched = switch(chat, first)
    assert (switched.status_code, texts(switched.get_json()["messages"])) == (
        200,
        [INSTALL, "With pip.", NEEDLE, "North."],
    )
    assert chat.messages("c1") == switched.get_json()["messages"]
    assert chat.messages("c1")[-1]["id"] == later


def test_edited_question_starts_a_branch(chat: ChatApp, provider: FakeProvider) -> None:
    ask(chat, INSTALL, "m1", "With pip.", provider)
    ask(chat, NEEDLE, "m2", "North.", provider)
    question = chat.messages("c1")[2]
    # The web app posts the stored id, other clients of the AI SDK their own; both mean the same question.
    ask(chat, "Does the needle of the compass point south?", question["id"], "No.", provider)
    ask(chat, "Does the needle of the compass point west?", "m2", "Never.", provider)
    assert texts(chat.messages("c1")) == [INSTALL, "With pip.", "Does the needle of the compass point west?", "Never."]
    versions = chat.messages("c1")[2]["metadata"]["versions"]
    assert (len(versions), versions[0]) == (3, question["id"])
    assert [texts(switch(chat, version).get_json()["messages"])[2:] for version in versions] == [
        [NEEDLE, "North."],
        ["Does the needle of the compass point south?", "No."],
        ["Does the needle of the compass point west?", "Never."],
    ]
    # The edited text is known: another answer to it, no further version of the question.
    ask(chat, "Does the needle of the compass point south?", "m2", "No, north.", provider)
    edited, answer = chat.messages("c1")[2:]
    assert edited["metadata"]["versions"] == versions
    assert len(answer["metadata"]["versions"]) == 2
    assert chat.rows("select count(*) from messages") == [(9,)]


def test_first_question_can_be_edited(chat: ChatApp, provider: FakeProvider) -> None:
    ask(chat, INSTALL, "m1", "With pip.", provider)
    ask(chat, NEEDLE, "m1", "North.", provider)
    assert texts(chat.messages("c1")) == [NEEDLE, "North."]
    [first, second] = chat.messages("c1")[0]["metadata"]["versions"]
    assert texts(switch(chat, first).get_json()["messages"]) == [INSTALL, "With pip."]
    assert texts(switch(chat, second).get_json()["messages"]) == [NEEDLE, "North."]


def test_model_gets_the_messages_of_its_own_branch(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "First answer.", provider)
    ask(chat, INSTALL, "m1", "Second answer.", provider)
    ask(chat, NEEDLE, "m2", "North.", provider)
    assert "Second answer." in str(provider.requests[-1])
    assert "First answer." not in str(provider.requests[-1])
    ask(chat, NEEDLE, "m3", "North.", provider, parent_id=first)
    assert "First answer." in str(provider.requests[-1])
    assert "Second answer." not in str(provider.requests[-1])
    assert texts(chat.messages("c1")) == [INSTALL, "First answer.", NEEDLE, "North."]


def test_any_path_can_be_read_without_switching(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "First answer.", provider)
    ask(chat, INSTALL, "m1", "Second answer.", provider)
    other = chat.client.get("/api/conversations/c1", query_string={"at": first})
    assert texts(other.get_json()["messages"]) == [INSTALL, "First answer."]
    assert texts(chat.messages("c1")) == [INSTALL, "Second answer."]


def test_messages_of_other_conversations_are_not_found(chat: ChatApp, provider: FakeProvider) -> None:
    answer = ask(chat, INSTALL, "m1", "With pip.", provider)
    chat.ask("c2", INSTALL)
    theirs = chat.messages("c2")
    assert switch(chat, answer, "c2").status_code == 404
    assert switch(chat, answer, "c3").status_code == 404
    assert switch(chat, str(uuid.uuid4())).status_code == 404
    assert chat.client.get("/api/conversations/c2", query_string={"at": answer}).status_code == 404
    refused = chat.post("c2", NEEDLE, "m9", parent_id=answer)
    assert (refused.status_code, "Message not found" in refused.get_json()["detail"]) == (404, True)
    assert chat.messages("c2") == theirs


def test_branch_cannot_be_switched_while_an_answer_is_running(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "With pip.", provider)
    provider.wait = threading.Event()
    running = chat.post("c1", INSTALL, "m1")
    assert switch(chat, first).status_code == 409
    provider.wait.set()
    parse_events(running.data)
    assert switch(chat, first).status_code == 200


def test_late_stop_does_not_stop_a_newer_answer(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "With pip.", provider)
    provider.wait = threading.Event()
    running = chat.post("c1", NEEDLE, "m2")
    late = chat.client.post("/api/chat/c1/stop", query_string={"answer": first})
    assert (late.status_code, late.get_json()) == (202, {"stopped": False})
    provider.wait.set()
    events = parse_events(running.data)
    assert event_types(events)[-2:] == ["finish", "[DONE]"]
    provider.wait = threading.Event()
    running = chat.post("c1", NEEDLE, "m3")
    [(second,)] = chat.rows("select id from messages where state = 'streaming'")
    stopped = chat.client.post("/api/chat/c1/stop", query_string={"answer": str(second)})
    assert stopped.get_json() == {"stopped": True}
    provider.wait.set()
    assert event_types(parse_events(running.data))[-2:] == ["abort", "[DONE]"]


def test_rating_belongs_to_the_question_of_the_answer(chat: ChatApp, provider: FakeProvider) -> None:
    first = ask(chat, INSTALL, "m1", "With pip.", provider)
    ask(chat, NEEDLE, "m2", "North.", provider)
    second = ask(chat, INSTALL, "m1", "By pip.", provider)
    for answer in (first, second):
        path = f"/api/conversations/c1/messages/{answer}/feedback"
        assert chat.client.put(path, json={"rating": "good"}).status_code == 204
    rated = chat.client.get("/api/feedback").get_json()["questions"]
    assert [row["question"] for row in rated] == [INSTALL, INSTALL]


def test_messages_of_the_previous_revision_follow_the_current_path(chat: ChatApp, provider: FakeProvider) -> None:
    ask(chat, INSTALL, "m1", "First answer.", provider)
    ask(chat, INSTALL, "m1", "Second answer.", provider)
    chat.rows("""
        insert into messages (workspace_id, conversation_id, role, parts)
        select workspace_id, id, role, cast(parts as jsonb) from conversations, (values
          ('user', '[{"type": "text", "text": "Old?", "state": "done"}]'),
          ('assistant', '[{"type": "text", "text": "Yes.", "state": "done"}]')) added (role, parts)
    """)
    assert texts(chat.messages("c1")) == [INSTALL, "Second answer.", "Old?", "Yes."]
    ask(chat, NEEDLE, "m2", "North.", provider)
    assert texts(chat.messages("c1"))[3:] == ["Yes.", NEEDLE, "North."]
