"""Incomplete answers that are continued."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.answers.prompt import CONTINUE
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, RunApp, event_types, parse_events, text_of

QUESTION = "How do I install the compass?"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def chat(run_in_workspace: RunApp, provider: FakeProvider) -> Iterator[ChatApp]:
    with run_in_workspace(chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


def go_on(chat: ChatApp, answer_id: str, conversation_id: str = "c1") -> Any:
    return chat.client.post("/api/chat", json={"id": conversation_id, "messages": [], "continues": answer_id})


def cut_answer(chat: ChatApp, provider: FakeProvider) -> str:
    provider.pieces, provider.finish = ["Install ", "it [1] wi"], "length"
    return str(chat.ask("c1", QUESTION)[0].part["messageId"])


def test_cut_answer_is_continued_from_its_passages(chat: ChatApp, provider: FakeProvider) -> None:
    cut = cut_answer(chat, provider)
    chat.rows("delete from documents")
    provider.pieces, provider.finish = ["with ", "pip [1], not conda [2]."], ""
    events = parse_events(go_on(chat, cut).data)
    assert event_types(events) == [
        "start",
        "data-model",
        "source-document",
        "text-start",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ]
    assert text_of(events) == "Install it [1] with pip [1], not conda."
    question, answer = chat.messages("c1")
    assert answer["metadata"]["versions"] == [cut, answer["id"]]
    assert answer["parts"][-1]["text"] == text_of(events)
    _, asked, begun, request = [turn["content"] for turn in provider.requests[-1]["messages"]]
    assert ("Install the compass with pip." in asked, begun, request) == (True, "Install it [1]", CONTINUE)
    assert question["parts"][0]["text"] == QUESTION


def test_stopped_answer_is_continued(chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces, provider.wait, provider.wait_after = ["With pip.", "Then"], threading.Event(), 1
    response = chat.post("c1", QUESTION)
    chunks = iter(response.response)
    while b"text-delta" not in next(chunks):
        pass
    assert chat.client.post("/api/chat/c1/stop").get_json() == {"stopped": True}
    provider.wait.set()
    parse_events(b"".join(bytes(chunk) for chunk in chunks))  # type: ignore[arg-type]
    stopped = chat.messages("c1")[1]
    assert stopped["metadata"]["state"] == "stopped"
    provider.pieces, provider.wait = ["Then start it."], None
    assert text_of(parse_events(go_on(chat, stopped["id"]).data)) == "With pip. Then start it."


def test_answer_without_text_is_written_anew(chat: ChatApp, provider: FakeProvider) -> None:
    provider.status = 500
    failed = str(chat.ask("c1", QUESTION)[0].part["messageId"])
    provider.status, provider.pieces = 200, ["With pip [1]."]
    assert text_of(parse_events(go_on(chat, failed).data)) == "With pip [1]."
    assert CONTINUE not in str(provider.requests[-1])


def test_extractive_model_writes_the_whole_answer_anew(
    chat: ChatApp, run_in_workspace: RunApp, provider: FakeProvider
) -> None:
    cut = cut_answer(chat, provider)
    with run_in_workspace(chat.workspace_id) as quoting:
        text = text_of(parse_events(go_on(quoting, cut).data))
    assert "> Install the compass with pip. [1]" in text
    assert "wi" not in text.split("pip. [1]")[1]


def test_only_incomplete_answers_can_be_continued(chat: ChatApp, provider: FakeProvider) -> None:
    complete = str(chat.ask("c1", QUESTION)[0].part["messageId"])
    question = chat.messages("c1")[0]["id"]
    assert go_on(chat, complete).status_code == 409
    for unknown in (question, str(uuid.uuid4())):
        assert go_on(chat, unknown).status_code == 404
    assert go_on(chat, complete, "c2").status_code == 404
    assert chat.client.get("/api/conversations/c2").status_code == 404
    assert len(chat.messages("c1")) == 2
