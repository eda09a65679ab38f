"""The chat function while 50 answers are streaming and 128 clients are slow: others are answered meanwhile.

Order proves it, not time: neither the slow requests nor the answers have ended when the others are answered.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, event_types, parse_events, running_chat_app, text_of
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.gunicorn_server import Client
from tests.harness.local_token import AUTHORIZATION, LOCAL_TOKEN

ANSWERS, SLOW, LONG_REQUESTS = 50, 64, 64
QUESTION = "How do I install the compass?"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces, provider.wait, provider.wait_after = ["Hello ", "world [1]."], threading.Event(), 1
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", "Install the compass with pip.", title="Guide")
        yield made


@pytest.fixture(scope="module", params=["functions-framework", "image"])
def chat(
    request: pytest.FixtureRequest, library: ChatApp, provider: FakeProvider, free_port: Callable[[], int]
) -> Iterator[httpx.Client]:
    environment = {
        "DATABASE_URL": library.settings.database_url,
        "EMBEDDING_MODEL": "constant",
        "CHAT_MODEL": "openai:fake",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
        "LONG_REQUESTS": str(LONG_REQUESTS),
    }
    with serve_function("chat", free_port(), environment, as_image=request.param == "image") as client:
        yield client


def question(conversation_id: str) -> dict[str, Any]:
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    return {"id": conversation_id, "messages": [message]}


class Answer:
    """A running answer, read until its first words."""

    def __init__(self, chat: httpx.Client, stack: ExitStack, conversation_id: str, *, replay: bool = False) -> None:
        client = stack.enter_context(
            httpx.Client(base_url=chat.base_url, headers=AUTHORIZATION, timeout=30, trust_env=False, verify=False)
        )
        path = f"/api/chat/{conversation_id}/stream" if replay else "/api/chat"
        body = None if replay else question(conversation_id)
        response = stack.enter_context(client.stream("GET" if replay else "POST", path, json=body))
        assert response.status_code == 200, response.read()
        self._chunks = response.iter_raw()
        self.stream = b""
        self.read_until("text-delta")

    def read_until(self, part: str) -> None:
        while part not in event_types(parse_events(self.stream)):
            self.stream += next(self._chunks)


def test_short_requests_and_questions_are_answered_meanwhile(chat: httpx.Client, provider: FakeProvider) -> None:
    assert provider.wait
    provider.wait.clear()
    assert chat.base_url.port
    run = chat.base_url.port  # distinguishes the conversations of both ways of serving
    with ExitStack() as stack:
        answers = [Answer(chat, stack, f"{run}-{n}") for n in range(ANSWERS - 5)]
        answers += [Answer(chat, stack, f"{run}-{n}", replay=True) for n in range(5)]
        head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {LOCAL_TOKEN}\r\n".encode()
        bodies, heads = (
            [stack.enter_context(Client(chat.base_url.port)).send(sent) for _ in range(SLOW)]
            for sent in (head + b"Content-Length: 2\r\n\r\n{", head + b"X-Slow: ")
        )
        assert chat.get("/heartbeat").json()["status"] == "alive"
        assert chat.get("/api/search", params={"q": "compass"}).json()["hits"]
        assert len(chat.get("/api/conversations").json()["conversations"]) >= ANSWERS - 5
        assert chat.get(f"/api/conversations/{run}-1").status_code == 200
        assert chat.post(f"/api/chat/{run}-0/stop").json() == {"stopped": True}
        for stopped in (answers[0], answers[ANSWERS - 5]):
            stopped.read_until("[DONE]")
        Answer(chat, stack, f"{run}-new").read_until("text-delta")
        assert all(event_types(parse_events(each.stream))[-1] == "text-delta" for each in answers[1 : ANSWERS - 5])
        provider.wait.set()
        for answer in answers[1 : ANSWERS - 5] + answers[ANSWERS - 4 :]:
            answer.read_until("[DONE]")
            assert text_of(parse_events(answer.stream)) == "Hello world [1]."
        assert [client.send(b"}").response()[0] for client in bodies] == [422] * SLOW
        for client in heads:
            with suppress(OSError):  # on a slow machine, their deadline has passed
                assert client.send(b"1\r\nContent-Length: 2\r\n\r\n{}").response()[0] in (408, 422)


def test_more_answers_than_the_limit_are_refused_and_short_requests_are_not(
    chat: httpx.Client, provider: FakeProvider
) -> None:
    assert provider.wait
    provider.wait.clear()
    run = f"more-{chat.base_url.port}"
    with ExitStack() as stack:
        # One workspace leaves the last eighth to others.
        answers = [Answer(chat, stack, f"{run}-{n}") for n in range(LONG_REQUESTS - LONG_REQUESTS // 8)]
        refused = chat.post("/api/chat", json=question(f"{run}-refused"))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert "Try again in a few seconds" in refused.json()["detail"]
        assert chat.get(f"/api/conversations/{run}-refused").status_code == 404
        assert chat.get("/api/search", params={"q": "compass"}).json()["hits"]
        assert chat.post(f"/api/chat/{run}-0/stop").json() == {"stopped": True}
        answers[0].read_until("[DONE]")
        provider.wait.set()
        assert "finish" in event_types(parse_events(chat.post("/api/chat", json=question(f"{run}-refused")).content))
