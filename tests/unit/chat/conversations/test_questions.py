"""Posted questions: validation, ids of conversations and messages, and titles."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.conversations.chat_routes import PostedMessage, read_question
from functions.chat.conversations.conversations import MAX_TITLE_CHARS, shorten
from functions.chat.conversations.questions import message_ids
from headwater.conversations import check_conversation_id
from headwater.errors import UnprocessableContent

WORKSPACE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def posted(*texts: object, role: str = "user", kind: str = "text") -> list[PostedMessage]:
    return [PostedMessage(role, [{"type": kind, "text": text} for text in texts], "m1")]  # type: ignore[arg-type]


def test_last_message_is_the_question() -> None:
    messages = [*posted("Before"), *posted("How", "is it?")]
    assert read_question(messages, 100) == ("m1", "How\nis it?")


def test_parts_other_than_text_are_ignored() -> None:
    parts: list[dict[str, Any]] = [{"type": "data-page", "data": 1}, {"type": "text", "text": 5}, {}]
    parts.append({"type": "text", "text": " Why?\0 "})
    assert read_question([PostedMessage("user", parts)], 100) == ("", "Why?")


@pytest.mark.parametrize(
    "messages",
    [[], posted("Hi", role="assistant"), posted(), posted(" \n\0 "), posted("x" * 101), posted("Hi", kind="file")],
)
def test_messages_without_a_question_are_rejected(messages: list[PostedMessage]) -> None:
    with pytest.raises(UnprocessableContent):
        read_question(messages, 100)


def test_too_long_question_error_names_the_limit() -> None:
    with pytest.raises(UnprocessableContent, match=r"101 characters, 100 are allowed"):
        read_question(posted("x" * 101), 100)


@pytest.mark.parametrize("conversation_id", ["a", "A-b_9", "x" * 64])
def test_valid_conversation_id_is_accepted(conversation_id: str) -> None:
    assert check_conversation_id(conversation_id) == conversation_id


@pytest.mark.parametrize("conversation_id", ["", "x" * 65, "a b", "a/b", "é", "a\n", "\0"])
def test_invalid_conversation_id_is_rejected(conversation_id: str) -> None:
    with pytest.raises(UnprocessableContent):
        check_conversation_id(conversation_id)


def test_message_ids_differ_by_workspace_and_conversation() -> None:
    [id_] = message_ids(WORKSPACE, "c", "m1")
    assert message_ids(WORKSPACE, "c", "m1") == [id_]
    assert len({id_, *message_ids(OTHER, "c", "m1"), *message_ids(WORKSPACE, "d", "m1")}) == 3
    assert len({*message_ids(WORKSPACE, "c", ""), *message_ids(WORKSPACE, "c", "")}) == 2


def test_message_ids_include_a_posted_uuid() -> None:
    stored_id = uuid.uuid4()
    assert message_ids(WORKSPACE, "c", str(stored_id))[-1] == stored_id


def test_title_is_cut_between_words() -> None:
    assert shorten("  How do I\n install it? ") == "How do I install it?"
    assert shorten("word " * 30) == "word " * 15 + "word…"
    assert shorten("x" * 200) == "x" * 79 + "…"


@given(st.text())
def test_title_never_exceeds_the_limit(question: str) -> None:
    assert len(shorten(question)) <= MAX_TITLE_CHARS
