"""Share links: what they show, to whom, and for how long."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from functions.chat.sharing import links
from functions.chat.sharing.tokens import hash_token
from headwater.database.migrations import register_model
from headwater.embedding.constant import ConstantEmbedder
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.chat_app import ChatApp, event_types, parse_events
from tests.harness.databases import FreshDatabase, connected
from tests.harness.jwt_app import JwtApp
from tests.harness.jwt_chat import running_jwt_chat
from tests.harness.support import settings_for

TEXT = "The pump is oiled every week. Its password is never written down."


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
def workspace(app: JwtApp, database: FreshDatabase) -> str:
    """Ada's workspace with a document; Bob reads and Cleo owns it too. Eve owns another one."""
    app.person("ada").get("/api/conversations")
    [(workspace_id,)] = app.rows("select id from workspaces")
    app.add_member(workspace_id, "bob", "reader")
    app.add_member(workspace_id, "cleo", "owner")
    app.person("eve").get("/api/conversations")
    with connected(database.url, 2) as opened:
        settings = settings_for(database, local_workspace_id=workspace_id)
        chat = ChatApp(opened, settings, lambda _: ConstantEmbedder())
        chat.add_document("manual/pump.md", TEXT, title="Pump", headings=["Pump", "Care"])
        chat.add_document("safe.md", "The safe is in the cellar.", title="Safe")
    return str(workspace_id)


def ask(client: FlaskClient, question: str, message_id: str = "m1") -> None:
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": question}]}
    response = client.post("/api/chat", json={"id": "c1", "messages": [message]})
    assert response.status_code == 200, response.data
    assert event_types(parse_events(response.data))[-2:] == ["finish", "[DONE]"]


def share(client: FlaskClient, **options: Any) -> dict[str, Any]:
    response = client.post("/api/conversations/c1/links", json=options)
    assert response.status_code == 201, response.data
    assert response.headers["Cache-Control"] == "no-store"
    link: dict[str, Any] = response.get_json()
    return link


def read(app: JwtApp, link: dict[str, Any], token: str | None = None, **headers: str) -> TestResponse:
    """Open a link without being signed in."""
    authorization = {"Authorization": f"Bearer {link['token'] if token is None else token}"}
    return app.server.test_client().get(f"/api/shared/{link['id']}", headers=authorization | headers)


def listed(client: FlaskClient, path: str = "/api/share-links") -> list[dict[str, Any]]:
    response = client.get(path)
    assert response.status_code == 200, response.data
    found: list[dict[str, Any]] = response.get_json()["links"]
    return found


def test_link_shows_the_conversation_as_it_was(app: JwtApp, workspace: str) -> None:
    ada = app.person("ada")
    ask(ada, "How often is the pump oiled?")
    link = share(ada)
    ask(ada, "And where is the safe?", "m2")
    ada.patch("/api/conversations/c1", json={"title": "Secret plans"})
    response = read(app, link)
    assert response.status_code == 200, response.data
    shared = response.get_json()
    assert (shared["title"], shared["expires_at"]) == ("How often is the pump oiled?", link["expires_at"])
    question, answer = shared["messages"]
    assert (question["role"], question["text"]) == ("user", "How often is the pump oiled?")
    assert "every week" in answer["text"]
    [source] = answer["sources"]
    assert source == {"n": "1", "title": "Pump", "headings": ["Care"], "page": None, "url": None, "passage": None}
    for secret in (workspace, "ada", "manual/pump.md", "safe", "Secret", "documentId", "extractive"):
        assert secret not in response.get_data(as_text=True)


def test_passages_are_shared_on_demand(app: JwtApp, workspace: str) -> None:
    ask(app.person("ada"), "How often is the pump oiled?")
    shared = read(app, share(app.person("ada"), passages=True)).get_json()
    assert shared["messages"][1]["sources"][0]["passage"] == TEXT
    assert "manual/pump.md" not in json.dumps(shared)


def test_link_needs_its_token_and_browsers_ask_again(app: JwtApp, workspace: str) -> None:
    ada = app.person("ada")
    ask(ada, "How often is the pump oiled?")
    first, second = share(ada), share(ada)
    assert first["token"] != second["token"]
    for token in ("", "junk", "hws_" + "0" * 32, second["token"], first["token"][:-1], app.issuer.token("ada")):
        refused = read(app, first, token)
        assert refused.status_code == 404
        assert refused.get_json()["detail"] == links.NOT_FOUND
    response = read(app, first)
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Vary"] == "Authorization"
    etag = {"If-None-Match": response.headers["ETag"]}
    assert read(app, first, **etag).status_code == 304
    assert ada.delete(f"/api/share-links/{first['id']}").status_code == 204
    assert read(app, first, **etag).status_code == 404
    assert read(app, second).status_code == 200


def test_tokens_are_stored_as_hashes_only(app: JwtApp, workspace: str) -> None:
    ask(app.person("ada"), "How often is the pump oiled?")
    token = share(app.person("ada"))["token"]
    [(row,)] = app.rows("select cast(share_links as text) from share_links", scope=workspace)
    assert token.removeprefix("hws_") not in row
    [(hashed,)] = app.rows("select token_hash from share_links", scope=workspace)
    assert hashed == hash_token(token)


def test_link_ends_when_it_expires(app: JwtApp, workspace: str) -> None:
    ask(app.person("ada"), "How often is the pump oiled?")
    link = share(app.person("ada"), expires_in_days=1)
    app.rows("update share_links set expires_at = now() + interval '1 minute'", scope=workspace)
    assert read(app, link).status_code == 200
    app.rows("update share_links set expires_at = now()", scope=workspace)
    assert read(app, link).status_code == 404
    assert listed(app.person("ada")) == []
    assert app.rows("select delete_expired_share_links(10)") == [(1,)]


@pytest.mark.parametrize("body", [{"expires_in_days": 0}, {"expires_in_days": 91}, {"passages": 1}, {"forever": True}])
def test_invalid_options_are_refused(app: JwtApp, workspace: str, body: dict[str, Any]) -> None:
    ask(app.person("ada"), "How often is the pump oiled?")
    assert app.person("ada").post("/api/conversations/c1/links", json=body).status_code == 422


def test_link_ends_with_its_conversation_and_its_creators_membership(app: JwtApp, workspace: str) -> None:
    bob = app.person("bob")
    ask(bob, "How often is the pump oiled?")
    link = share(bob)
    app.rows("update members set subject = 'gone' where subject = 'bob'", scope=workspace)
    assert read(app, link).status_code == 404
    app.rows("update members set subject = 'bob' where subject = 'gone'", scope=workspace)
    assert read(app, link).status_code == 200
    assert bob.delete("/api/conversations/c1").status_code == 204
    assert read(app, link).status_code == 404
    assert app.rows("select 1 from share_links", scope=workspace) == []


def test_link_of_an_api_key_ends_with_the_key(app: JwtApp, workspace: str) -> None:
    key = app.by(app.add_key(workspace, "reader"))
    ask(key, "How often is the pump oiled?")
    link = share(key)
    assert read(app, link).status_code == 200
    app.rows("update api_keys set revoked_at = now()", scope=workspace)
    assert read(app, link).status_code == 404


def test_members_see_and_revoke_only_their_own_links_and_owners_all(app: JwtApp, workspace: str) -> None:
    ada, bob, cleo, eve = (app.person(name) for name in ("ada", "bob", "cleo", "eve"))
    ask(bob, "How often is the pump oiled?")
    ask(ada, "Where is the safe?")
    of_bob, of_ada = share(bob), share(ada)
    assert [(link["id"], link["title"], link["conversation_id"]) for link in listed(bob)] == [
        (of_bob["id"], "How often is the pump oiled?", "c1")
    ]
    assert [link["id"] for link in listed(bob, "/api/conversations/c1/links")] == [of_bob["id"]]
    of_owner = {link["id"]: link for link in listed(cleo)}
    assert set(of_owner) == {of_bob["id"], of_ada["id"]}
    assert [of_owner[of_bob["id"]][name] for name in ("created_by", "title", "conversation_id")] == ["bob", None, None]
    assert listed(eve) == []
    for client in (bob, eve):
        assert client.delete(f"/api/share-links/{of_ada['id']}").status_code == 404
    assert eve.get("/api/conversations/c1/links").status_code == 404
    assert cleo.post("/api/conversations/c1/links", json={}).status_code == 404
    assert read(app, of_ada).status_code == 200
    assert cleo.delete(f"/api/share-links/{of_ada['id']}").status_code == 204
    assert read(app, of_ada).status_code == 404
    audit = "select actor, action, target from audit_log where action like 'share.%' order by id"
    assert app.rows(audit, scope=workspace) == [
        ("bob", "share.created", of_bob["id"]),
        ("ada", "share.created", of_ada["id"]),
        ("cleo", "share.revoked", of_ada["id"]),
    ]


def test_number_and_size_of_links_are_limited(app: JwtApp, workspace: str) -> None:
    ada = app.person("ada")
    assert ada.post("/api/conversations/c1/links", json={}).status_code == 404
    ask(ada, "How often is the pump oiled?")
    share(ada)
    copy = """insert into share_links (workspace_id, conversation_id, token_hash, content, expires_at)
        select workspace_id, conversation_id, token_hash, content, expires_at
        from share_links, generate_series(2, :n)"""
    app.rows(copy, scope=workspace, n=links.MAX_LINKS)
    response = ada.post("/api/conversations/c1/links", json={})
    assert response.status_code == 409
    assert "Revoke some" in response.get_json()["detail"]
    app.rows("update share_links set expires_at = now()", scope=workspace)
    share(ada)
    long = [{"type": "text", "text": "x" * links.MAX_SHARED_BYTES}]
    app.rows("update messages set parts = cast(:p as jsonb) where role = 'user'", scope=workspace, p=json.dumps(long))
    assert ada.post("/api/conversations/c1/links", json={}).status_code == 422
