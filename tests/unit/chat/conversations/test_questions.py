"""What is asked: checked, named and given ids, without a database."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.conversations.conversations import MAX_TITLE_CHARS, message_ids, shorten
from functions.chat.conversations.routes import PostedMessage, check_conversation_id, read_question
from functions.chat.models.models import LanguageModel, load_model, translate_error
from functions.chat.retrieval.search import any_term_query, halfvec, is_relevant
from headwater.config import Settings
from headwater.errors import ConfigError, PermanentError, UnprocessableContent, UpstreamError
from tests.fakes.chat_provider import fake_passage

WORKSPACE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def asked(*texts: object, role: str = "user", kind: str = "text") -> list[PostedMessage]:
    return [PostedMessage(role, [{"type": kind, "text": text} for text in texts], "m1")]  # type: ignore[arg-type]


def test_last_message_is_the_question() -> None:
    messages = [*asked("Before"), *asked("How", "is it?")]
    assert read_question(messages, 100) == ("m1", "How\nis it?")


def test_parts_other_than_text_are_ignored() -> None:
    parts: list[dict[str, Any]] = [{"type": "data-page", "data": 1}, {"type": "text", "text": 5}, {}]
    parts.append({"type": "text", "text": " Why?\0 "})
    assert read_question([PostedMessage("user", parts)], 100) == ("", "Why?")


@pytest.mark.parametrize(
    "messages",
    [[], asked("Hi", role="assistant"), asked(), asked(" \n\0 "), asked("x" * 101), asked("Hi", kind="file")],
)
def test_messages_without_a_question_are_rejected(messages: list[PostedMessage]) -> None:
    with pytest.raises(UnprocessableContent):
        read_question(messages, 100)


def test_too_long_question_error_names_the_limit() -> None:
    with pytest.raises(UnprocessableContent, match=r"101 characters, 100 are allowed"):
        read_question(asked("x" * 101), 100)


@pytest.mark.parametrize("good", ["a", "A-b_9", "x" * 64])
def test_valid_conversation_id_is_accepted(good: str) -> None:
    assert check_conversation_id(good) == good


@pytest.mark.parametrize("bad", ["", "x" * 65, "a b", "a/b", "é", "a\n", "\0"])
def test_invalid_conversation_id_is_rejected(bad: str) -> None:
    with pytest.raises(UnprocessableContent):
        check_conversation_id(bad)


def test_message_ids_differ_by_workspace_and_conversation() -> None:
    [id_] = message_ids(WORKSPACE, "c", "m1")
    assert message_ids(WORKSPACE, "c", "m1") == [id_]
    assert len({id_, *message_ids(OTHER, "c", "m1"), *message_ids(WORKSPACE, "d", "m1")}) == 3
    assert len({*message_ids(WORKSPACE, "c", ""), *message_ids(WORKSPACE, "c", "")}) == 2


def test_message_ids_include_a_posted_uuid() -> None:
    ours = uuid.uuid4()
    assert message_ids(WORKSPACE, "c", str(ours))[-1] == ours


def test_title_is_cut_between_words() -> None:
    assert shorten("  How do I\n install it? ") == "How do I install it?"
    assert shorten("word " * 30) == "word " * 15 + "word…"
    assert shorten("x" * 200) == "x" * 79 + "…"


@given(st.text())
def test_title_never_exceeds_the_limit(question: str) -> None:
    assert len(shorten(question)) <= MAX_TITLE_CHARS


def test_any_term_query_quotes_terms() -> None:
    assert any_term_query(["it's", "b", r"c\d"]) == r"'it''s' | 'b' | 'c\\d'"
    assert any_term_query([]) == ""


def test_halfvec_matches_the_syntax_of_pgvector() -> None:
    assert halfvec([0.1, -0.25, 1e-9]) == "[0.1,-0.25,1e-09]"


@pytest.mark.parametrize(
    ("similarity", "overlap", "relevant"),
    [(0.3, 0.0, True), (0.29, 0.5, False), (None, 0.6, True), (None, 0.5, False), (0.1, 1.0, True)],
)
def test_passage_is_relevant_by_similarity_or_overlap(similarity: float | None, overlap: float, relevant: bool) -> None:
    assert is_relevant(fake_passage("text", similarity=similarity, overlap=overlap)) is relevant


def settings(model: str, **changes: str) -> Settings:
    return Settings(database_url="unused", chat_model=model, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["gpt-5", "openai:", "openai", "mistral:large", "", ":"])
def test_unknown_model_error_names_the_setting(model: str) -> None:
    with pytest.raises(ConfigError, match="CHAT_MODEL"):
        load_model(settings(model, openai_api_key="k"))


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("openai:gpt-5", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("google_genai:gemini", "GOOGLE_API_KEY"),
        ("groq:llama", "GROQ_API_KEY"),
    ],
)
def test_missing_api_key_error_names_the_setting(model: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        load_model(settings(model))


def test_model_name_may_contain_colons() -> None:
    model = load_model(settings("openai:llama3.2:3b", openai_base_url="http://127.0.0.1:1/v1"))
    assert isinstance(model, LanguageModel)
    assert (model.name, model.model, model.configured) == ("openai:llama3.2:3b", "llama3.2:3b", True)
    assert not load_model(settings("extractive")).configured


class Refusal(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__("what the provider says")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Refusal(401), PermanentError, "GOOGLE_API_KEY"),
        (Refusal(429), UpstreamError, "Try again in a minute"),
        (Refusal(529), UpstreamError, "529"),
        (Refusal(422), PermanentError, "422"),
        (TimeoutError(), UpstreamError, "CHAT_TIMEOUT_S"),
        (OSError(), UpstreamError, "connection"),
    ],
)
def test_provider_error_says_what_to_do(error: Exception, kind: type[Exception], words: str) -> None:
    explained = translate_error(error, "google_genai", "google_genai:gemini")
    assert type(explained) is kind
    assert words in explained.message
    assert "what the provider says" not in explained.message
