"""Ratings of answers, and the list of rated questions."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.chat_app import ChatApp, RunApp

QUESTION = "How often is the pump oiled?"


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace() as made:
        made.add_document("pump.md", "The pump is oiled every week. How often it is oiled depends on the pump.")
        yield made


def rate(chat: ChatApp, message_id: str, body: Any, conversation_id: str = "c1") -> int:
    path = f"/api/conversations/{conversation_id}/messages/{message_id}/feedback"
    return chat.client.put(path, json=body).status_code


def rated(chat: ChatApp, **query: Any) -> list[dict[str, Any]]:
    response = chat.client.get("/api/feedback", query_string=query)
    assert response.status_code == 200, response.data
    questions: list[dict[str, Any]] = response.get_json()["questions"]
    return [{name: row[name] for name in row if name != "answered_at"} for row in questions]


def test_rating_is_stored_changed_and_taken_back(chat: ChatApp) -> None:
    chat.ask("c1", QUESTION)
    _, answer = chat.messages("c1")
    assert answer["metadata"]["rating"] is None
    assert "ratingReason" not in answer["metadata"]
    assert rate(chat, answer["id"], {"rating": "good"}) == 204
    expected = {"question": QUESTION, "documents": ["pump.md"], "rating": "good", "reason": ""}
    assert rated(chat) == rated(chat, rating="good") == [expected]
    assert rate(chat, answer["id"], {"rating": "bad", "reason": " It is oiled daily. "}) == 204
    metadata = chat.messages("c1")[1]["metadata"]
    assert (metadata["rating"], metadata["ratingReason"]) == ("bad", "It is oiled daily.")
    assert rated(chat) == [{**expected, "rating": "bad", "reason": "It is oiled daily."}]
    assert rated(chat, rating="good") == []
    assert rate(chat, answer["id"], {"rating": None, "reason": "ignored"}) == 204
    assert rated(chat) == []


def test_rating_needs_an_own_answer(chat: ChatApp, run_in_workspace: RunApp) -> None:
    chat.ask("c1", QUESTION)
    question, answer = chat.messages("c1")
    assert rate(chat, question["id"], {"rating": "good"}) == 404
    assert rate(chat, str(uuid.uuid4()), {"rating": "good"}) == 404
    assert rate(chat, answer["id"], {"rating": "good"}, "c2") == 404
    chat.rows("update conversations set subject = 'other'")
    assert rate(chat, answer["id"], {"rating": "good"}) == 404
    chat.rows("update conversations set subject = 'local'")
    with run_in_workspace() as other:
        assert rate(other, answer["id"], {"rating": "good"}) == 404
        assert rate(chat, answer["id"], {"rating": "good"}) == 204
        assert rated(other) == []
    for body in ({"rating": "fine"}, {}, {"rating": "bad", "reason": "x" * 2_001}, {"rating": "bad", "stars": 1}):
        assert rate(chat, answer["id"], body) == 422
    assert chat.client.delete("/api/conversations/c1").status_code == 204
    assert rated(chat) == []
