"""Weak citations in answers of a language model: in the stream, and in the stored message."""

from collections.abc import Iterator

import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, event_types, running_chat_app, text_of
from tests.harness.databases import FreshDatabase

QUESTION = "How do I install the compass?"
SUPPORTED = "Install the compass with pip [1]. "


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def chat(database: FreshDatabase, provider: FakeProvider) -> Iterator[ChatApp]:
    with running_chat_app(database, chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as made:
        made.add_document("guide.md", "You install the compass with pip 24, in 5 minutes.", title="Guide")
        yield made


def test_sentences_that_the_passages_do_not_support_are_marked(chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = [
        SUPPORTED,
        "Sunflower oil keeps every pump quiet for weeks [1]. ",
        "Install the compass with pip 19 [1].",
        " It's easy. You don't install the compass with pip 24, in 5 minutes [1].",
    ]
    events = chat.ask("c1", QUESTION)
    assert event_types(events)[-4:] == ["text-end", "data-grounding", "finish", "[DONE]"]
    part, text = events[-3].part, text_of(events)
    weak = part["data"]["weak"]
    assert [(text[one["start"] : one["end"]], one["sources"], one["reason"]) for one in weak] == [
        ("Sunflower oil keeps every pump quiet for weeks [1].", ["1"], "meaning"),
        ("Install the compass with pip 19 [1].", ["1"], "numbers"),
        ("You don't install the compass with pip 24, in 5 minutes [1].", ["1"], "negation"),
    ]
    assert part in chat.messages("c1")[1]["parts"]


def test_supported_and_uncited_answers_have_no_mark(chat: ChatApp, provider: FakeProvider) -> None:
    for n, pieces in enumerate([[SUPPORTED], ["Sunflower oil keeps every pump quiet for weeks."]]):
        provider.pieces = pieces
        assert "data-grounding" not in event_types(chat.ask(f"c{n}", QUESTION))


def test_answer_in_another_language_is_checked_for_numbers_only(chat: ChatApp, provider: FakeProvider) -> None:
    provider.pieces = ["Den Kompass installiert man mit pip [1]. ", "Das dauert mit pip 19 nicht lange [1]."]
    events = chat.ask("c1", QUESTION)
    [part] = [event.part for event in events if event_types([event]) == ["data-grounding"]]
    assert [one["reason"] for one in part["data"]["weak"]] == ["numbers"]
