"""The chat function under functions-framework: unbuffered streams, limits, and light imports."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, StreamEvent, event_types, parse_events, running_chat_app, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.paths import ROOT

QUESTION = "How do I install the compass?"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


def body(conversation_id: str, text: str = QUESTION, message_id: str = "m1") -> dict[str, Any]:
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": conversation_id, "messages": [message], "trigger": "submit-message"}


def until(chunks: Iterator[bytes], part: str) -> list[StreamEvent]:
    """Read up to an event of this type."""
    stream = b""
    for chunk in chunks:
        stream += chunk
        if part in event_types(parse_events(stream)):
            return parse_events(stream)
    raise AssertionError(f"no {part} in {stream!r}")


def test_search_returns_hits(chat: httpx.Client) -> None:
    [hit] = chat.get("/api/search", params={"q": "compass", "k": 1}).json()["hits"]
    assert (hit["key"], hit["text"]) == ("guide.md", "Install the compass with pip.")


def test_answer_streams_while_it_is_written(chat: httpx.Client, provider: FakeProvider) -> None:
    provider.pieces, provider.wait, provider.wait_after = ["Hello ", "world [1]."], threading.Event(), 1
    with chat.stream("POST", "/api/chat", json=body("c1")) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["X-Vercel-AI-UI-Message-Stream"] == "v1"
        chunks = response.iter_raw()
        assert text_of(until(chunks, "text-delta")) == "Hello"  # the model is still silent
        assert chat.post("/api/chat", json=body("c1", "And?", "m2")).status_code == 409
        with chat.stream("GET", "/api/chat/c1/stream") as again:
            replayed = again.iter_raw()
            assert event_types(until(replayed, "text-delta"))[0] == "start"
            assert chat.post("/api/chat/c1/stop").status_code == 202
            assert event_types(until(replayed, "[DONE]"))[-2:] == ["abort", "[DONE]"]
        assert event_types(until(chunks, "[DONE]"))[-2:] == ["abort", "[DONE]"]
    provider.wait.set()
    assert chat.get("/api/chat/c1/stream").status_code == 204
    states = [message["metadata"]["state"] for message in chat.get("/api/conversations/c1").json()["messages"]]
    assert states == ["complete", "stopped"]


def test_conversation_can_be_asked_read_and_deleted(chat: httpx.Client, provider: FakeProvider) -> None:
    provider.pieces, provider.wait = ["With pip [1]."], None
    events = parse_events(chat.post("/api/chat", json=body("c2")).content)
    types = [kind for kind in event_types(events) if kind != "data-title"]  # which the end doesn't wait for
    assert types[-3:] == ["text-end", "finish", "[DONE]"]
    question, answer = chat.get("/api/conversations/c2").json()["messages"]
    assert question["parts"] == [{"type": "text", "text": QUESTION, "state": "done"}]
    assert answer["parts"][-1]["text"] == "With pip [1]."
    assert "c2" in [c["id"] for c in chat.get("/api/conversations").json()["conversations"]]
    assert chat.delete("/api/conversations/c2").status_code == 204
    assert chat.get("/api/conversations/c2").status_code == 404


@pytest.mark.parametrize(
    ("posted", "status", "words"),
    [
        (body("c3", "x" * 200_000), 422, "32000 are allowed"),
        (body("c3", "x" * 1_000_001), 413, "1000000"),
        (body("c3", " "), 422, "empty"),
        (body("../c3"), 422, "letters, digits"),
        ({"id": "c3", "messages": []}, 422, "last message"),
        ({"id": "c3", "messages": [{"role": "user", "content": "old style"}]}, 422, "parts"),
        ({"id": "c3", "messages": [{"role": "assistant", "parts": []}]}, 422, "last message"),
        ({"messages": []}, 422, "id"),
    ],
)
def test_invalid_question_is_rejected_with_the_reason(chat: httpx.Client, posted: Any, status: int, words: str) -> None:
    response = chat.post("/api/chat", json=posted)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in response.json()["detail"]
    assert "c3" not in [c["id"] for c in chat.get("/api/conversations").json()["conversations"]]


def test_function_starts_without_heavy_imports() -> None:
    program = (
        "import sys; from functions_framework import create_app; create_app('chat', 'functions/chat/main.py');"
        "print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    heavy = ["numpy", "onnxruntime", "tokenizers", "langchain_core", "openai", "anthropic", "alembic", "pydantic"]
    heavy += ["jiter", "jsonschema_rs", "urllib3"]
    command = [sys.executable, "-c", program, *heavy]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip() == "[]"
