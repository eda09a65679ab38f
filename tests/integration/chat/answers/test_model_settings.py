"""Problems of the model's settings: owners are told what to change, readers whom to tell."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from functions.chat.answers.compose import MODEL_UNAVAILABLE
from headwater.database.migrations import register_model
from headwater.embedding.constant import ConstantEmbedder
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.chat_app import ChatApp, parse_events
from tests.harness.databases import FreshDatabase, connected
from tests.harness.jwt_app import JwtApp
from tests.harness.jwt_chat import running_jwt_chat
from tests.harness.support import WORKSPACE, add_workspace, settings_for


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


def add_document(database: FreshDatabase) -> None:
    register_model(database.admin_url, "constant", 384)
    settings = settings_for(database)
    with connected(database.url) as opened:
        add_workspace(opened, WORKSPACE)
        app = ChatApp(opened, settings, lambda _: ConstantEmbedder())
        app.add_document("guide.md", "Install the compass with pip.", title="Guide")


@contextmanager
def app_with(database: FreshDatabase, issuer: FakeIssuer, **changes: str) -> Iterator[JwtApp]:
    add_document(database)
    with running_jwt_chat(database, issuer, **changes) as app:
        app.add_member(str(WORKSPACE), "ada", "owner")
        app.add_member(str(WORKSPACE), "eve", "reader")
        yield app


def ask(app: JwtApp, person: str) -> tuple[int, bytes]:
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "How do I install the compass?"}]}
    response = app.person(person).post("/api/chat", json={"id": "c1", "messages": [message]})
    return response.status_code, response.data


def test_missing_key_is_named_for_owners_only(database: FreshDatabase, issuer: FakeIssuer) -> None:
    with app_with(database, issuer, chat_model="openai:fake") as app:
        status, body = ask(app, "ada")
        assert status == 500
        assert b"OPENAI_API_KEY" in body
        status, body = ask(app, "eve")
        assert status == 503
        assert MODEL_UNAVAILABLE.encode() in body
        assert b"OPENAI" not in body


def test_rejected_key_is_named_for_owners_only(
    database: FreshDatabase, issuer: FakeIssuer, provider: FakeProvider
) -> None:
    provider.status = 401
    with app_with(database, issuer, chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as app:
        _, stream = ask(app, "ada")
        assert "OPENAI_API_KEY" in parse_events(stream)[-2].part["errorText"]
        _, stream = ask(app, "eve")
        assert parse_events(stream)[-2].part["errorText"] == MODEL_UNAVAILABLE
