"""Files of a conversation: parsed as all files are, cited by that conversation alone, deleted with it, bounded."""

import base64
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

from functions.chat.routes import routes as chat_routes
from functions.collection.conversation_files import conversation_files
from functions.collection.documents.parsed_file import ParsedFile
from functions.collection.documents.store import document_rows
from functions.collection.routes import routes as collection_routes
from functions.collection.sources.connect import SourceOpener
from headwater.auth.callers import Caller
from headwater.connectors import Fetched
from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.embedding.constant import ConstantEmbedder
from headwater.errors import NotFound
from headwater.file_store.places import Quota
from headwater.web.app import LazyRoutes, Route
from headwater.web.shutdown import Lifetime
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.chat_app import StreamEvent, parse_events
from tests.harness.collection_app import NoTickets
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp, running_jwt_app
from tests.harness.pdfs import make_pdf
from tests.harness.support import settings_for

QUESTION = "Which oil does the zeppelin turbine need?"
TURBINE = b"# Zeppelin\n\nThe zeppelin turbine needs sunflower oil every week.\n"


class Apps(NamedTuple):
    """Both functions on one database. Ada has a workspace with Bob in it; Eve has another."""

    chat: JwtApp
    collection: JwtApp
    workspace: str

    def attach(self, subject: str, conversation: str, name: str, content: bytes, status: int = 201) -> Any:
        response = self.collection.person(subject).put(
            "/api/conversation-files", query_string={"conversation_id": conversation, "name": name}, data=content
        )
        assert response.status_code == status, response.text
        return response.json

    def files(self, subject: str, conversation: str) -> list[str]:
        client = self.collection.person(subject)
        response = client.get("/api/conversation-files", query_string={"conversation_id": conversation})
        assert response.status_code == 200, response.text
        return [file["name"] for file in response.get_json()["files"]]

    def ask(self, subject: str, conversation: str, question: str, message_id: str = "m1") -> list[StreamEvent]:
        return ask(self.chat.person(subject), conversation, question, message_id)


def ask(client: FlaskClient, conversation: str, question: str, message_id: str) -> list[StreamEvent]:
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": question}]}
    response = client.post("/api/chat", json={"id": conversation, "messages": [message]})
    assert response.status_code == 200, response.text
    return parse_events(response.data)


def citations(events: list[StreamEvent]) -> list[dict[str, Any]]:
    parts = [event.part for event in events if isinstance(event.part, dict)]
    found = [part for part in parts if part["type"] == "source-document"]
    return [{"filename": part["filename"], **part["providerMetadata"]["headwater"]} for part in found]


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as made:
        yield made


@contextmanager
def running_apps(database: FreshDatabase, issuer: FakeIssuer, **changes: Any) -> Iterator[Apps]:
    register_model(database.admin_url, "constant", 384)
    settings = settings_for(database, chat_titles=False, **changes)

    def routes_of_chat(opened: Database) -> LazyRoutes:
        return chat_routes(opened, settings, lambda _: ConstantEmbedder(), Lifetime())

    def routes_of_collection(opened: Database) -> list[Route]:
        opener = SourceOpener(settings)
        return collection_routes(opened, settings, NoTickets(opened, settings), opener=opener, start_job=lambda _: None)

    with (
        running_jwt_app(database, issuer, "chat", routes_of_chat) as chat,
        running_jwt_app(database, issuer, "collection", routes_of_collection) as collection,
    ):
        workspace = collection.person("ada").get("/api/me").get_json()["workspace_id"]
        collection.person("eve").get("/api/me")
        collection.add_member(workspace, "bob", "owner")
        yield Apps(chat, collection, workspace)


@pytest.fixture
def apps(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[Apps]:
    with running_apps(database, issuer) as made:
        yield made


def test_answer_cites_a_file_of_its_conversation(apps: Apps) -> None:
    attached = apps.attach("ada", "c1", "turbine.md", TURBINE)
    assert (attached["name"], attached["title"], attached["bytes"]) == ("turbine.md", "Zeppelin", len(TURBINE))
    [citation] = citations(apps.ask("ada", "c1", QUESTION))
    assert citation["filename"] == "turbine.md"
    assert citation["conversationFile"] is True
    opened = apps.collection.person("ada").get(f"/api/conversation-files/{citation['documentId']}").get_json()
    assert opened["id"] == attached["id"]
    assert opened["text"][citation["start"] : citation["end"]] == citation["text"]
    stored = apps.chat.person("ada").get("/api/conversations/c1").get_json()["messages"][-1]
    assert any(part["type"] == "source-document" for part in stored["parts"])


@pytest.mark.parametrize(
    ("name", "word"), [("manual.pdf", "pdf"), ("notes.txt", "notes"), ("page.html", "html")], ids=str
)
def test_files_are_read_by_the_parsers_of_sources(apps: Apps, name: str, word: str) -> None:
    contents = {
        "notes.txt": b"The notes say that the zeppelin turbine needs oil.",
        "page.html": b"<html><body><h1>Page</h1><p>In html, the zeppelin turbine needs oil.</p></body></html>",
        "manual.pdf": make_pdf("BT /F1 12 Tf 72 700 Td (In a pdf, the zeppelin turbine needs oil.) Tj ET"),
    }
    attached = apps.attach("ada", "c1", name, contents[name])
    text = apps.collection.person("ada").get(f"/api/conversation-files/{attached['id']}").get_json()["text"]
    assert word in text
    assert citations(apps.ask("ada", "c1", QUESTION))[0]["filename"] == name


def test_nothing_of_a_file_is_seen_outside_its_conversation(apps: Apps) -> None:
    attached = apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.ask("ada", "c1", QUESTION)
    for subject, conversation in (("ada", "c2"), ("bob", "c1"), ("bob", "c2"), ("eve", "c1")):
        seen = json.dumps([event.part for event in apps.ask(subject, conversation, QUESTION)])
        assert "sunflower" not in seen
        assert "turbine.md" not in seen
    assert apps.files("ada", "c1") == ["turbine.md"]
    for subject, conversation in (("ada", "c2"), ("bob", "c1"), ("eve", "c1")):
        assert apps.files(subject, conversation) == []
    for subject in ("bob", "eve"):
        client = apps.collection.person(subject)
        assert client.get(f"/api/conversation-files/{attached['id']}").status_code == 404
        assert client.delete(f"/api/conversation-files/{attached['id']}").status_code == 404
    for subject in ("ada", "bob", "eve"):
        chat, collection = apps.chat.person(subject), apps.collection.person(subject)
        assert chat.get("/api/search", query_string={"q": QUESTION}).get_json()["hits"] == []
        assert collection.get("/api/documents").get_json()["documents"] == []
        assert collection.get(f"/api/documents/{attached['id']}").status_code == 404
        answer = chat.post(
            "/v1/chat/completions", json={"model": "headwater", "messages": [{"role": "user", "content": QUESTION}]}
        )
        assert "sunflower" not in answer.text
    assert apps.files("ada", "c1") == ["turbine.md"]


def test_rated_question_does_not_name_the_conversations_file(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.ask("ada", "c1", QUESTION)
    ada = apps.chat.person("ada")
    answer = ada.get("/api/conversations/c1").get_json()["messages"][-1]
    assert re.search(r"\[1\]", json.dumps(answer["parts"]))
    path = f"/api/conversations/c1/messages/{answer['id']}/feedback"
    assert ada.put(path, json={"rating": "good"}).status_code == 204
    [rated] = apps.chat.person("bob").get("/api/feedback").get_json()["questions"]
    assert (rated["question"], rated["documents"]) == (QUESTION, [])


def test_share_link_shows_a_files_passage_only_if_cited_and_wanted(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.attach("ada", "c1", "other.md", b"# Other\n\nThe basement has a walrus.\n")
    apps.ask("ada", "c1", QUESTION)
    ada = apps.chat.person("ada")
    for passages in (True, False):
        link = ada.post("/api/conversations/c1/links", json={"passages": passages}).get_json()
        shown = apps.chat.by(link["token"]).get(f"/api/shared/{link['id']}")
        assert shown.status_code == 200, shown.text
        assert "walrus" not in shown.text
        [source] = shown.get_json()["messages"][-1]["sources"]
        assert (source["passage"] is not None) == passages


def test_files_are_deleted_with_their_conversation(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    kept = apps.attach("ada", "c2", "turbine.md", TURBINE)
    assert apps.chat.person("ada").delete("/api/conversations/c1").status_code == 204
    assert apps.chat.rows("select cast(id as text) from conversation_files", scope=apps.workspace) == [(kept["id"],)]
    chunks = apps.chat.rows("select distinct cast(file_id as text) from conversation_chunks", scope=apps.workspace)
    assert chunks == [(kept["id"],)]
    assert apps.files("ada", "c1") == []


def test_removed_file_is_no_longer_searched_and_leaves_its_citation(apps: Apps) -> None:
    attached = apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.ask("ada", "c1", QUESTION)
    ada = apps.collection.person("ada")
    assert ada.delete(f"/api/conversation-files/{attached['id']}").status_code == 204
    assert citations(apps.ask("ada", "c1", QUESTION, "m2")) == []
    assert "sunflower" in apps.chat.person("ada").get("/api/conversations/c1").text


def test_file_with_the_same_name_is_replaced(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.attach("ada", "c1", "turbine.md", TURBINE.replace(b"sunflower", b"olive"))
    assert apps.files("ada", "c1") == ["turbine.md"]
    [citation] = citations(apps.ask("ada", "c1", QUESTION))
    assert "olive" in citation["text"]


def test_first_question_titles_a_conversation_that_began_with_a_file(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.attach("ada", "c2", "turbine.md", TURBINE)
    ada = apps.chat.person("ada")
    assert ada.patch("/api/conversations/c2", json={"title": "Mine"}).status_code == 200
    listed = {one["id"]: one["title"] for one in ada.get("/api/conversations").get_json()["conversations"]}
    assert listed == {"c1": "turbine.md", "c2": "Mine"}
    for conversation in listed:
        apps.ask("ada", conversation, QUESTION)
    listed = {one["id"]: one["title"] for one in ada.get("/api/conversations").get_json()["conversations"]}
    assert listed == {"c1": QUESTION, "c2": "Mine"}


def test_conversation_takes_no_more_than_its_quota(database: FreshDatabase, issuer: FakeIssuer) -> None:
    most = 2 * len(TURBINE)
    with running_apps(database, issuer, max_conversation_files=2, max_conversation_bytes=most) as apps:
        apps.attach("ada", "c1", "a.md", TURBINE)
        refused = apps.attach("ada", "c1", "b.md", TURBINE * 2, 413)
        assert "MAX_CONVERSATION_BYTES" in refused["detail"]
        apps.attach("ada", "c1", "b.md", TURBINE)
        assert "MAX_CONVERSATION_FILES" in apps.attach("ada", "c1", "c.md", b"Text.", 409)["detail"]
        apps.attach("ada", "c1", "a.md", TURBINE)  # in place of another
        apps.attach("ada", "c2", "c.md", TURBINE)
        assert apps.files("ada", "c1") == ["b.md", "a.md"]


def test_files_that_cannot_be_read_are_refused_with_a_reason(apps: Apps) -> None:
    for name, content, status, reason in (
        ("empty.md", b"", 422, "The file is empty."),
        ("blank.md", b" \n ", 422, "no text was found"),
        ("broken.pdf", b"%PDF-1.4 nothing", 422, "broken.pdf: "),
        ("picture.png", b"\x89PNG\0\0", 422, "picture.png: "),
        ("folder/a.md", b"Text.", 422, "name: "),
        ("x" * 201, b"Text.", 422, "name: "),
    ):
        assert reason in apps.attach("ada", "c1", name, content, status)["detail"], name
    assert apps.files("ada", "c1") == []
    assert apps.chat.person("ada").get("/api/conversations").get_json()["conversations"] == []
    refused = apps.attach("ada", "no spaces", "a.md", b"Text.", 422)
    assert refused["detail"].startswith("conversation_id: ")


def test_text_of_a_conversations_files_is_bounded(apps: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_files, "MAX_CHUNKS", 2)
    paragraphs = "\n\n".join(f"## Part {n}\n\n{'The turbine needs oil. ' * 40}" for n in range(5))
    assert "is too long" in apps.attach("ada", "c1", "long.md", paragraphs.encode(), 413)["detail"]
    assert apps.files("ada", "c1") == []


def test_file_does_not_bring_back_a_conversation_that_was_deleted_meanwhile(apps: Apps) -> None:
    caller = Caller(uuid.UUID(apps.workspace), "ada", "owner")
    rows = document_rows(
        [(Fetched("a.md", b"", "text/markdown"), ParsedFile("A", "Text.", {}, "en", (), (), (), ()))], {"a.md": ""}
    )
    new = conversation_files.Attachment("c1", "a.md", 5)
    room = conversation_files.Room(1, 10)
    with pytest.raises(NotFound), apps.collection.database.transaction(caller.workspace_id) as tx:
        conversation_files.add_file(tx, caller, new, rows, room, quota=Quota(10, 10), existed=True)
    assert apps.chat.person("ada").get("/api/conversations/c1").status_code == 404


def test_personal_data_has_the_files_and_their_deletion_removes_them(apps: Apps) -> None:
    apps.attach("ada", "c1", "turbine.md", TURBINE)
    apps.attach("bob", "c1", "turbine.md", TURBINE)
    ada = apps.collection.person("ada")
    exported = json.loads(ada.get("/api/me/data").data)
    [conversation] = exported["conversations"]
    [content] = exported["file_contents"]
    assert (content["conversation_id"], base64.b64decode(content["base64"])) == ("c1", TURBINE)
    [file] = conversation["files"]
    assert (file["name"], "sunflower" in file["text"]) == ("turbine.md", True)
    assert [(each["path"], each["version"]) for each in conversation["file_versions"]] == [("turbine.md", 1)]
    assert ada.delete("/api/me/data").status_code == 200
    assert apps.files("ada", "c1") == []
    assert apps.files("bob", "c1") == ["turbine.md"]


def test_model_is_given_the_beginning_of_a_file_that_the_words_do_not_find(
    database: FreshDatabase, issuer: FakeIssuer, provider: FakeProvider
) -> None:
    model = {"chat_model": "openai:fake", "openai_base_url": f"{provider.url}/v1", "openai_api_key": "k"}
    with running_apps(database, issuer, **model) as apps:
        apps.attach("ada", "c1", "turbine.md", TURBINE)
        events = apps.ask("ada", "c1", "Please summarise what I attached")
        assert [one["filename"] for one in citations(events)] == ["turbine.md"]
        assert "sunflower" in json.dumps(provider.requests[-1])
        assert citations(apps.ask("ada", "c2", "Please summarise what I attached")) == []


def test_api_key_needs_the_scope_of_conversations(apps: Apps) -> None:
    query = {"conversation_id": str(uuid.uuid4())}
    for scope, status in (("chat", 200), ("collection", 403)):
        client = apps.collection.by(apps.collection.add_key(apps.workspace, scopes=[scope]))
        assert client.get("/api/conversation-files", query_string=query).status_code == status
