"""Filters of questions, and the conversations that remember them."""

from collections.abc import Iterator

import pytest

from functions.chat.answers.evidence import nothing_found
from tests.harness.chat_app import ChatApp, RunApp, text_of


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace() as made:
        made.add_document("old.md", "The cat sleeps in the kitchen.")
        made.add_document("new.md", "The cat sleeps in the garden.")
        made.rows("update documents set front_matter = '{\"tags\": \"current\"}' where key = 'new.md'")
        yield made


def asked(chat: ChatApp, message_id: str, **body: str) -> list[str]:
    """Ask a question; returns the keys of the documents that its answer is from."""
    parts = [event.part for event in chat.ask("c", "Where does the cat sleep?", message_id, **body) if event.id]
    return sorted(part["filename"] for part in parts if isinstance(part, dict) and "filename" in part)


def test_conversation_remembers_the_last_filter(chat: ChatApp) -> None:
    assert asked(chat, "m1") == ["new.md", "old.md"]
    assert asked(chat, "m2", filter="tag:current") == ["new.md"]
    assert asked(chat, "m3") == ["new.md"]
    assert chat.client.get("/api/conversations/c").get_json()["filter"] == "tag:current"
    assert asked(chat, "m4", filter="-tag:current") == ["old.md"]
    assert asked(chat, "m5", filter="") == ["new.md", "old.md"]
    assert asked(chat, "m6") == ["new.md", "old.md"]
    assert chat.client.get("/api/conversations/c").get_json()["filter"] == ""


def test_answer_says_that_no_matching_document_is_relevant(chat: ChatApp) -> None:
    question = "Where does the cat sleep?"
    expected = nothing_found("documents", question, is_filtered=True)
    assert "> Where does the cat sleep?" in expected
    assert text_of(chat.ask("c", question, filter="tag:none")) == expected


def test_question_with_an_invalid_filter_is_not_stored(chat: ChatApp) -> None:
    response = chat.post("c", "Where does the cat sleep?", filter="tag:")
    assert (response.status_code, response.get_json()["position"]) == (422, 4)
    assert chat.client.get("/api/conversations/c").status_code == 404
