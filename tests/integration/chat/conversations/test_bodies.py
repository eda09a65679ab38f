"""Any body posted to chat gets a stream or a problem, never a server error."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.chat_app import ChatApp, event_types, parse_events, running_chat_app
from tests.harness.databases import FreshDatabase

ROBUST = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PART = st.fixed_dictionaries({"type": st.sampled_from(["text", "data-x", "file"]) | JSON}, optional={"text": JSON})
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]) | JSON, "parts": st.lists(PART, max_size=3) | JSON},
    optional={"id": st.text(max_size=40) | JSON},
)
BODY = st.fixed_dictionaries(
    {"id": st.sampled_from(["c1", "c2", "", "../x", "\0"]) | JSON, "messages": st.lists(MESSAGE, max_size=3) | JSON},
    optional={"trigger": JSON, "messageId": JSON},
)


@pytest.fixture
def chat(database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(database) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


def check(response: Any) -> None:
    if response.status_code == 200:
        assert event_types(parse_events(response.data))[-2:] == ["finish", "[DONE]"]
        response.close()  # as servers do, which frees the stream's place
    else:
        assert response.status_code in (400, 422), response.data
        assert response.content_type == "application/problem+json"


@ROBUST
@given(BODY | JSON)
def test_any_json_gets_an_answer_or_a_problem(chat: ChatApp, body: Any) -> None:
    check(chat.client.post("/api/chat", json=body))


@ROBUST
@given(st.binary(max_size=60))
def test_any_bytes_get_an_answer_or_a_problem(chat: ChatApp, body: bytes) -> None:
    check(chat.client.post("/api/chat", data=body))


@ROBUST
@given(st.text(min_size=1, max_size=60), st.text(max_size=50))
def test_any_question_and_message_id_are_answered(chat: ChatApp, question: str, message_id: str) -> None:
    response = chat.post("c1", question, message_id)
    check(response)
    if question.replace("\0", " ").strip():
        assert response.status_code == 200
        assert chat.messages("c1")[-2]["parts"][0]["text"] == question.replace("\0", " ").strip()
