"""A workspace's chat settings: instructions reach the model, share links can be turned off."""

from collections.abc import Iterator

import pytest

from functions.chat.answers.prompt import INSTRUCTIONS
from headwater.database.migrations import register_model
from headwater.embedding.constant import ConstantEmbedder
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.chat_app import ChatApp, parse_events
from tests.harness.databases import FreshDatabase, connected
from tests.harness.jwt_app import JwtApp
from tests.harness.jwt_chat import running_jwt_chat
from tests.harness.support import WORKSPACE, add_workspace, settings_for

PATH = "/api/chat/settings"
QUESTION = {"role": "user", "parts": [{"type": "text", "text": "How do I install the compass?"}]}


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer, provider: FakeProvider) -> Iterator[JwtApp]:
    """The workspace of Ada, who owns it, and Rhea, who reads; Eve has another one."""
    register_model(database.admin_url, "constant", 384)
    with connected(database.url) as opened:
        add_workspace(opened, WORKSPACE)
        made = ChatApp(opened, settings_for(database), lambda _: ConstantEmbedder())
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
    with running_jwt_chat(
        database, issuer, chat_model="openai:fake", openai_base_url=f"{provider.url}/v1", openai_api_key="k"
    ) as running:
        running.add_member(WORKSPACE, "ada", "owner")
        running.add_member(WORKSPACE, "rhea", "reader")
        yield running


def ask(app: JwtApp, person: str) -> None:
    response = app.person(person).post("/api/chat", json={"id": "c1", "messages": [{"id": "m1", **QUESTION}]})
    assert parse_events(response.data)[-1].part == "[DONE]"


def system_prompt(provider: FakeProvider) -> str:
    """Return that of the last answer: other requests write titles."""
    prompts = [request["messages"][0]["content"] for request in provider.requests]
    return str([prompt for prompt in prompts if prompt.startswith(INSTRUCTIONS)][-1])


def test_instructions_follow_our_own_in_every_prompt_of_the_workspace(app: JwtApp, provider: FakeProvider) -> None:
    ada = app.person("ada")
    ask(app, "rhea")
    assert system_prompt(provider) == INSTRUCTIONS
    changed = ada.patch(PATH, json={"instructions": " Give torques in Nm.\0 "}).get_json()
    assert changed == {"instructions": "Give torques in Nm.", "share_links": True, "mail_domains": []}
    assert app.person("rhea").get(PATH).get_json() == changed
    ask(app, "rhea")
    assert system_prompt(provider).endswith("\n\nGive torques in Nm.")
    provider.requests.clear()
    body = {"model": "openai:fake", "messages": [{"role": "user", "content": "How do I install the compass?"}]}
    response = app.person("rhea").post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.data
    assert system_prompt(provider).endswith("\n\nGive torques in Nm.")
    assert ada.patch(PATH, json={"instructions": ""}).get_json()["instructions"] == ""
    ask(app, "rhea")
    assert system_prompt(provider) == INSTRUCTIONS


def test_other_workspaces_have_their_own_settings(app: JwtApp) -> None:
    app.person("ada").patch(PATH, json={"instructions": "Secret", "share_links": False})
    assert app.person("eve").get(PATH).get_json() == {"instructions": "", "share_links": True, "mail_domains": []}


def test_only_owners_change_settings_and_the_audit_log_has_it(app: JwtApp) -> None:
    assert app.person("rhea").patch(PATH, json={"instructions": "x"}).status_code == 403
    ada = app.person("ada")
    for body in ({"instructions": "x" * 4_001}, {"instructions": None}, {"share_links": "no"}, {"prompt": "x"}):
        assert ada.patch(PATH, json=body).status_code == 422
    ada.patch(PATH, json={"instructions": "Secret"})
    ada.patch(PATH, json={"instructions": "Secret"})
    rows = app.rows("select actor, action, cast(details as text) from audit_log", scope=WORKSPACE)
    assert rows == [("ada", "chat.changed", '{"fields": ["instructions"], "share_links": true}')]


def test_share_links_can_be_turned_off(app: JwtApp) -> None:
    ask(app, "rhea")
    link = app.person("rhea").post("/api/conversations/c1/links", json={}).get_json()
    headers = {"Authorization": f"Bearer {link['token']}"}
    visitor = app.server.test_client()
    assert visitor.get(f"/api/shared/{link['id']}", headers=headers).status_code == 200
    app.person("ada").patch(PATH, json={"share_links": False})
    assert visitor.get(f"/api/shared/{link['id']}", headers=headers).status_code == 404
    refused = app.person("rhea").post("/api/conversations/c1/links", json={})
    assert refused.status_code == 403
    assert "turned share links off" in refused.get_json()["detail"]
    app.person("ada").patch(PATH, json={"share_links": True})
    assert visitor.get(f"/api/shared/{link['id']}", headers=headers).status_code == 200
