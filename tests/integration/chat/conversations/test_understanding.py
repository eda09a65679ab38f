"""Follow-up questions, small talk and titles: by a language model, and without one."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from functions.chat.answers.history import LEFT_OUT
from functions.chat.answers.prompt import NO_PASSAGES
from functions.chat.answers.understanding import intent, translation
from functions.chat.answers.understanding.intent import ABOUT_THE_ANSWER, SMALL_TALK
from functions.chat.conversations import titles
from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import (
    ChatApp,
    RunApp,
    event_types,
    parse_events,
    text_of,
    wait_for_threads,
)

UNDERSTAND = "You prepare a search in a team's documents."
TRANSLATE = "You translate a question"
TITLE = "Write a title for a conversation"


def test_fake_replies_are_keyed_by_the_real_instructions() -> None:
    assert intent.INSTRUCTIONS.startswith(UNDERSTAND)
    assert translation.INSTRUCTIONS.startswith(TRANSLATE)
    assert titles.INSTRUCTIONS.startswith(TITLE)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def chat(run_in_workspace: RunApp, provider: FakeProvider) -> Iterator[ChatApp]:
    with run_in_workspace(chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as made:
        made.add_document("pip.md", "Install the compass with pip.", title="Compass")
        made.add_document("oil.md", "The pump is oiled with sunflower oil every week.", title="Pump")
        yield made


@pytest.fixture
def quoting(run_in_workspace: RunApp) -> Iterator[ChatApp]:
    """A chat app without a language model."""
    with run_in_workspace() as made:
        made.add_document("pip.md", "Install the compass with pip.", title="Compass")
        yield made


def sources(events: Any) -> list[str]:
    return [event.part["filename"] for event in events if event_types([event]) == ["source-document"]]


def test_model_writes_the_query_of_a_follow_up(chat: ChatApp, provider: FakeProvider) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    provider.replies = {UNDERSTAND: ["SEARCH: How often", " is the pump oiled?"]}
    events = chat.ask("c1", "And what about the other machine?", "m2")
    assert sources(events) == ["oil.md"]
    asked, answered = provider.requests[1:]
    assert "Person: How do I install the compass?\n\nAssistant: Yes [1]." not in asked["messages"][1]["content"]
    assert "Person: How do I install the compass?\n\nAssistant: Yes." in asked["messages"][1]["content"]
    assert asked["messages"][1]["content"].endswith("Last message: And what about the other machine?")
    assert answered["messages"][-1]["content"].endswith("Question: And what about the other machine?")


def test_model_says_that_nothing_has_to_be_searched_for(chat: ChatApp, provider: FakeProvider) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    provider.replies = {UNDERSTAND: ["TALK"]}
    events = chat.ask("c1", "I find that hard to believe, honestly, given what you said.", "m2")
    assert sources(events) == []
    assert event_types(events)[-4:] == ["text-delta", "text-end", "finish", "[DONE]"]
    assert NO_PASSAGES in provider.requests[-1]["messages"][-1]["content"]


@pytest.mark.parametrize("reply", ["I don't know.", "", "<think>SEARCH: oil"])
def test_cues_decide_if_the_model_does_not(chat: ChatApp, provider: FakeProvider, reply: str) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    provider.replies = {UNDERSTAND: [reply]}
    assert sources(chat.ask("c1", "And how is it on Windows?", "m2")) == ["pip.md"]


def test_first_question_is_not_rewritten(chat: ChatApp, provider: FakeProvider) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    assert len(provider.requests) == 1
    assert UNDERSTAND not in json.dumps(provider.requests)


def test_question_is_translated_into_the_language_of_the_documents(chat: ChatApp, provider: FakeProvider) -> None:
    provider.replies = {TRANSLATE: ["How often is", " the pump oiled?\n"]}
    events = chat.ask("c1", "Wie oft wird das Ding geölt?", "m1")
    assert sources(events) == ["oil.md"]
    translated, answered = provider.requests
    assert "The pump is oiled with sunflower oil every week." in translated["messages"][1]["content"]
    assert translated["messages"][1]["content"].endswith("Question: Wie oft wird das Ding geölt?")
    assert answered["messages"][-1]["content"].endswith("Question: Wie oft wird das Ding geölt?")


def test_declined_question_says_its_translation(chat: ChatApp, provider: FakeProvider) -> None:
    provider.replies = {TRANSLATE: ["Who won the match?"]}
    text = text_of(chat.ask("c1", "Wer hat das Spiel gewonnen?", "m1"))
    assert "> Wer hat das Spiel gewonnen? Who won the match?" in text
    assert len(provider.requests) == 1


def test_question_in_the_language_of_the_documents_is_not_translated(chat: ChatApp, provider: FakeProvider) -> None:
    assert "I couldn't find anything" in text_of(chat.ask("c1", "Who has won the match?", "m1"))
    assert provider.requests == []


@pytest.mark.parametrize("reply", ["", "Wer hat das Spiel gewonnen?"])
def test_question_without_a_translation_is_declined(chat: ChatApp, provider: FakeProvider, reply: str) -> None:
    provider.replies = {TRANSLATE: [reply]}
    text = text_of(chat.ask("c1", "Wer hat das Spiel gewonnen?", "m1"))
    assert "> Wer hat das Spiel gewonnen?\n" in text


def test_greeting_is_answered_without_a_search(chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = ["Hello! [1]"]
    events = chat.ask("c1", "Guten Morgen!", "m1")
    assert (text_of(events), sources(events)) == ("Hello!", [])
    assert len(provider.requests) == 1


def test_calls_beside_the_answer_are_recorded(chat: ChatApp, provider: FakeProvider) -> None:
    chat.ask("c1", "How do I install the compass?", "m1")
    provider.replies = {UNDERSTAND: ["SEARCH: How often is the pump oiled?"]}
    chat.ask("c1", "And the other one?", "m2")
    assert chat.rows("select sum(calls) from usage where kind = 'chat'") == [(3,)]
    assert chat.rows("select count(*) from reservations") == [(0,)]


def test_small_talk_is_answered_without_a_model(quoting: ChatApp) -> None:
    assert text_of(quoting.ask("c1", "Hello!", "m1")) == SMALL_TALK
    assert "pip" in text_of(quoting.ask("c1", "How do I install the compass?", "m2"))
    assert text_of(quoting.ask("c1", "Vielen Dank!", "m3")) == SMALL_TALK
    assert text_of(quoting.ask("c1", "Kannst du das kürzer erklären?", "m4")) == ABOUT_THE_ANSWER
    events = quoting.ask("c1", "And why is that so?", "m5")
    assert sources(events) == ["pip.md"]


def test_history_is_within_the_budget(run_in_workspace: RunApp, provider: FakeProvider) -> None:
    with run_in_workspace(
        chat_model="openai:fake", openai_base_url=f"{provider.url}/v1", chat_history_tokens=100
    ) as chat:
        chat.add_document("pip.md", "Install the compass with pip.", title="Compass")
        for n in range(3):
            provider.pieces = ["Answer ", f"{n} ", "words " * 200, "end."]
            chat.ask("c1", "How do I install the compass?", f"m{n}")
        _, question, answer, last = provider.requests[-1]["messages"]
        assert question["content"] == "How do I install the compass?"
        assert answer["content"].startswith("Answer 1 words")
        assert LEFT_OUT in answer["content"]
        assert last["content"].endswith("Question: How do I install the compass?")


def titled(chat: ChatApp, run_in_workspace: RunApp, provider: FakeProvider) -> AbstractContextManager[ChatApp]:
    """Run an instance whose model writes titles."""
    url = f"{provider.url}/v1"
    return run_in_workspace(chat.workspace_id, chat_model="openai:fake", openai_base_url=url, chat_titles=True)


def title_of(chat: ChatApp, conversation_id: str = "c1") -> str:
    title: str = chat.client.get(f"/api/conversations/{conversation_id}").get_json()["title"]
    return title


def test_model_titles_a_conversation_while_its_first_answer_is_written(
    chat: ChatApp, run_in_workspace: RunApp, provider: FakeProvider
) -> None:
    """The answer goes on after the title has arrived."""
    provider.replies = {TITLE: ['"Compass', ' setup"']}
    provider.wait, provider.wait_after, provider.waits = threading.Event(), 1, "with pip."
    with titled(chat, run_in_workspace, provider) as titling:
        chunks = iter(titling.post("c1", "How do I install the compass?", "m1").response)
        stream = b""
        while b"data-title" not in stream:
            stream += bytes(next(chunks))  # type: ignore[arg-type]
        assert b"text-delta" in stream
        provider.wait.set()
        events = parse_events(stream + b"".join(bytes(chunk) for chunk in chunks))  # type: ignore[arg-type]
        assert title_of(titling) == "Compass setup"
        title = {"type": "data-title", "data": {"title": "Compass setup"}, "transient": True}
        assert title in [event.part for event in events]
        assert [part["type"] for part in titling.messages("c1")[1]["parts"]] == [
            "data-model",
            "source-document",
            "text",
        ]
        provider.replies = {TITLE: ["Another"]}
        assert "data-title" not in event_types(titling.ask("c1", "How is it updated?", "m2"))
        wait_for_threads()
        assert title_of(titling) == "Compass setup"


def test_end_of_the_answer_does_not_wait_for_the_title(
    chat: ChatApp, run_in_workspace: RunApp, provider: FakeProvider
) -> None:
    """The title's model is silent until the answer has ended."""
    provider.replies, provider.wait, provider.waits = {TITLE: ["Compass setup"]}, threading.Event(), TITLE
    with titled(chat, run_in_workspace, provider) as titling:
        events = titling.ask("c1", "How do I install the compass?", "m1")
        assert event_types(events)[-3:] == ["text-end", "finish", "[DONE]"]
        assert title_of(titling) == "How do I install the compass?"
        provider.wait.set()
        wait_for_threads()
        assert title_of(titling) == "Compass setup"


def test_first_words_stay_the_title_if_the_model_writes_none(
    chat: ChatApp, run_in_workspace: RunApp, provider: FakeProvider
) -> None:
    provider.replies = {TITLE: ["..."]}
    with titled(chat, run_in_workspace, provider) as titling:
        assert event_types(titling.ask("c1", "How do I install the compass?", "m1"))[-2:] == ["finish", "[DONE]"]
        wait_for_threads()
        assert title_of(titling) == "How do I install the compass?"
        titling.client.patch("/api/conversations/c1", json={"title": "Mine"})
        provider.replies = {TITLE: ["Theirs"]}
        events = titling.ask("c1", "How do I install the compass?", "m1")  # again
        wait_for_threads()
        assert ("data-title" in event_types(events), title_of(titling)) == (False, "Mine")


def test_conversation_without_a_model_keeps_the_first_words(quoting: ChatApp, run_in_workspace: RunApp) -> None:
    with run_in_workspace(quoting.workspace_id, chat_titles=True) as titling:
        assert "data-title" not in event_types(titling.ask("c1", "How do I install the compass?", "m1"))
        assert title_of(titling) == "How do I install the compass?"
