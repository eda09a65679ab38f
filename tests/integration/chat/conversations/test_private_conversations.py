"""Conversations are private: other members and other keys can neither read nor change them."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from headwater.database.migrations import register_model
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.chat_app import event_types, parse_events
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp
from tests.harness.jwt_chat import running_jwt_chat


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[JwtApp]:
    register_model(database.admin_url, "constant", 384)
    with running_jwt_chat(database, issuer) as made:
        yield made


@pytest.fixture
def workspace(app: JwtApp) -> str:
    """Ada's workspace, with Bob in it as its second owner."""
    app.person("ada").get("/api/conversations")
    [(workspace,)] = app.rows("select id from workspaces")
    app.add_member(workspace, "bob", "owner")
    return str(workspace)


def ask(client: FlaskClient, question: str, conversation_id: str = "c1") -> None:
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": question}]}
    response = client.post("/api/chat", json={"id": conversation_id, "messages": [message]})
    assert response.status_code == 200, response.data
    assert event_types(parse_events(response.data))[-2:] == ["finish", "[DONE]"]


def read(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/api/conversations/c1")
    assert response.status_code == 200, response.data
    told: dict[str, Any] = response.get_json()
    return told


def list_conversations(client: FlaskClient) -> list[tuple[str, str]]:
    return [(one["id"], one["title"]) for one in client.get("/api/conversations").get_json()["conversations"]]


def test_conversation_is_hidden_from_other_members(app: JwtApp, workspace: str) -> None:
    ada, bob = app.person("ada"), app.person("bob")
    ask(ada, "Where is the treasure?")
    assert list_conversations(ada) == [("c1", "Where is the treasure?")]
    [(stored,)] = app.rows("select id from conversations", scope=workspace)
    assert stored != "c1"
    for name in ("c1", stored):
        for method in ("GET", "DELETE"):
            assert bob.open(f"/api/conversations/{name}", method=method).status_code == 404
        assert bob.post(f"/api/chat/{name}/stop").status_code == 404
        response = bob.get(f"/api/chat/{name}/stream", headers={"Last-Event-ID": "1"})
        assert (response.status_code, response.data) == (204, b"")
    assert list_conversations(bob) == []
    assert len(read(ada)["messages"]) == 2


def test_members_can_use_the_same_conversation_id(app: JwtApp, workspace: str) -> None:
    ada, bob = app.person("ada"), app.person("bob")
    ask(ada, "Where is the treasure?")
    ask(bob, "What is for lunch?")
    ask(bob, "And what for dinner?")  # the same message id with another text is a new question
    assert list_conversations(ada) == [("c1", "Where is the treasure?")]
    assert list_conversations(bob) == [("c1", "What is for lunch?")]
    assert read(ada)["messages"][0]["parts"][0]["text"] == "Where is the treasure?"
    assert read(bob)["messages"][0]["parts"][0]["text"] == "And what for dinner?"
    assert bob.delete("/api/conversations/c1").status_code == 204
    assert len(read(ada)["messages"]) == 2


def test_message_of_another_member_cannot_be_replaced(app: JwtApp, workspace: str) -> None:
    ada, bob = app.person("ada"), app.person("bob")
    ask(ada, "Where is the treasure?")
    stolen = read(ada)["messages"][0]["id"]
    message = {"id": stolen, "role": "user", "parts": [{"type": "text", "text": "Mine now"}]}
    assert bob.post("/api/chat", json={"id": "c1", "messages": [message]}).status_code == 200
    assert read(ada)["messages"][0]["parts"][0]["text"] == "Where is the treasure?"


def test_each_key_has_its_own_conversations(app: JwtApp, workspace: str) -> None:
    first, second = (app.by(app.add_key(workspace, "reader")) for _ in range(2))
    ask(first, "Where is the treasure?")
    assert list_conversations(first) == [("c1", "Where is the treasure?")]
    assert list_conversations(second) == []
    assert list_conversations(app.person("ada")) == []


def test_conversations_of_the_local_caller_stay_separate(app: JwtApp, workspace: str) -> None:
    app.rows(
        "insert into conversations (workspace_id, id, title) values (:w, 'c1', 'Old')", scope=workspace, w=workspace
    )
    ada = app.person("ada")
    assert list_conversations(ada) == []
    ask(ada, "Where is the treasure?")
    assert app.rows("select title from conversations where subject = 'local'", scope=workspace) == [("Old",)]
