"""Questions of an agent to the person who asked."""

from typing import Any

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow, results
from tests.harness.agents import (
    SEARCH,
    answer_of,
    ask,
    assert_nothing_is_open,
    post_response,
    reply,
    respond,
    tool_parts,
)
from tests.harness.chat_app import ChatApp, event_types, text_of

WHICH = ToolCall("ask_user", {"question": "Which compass?", "choices": ["Old", "New"]}, "which")


def test_agent_waits_for_the_answer(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([WHICH, SEARCH], "The new one needs pip [1].")
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert "tool-approval-request" not in event_types(events)
    assert events[-2].part == {"type": "finish", "finishReason": "tool-calls"}
    assert len(provider.requests) == 1
    assert chat.drain() == 0

    followed = respond(chat, reply("which", " The new one.\n"))
    chat.drain()
    more = followed.all()
    assert event_types(more)[:2] == ["tool-output-available", "text-start"]
    assert text_of(more) == "The new one needs pip [1]."
    assert results(provider.requests[-1])[0] == "The new one."
    [question] = [part for part in tool_parts(chat) if part["toolName"] == WHICH.name]
    assert question["input"] == WHICH.arguments
    assert question["output"]["text"] == "The new one."
    assert_nothing_is_open(chat)


def test_answer_given_twice_counts_once(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([WHICH], "Done.")
    ask(chat)
    chat.drain()
    first, second = respond(chat, reply("which", "New")), respond(chat, reply("which", "Old"))
    chat.drain()
    assert [event.part for event in first.all()] == [event.part for event in second.all()]
    assert results(provider.requests[-1]) == ["New"]


def test_second_question_is_not_answered_by_the_first_answer(chat: ChatApp, provider: ScriptedProvider) -> None:
    when = ToolCall("ask_user", {"question": "When?"}, "when")
    provider.script = follow([WHICH], [when], "Done.")
    ask(chat)
    chat.drain()
    reader = respond(chat, reply("which", "New"))
    chat.drain()
    assert event_types(reader.all()) == ["tool-output-available", "tool-input-available", "finish", "[DONE]"]
    # The AI SDK posts all parts of the answer, also those that the stream had.
    shown = [reply("which", {"text": "New", "seconds": 0.1}), reply("when", "Today")]
    reader = respond(chat, *shown)
    chat.drain()
    assert event_types(reader.all())[:2] == ["tool-output-available", "text-start"]
    assert results(provider.requests[-1]) == ["New", "Today"]


def test_stop_ends_an_agent_that_waits_for_an_answer(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([WHICH], "Done.")
    ask(chat)
    chat.drain()
    assert chat.client.post("/api/chat/c1/stop").get_json() == {"stopped": True}
    assert answer_of(chat)["metadata"]["state"] == "stopped"
    assert post_response(chat, reply("which", "New")).status_code == 409
    assert_nothing_is_open(chat)


@pytest.mark.parametrize(
    ("answer", "says"),
    [("  ", "The answer is empty"), ("x" * 300_000, "The answer is too long"), (5, "must be a text")],
    ids=["empty", "long", "number"],
)
def test_invalid_answers_are_refused(chat: ChatApp, provider: ScriptedProvider, answer: Any, says: str) -> None:
    provider.script = follow([WHICH], "Done.")
    ask(chat)
    chat.drain()
    response = post_response(chat, reply("which", answer))
    assert response.status_code == 422
    assert says in response.get_json()["detail"]


def test_question_with_invalid_arguments_is_an_error_that_the_model_reads(
    chat: ChatApp, provider: ScriptedProvider
) -> None:
    provider.script = follow([ToolCall("ask_user", {"question": "?", "choices": ["x"] * 11})], "I can't ask.")
    reader = ask(chat)
    chat.drain()
    assert text_of(reader.all()) == "I can't ask."
    assert "length <= 10" in results(provider.requests[-1])[0]


def test_address_in_an_answer_may_be_linked(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([WHICH], "See [it](https://known.example/a).")
    ask(chat)
    chat.drain()
    reader = respond(chat, reply("which", "That of https://known.example/a"))
    chat.drain()
    assert text_of(reader.all()) == "See [it](<https://known.example/a>)."
