"""List, search, rename and pin conversations."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.chat_app import ChatApp, RunApp


@pytest.fixture
def chat(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    with run_in_workspace() as made:
        made.add_document("pump.md", "The pump is oiled every week by the mechanic.")
        yield made


def listed(chat: ChatApp, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    while True:
        response = chat.client.get("/api/conversations", query_string=query)
        assert response.status_code == 200, response.data
        page = response.get_json()
        ids += [one["id"] for one in page["conversations"]]
        if page["next"] is None:
            return ids
        query["after"] = page["next"]


def change(chat: ChatApp, conversation_id: str, **changes: Any) -> Any:
    return chat.client.patch(f"/api/conversations/{conversation_id}", json=changes)


def test_pinned_conversations_come_first_on_all_pages(chat: ChatApp) -> None:
    names = [f"c{n}" for n in range(7)]
    for name in names:
        chat.ask(name, f"Question {name}?")
    assert change(chat, "c1", pinned=True).get_json()["pinned"] is True
    assert change(chat, "c4", pinned=True).status_code == 200
    expected = ["c4", "c1", "c6", "c5", "c3", "c2", "c0"]
    for limit in (1, 2, 3, 200):
        assert listed(chat, limit=limit) == expected
    assert change(chat, "c4", pinned=False).get_json()["pinned"] is False
    assert listed(chat, limit=2) == ["c1", "c6", "c5", "c4", "c3", "c2", "c0"]


def test_renamed_conversation_keeps_its_title_and_place(chat: ChatApp) -> None:
    chat.ask("c1", "How often is the pump oiled?")
    chat.ask("c2", "Who oils it?")
    renamed = change(chat, "c1", title="  Care of\nthe pump ").get_json()
    assert (renamed["title"], renamed["pinned"]) == ("Care of the pump", False)
    assert listed(chat) == ["c2", "c1"]
    chat.ask("c1", "By whom?", "m2")
    assert chat.client.get("/api/conversations/c1").get_json()["title"] == "Care of the pump"


@pytest.mark.parametrize("title", ["", " \n", "x" * 201, 1])
def test_invalid_title_is_refused(chat: ChatApp, title: Any) -> None:
    chat.ask("c1", "How often is the pump oiled?")
    response = change(chat, "c1", title=title, pinned=True)
    assert response.status_code == 422
    assert "title" in response.get_json()["detail"]
    assert chat.client.get("/api/conversations").get_json()["conversations"][0]["pinned"] is False


def test_search_finds_words_of_titles_questions_and_answers(chat: ChatApp) -> None:
    chat.ask("c1", "How often is the pump oiled?")
    chat.ask("c2", "Où est l'ÉCOLE? 100% _sicher_ \\ 漢字")
    change(chat, "c2", title="Schule")
    assert listed(chat, q="pump") == listed(chat, q="OFTEN oil") == listed(chat, q="mechanic") == ["c1"]
    assert listed(chat, q="schule") == listed(chat, q="école") == listed(chat, q="漢字 où") == ["c2"]
    assert listed(chat, q="100%") == listed(chat, q="_sicher_") == ["c2"]
    assert listed(chat, q="%") == ["c2"]
    assert listed(chat, q="pump école") == listed(chat, q="text source-document") == []
    assert listed(chat, q="  ") == ["c2", "c1"]
    assert chat.client.get("/api/conversations", query_string={"q": "x" * 201}).status_code == 422


def test_search_has_pages(chat: ChatApp) -> None:
    for n in range(5):
        chat.ask(f"c{n}", "About the pump" if n % 2 == 0 else "About lunch")
    change(chat, "c0", pinned=True)
    assert listed(chat, q="pump about", limit=1) == ["c0", "c4", "c2"]


def test_conversation_of_another_caller_is_not_found(chat: ChatApp, run_in_workspace: RunApp) -> None:
    chat.ask("c1", "How often is the pump oiled?")
    with run_in_workspace() as other:
        assert change(other, "c1", title="Mine").status_code == 404
        assert listed(other, q="pump") == []
    chat.rows("update conversations set subject = 'other'")
    assert change(chat, "c1", pinned=True).status_code == 404
    assert listed(chat, q="pump") == []
    assert chat.rows("select title, pinned from conversations") == [("How often is the pump oiled?", False)]


@pytest.mark.parametrize("after", ["x", "1~", "0~yesterday~c1", "2026-01-01T00:00:00+00:00~c1"])
def test_invalid_cursor_is_refused(chat: ChatApp, after: str) -> None:
    assert chat.client.get("/api/conversations", query_string={"after": after}).status_code == 422
