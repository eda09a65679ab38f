"""Download conversations as Markdown and JSON."""

from collections.abc import Iterator

import pytest

from tests.harness.chat_app import ChatApp, RunApp

PATH = "/api/conversations/c1/export"


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace() as made:
        made.add_document("pump.md", "The pump is oiled every week.", title="Pump")
        made.ask("c1", "How often is the pump oiled?")
        yield made


def test_markdown_has_the_answer_with_its_source(chat: ChatApp) -> None:
    response = chat.client.get(PATH)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    names = "filename=\"How often is the pump oiled.md\"; filename*=UTF-8''How%20often%20is%20the%20pump%20oiled.md"
    assert response.headers["Content-Disposition"] == f"attachment; {names}"
    assert response.headers["Cache-Control"] == "private, no-store"
    text = response.get_data(as_text=True)
    assert text.startswith(
        "# How often is the pump oiled?\n\n## Question\n\nHow often is the pump oiled?\n\n## Answer\n"
    )
    assert "- [1] **Pump**, pump.md\n\n  > The pump is oiled every week." in text


def test_json_is_the_conversation(chat: ChatApp) -> None:
    response = chat.client.get(PATH, query_string={"format": "json"})
    assert response.headers["Content-Disposition"].endswith("oiled.json")
    assert response.get_json() == chat.client.get("/api/conversations/c1").get_json()


def test_conversation_of_another_caller_is_not_exported(chat: ChatApp, run_in_workspace: RunApp) -> None:
    with run_in_workspace() as other:
        assert other.client.get(PATH).status_code == 404
    chat.rows("update conversations set subject = 'other'")
    assert chat.client.get(PATH).status_code == 404
    assert chat.client.get(PATH, query_string={"format": "pdf"}).status_code == 422
