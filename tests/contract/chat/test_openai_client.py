"""The `openai` package, unmodified, asks questions and lists the models; texts are reranked."""

from collections.abc import Iterator

import httpx
import httpx2
import openai
import pytest

from tests.fakes.chat_provider import FakeProvider, fake_provider
from tests.harness.chat_app import ChatApp, running_chat_app
from tests.harness.databases import FreshDatabase

TEXT = "Install the compass with pip. It points north."
QUESTION = "How do I install the compass?"
ANSWER = "Install it with pip [1], not conda."


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as provider:
        provider.pieces = ["Install it ", "with pip [1], ", "not conda [9]."]
        yield provider


@pytest.fixture(scope="module")
def library(module_database: FreshDatabase) -> Iterator[ChatApp]:
    with running_chat_app(module_database) as made:
        made.add_document("guide.md", TEXT, title="Guide", headings=["A"])
        yield made


@pytest.fixture(scope="module")
def client(chat: httpx.Client) -> Iterator[openai.OpenAI]:
    key = chat.headers["Authorization"].removeprefix("Bearer ")
    http = httpx2.Client(trust_env=False)
    with openai.OpenAI(base_url=f"{chat.base_url}/v1", api_key=key, max_retries=0, http_client=http) as made:
        yield made


def test_completion_has_checked_citations(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="headwater", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    )
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model_extra is not None
    assert [(cited["n"], cited["title"], cited["text"]) for cited in completion.model_extra["citations"]] == [
        (1, "Guide", TEXT)
    ]


def test_stream_ends_with_reason_and_citations(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="headwater", messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}]}], stream=True
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert chunks[-1].model_extra is not None
    assert [cited["n"] for cited in chunks[-1].model_extra["citations"]] == [1]
    assert len({chunk.id for chunk in chunks}) == 1


def test_history_reaches_the_model(client: openai.OpenAI, provider: FakeProvider) -> None:
    messages = [("user", "What points north?"), ("assistant", "The compass."), ("user", "How do I install it?")]
    client.chat.completions.create(
        model="headwater",
        messages=[{"role": role, "content": text} for role, text in messages],
    )
    sent = str(provider.requests[-1])
    assert "What points north?" in sent
    assert "The compass." in sent


def test_error_in_a_stream_is_raised_by_the_client(client: openai.OpenAI, provider: FakeProvider) -> None:
    provider.status, provider.error = 401, {"message": "Incorrect API key", "type": "invalid_request_error"}
    try:
        with pytest.raises(openai.APIError, match="OPENAI_API_KEY"):
            list(
                client.chat.completions.create(
                    model="headwater", messages=[{"role": "user", "content": QUESTION}], stream=True
                )
            )
    finally:
        provider.status, provider.error = 200, None


@pytest.mark.parametrize(
    ("model", "messages", "error", "words"),
    [
        ("gpt-unknown", [{"role": "user", "content": QUESTION}], openai.UnprocessableEntityError, "openai:fake"),
        ("headwater", [{"role": "assistant", "content": "Hello"}], openai.UnprocessableEntityError, "last message"),
        ("headwater", [], openai.UnprocessableEntityError, "last message"),
        ("headwater", [{"role": "user", "content": " "}], openai.UnprocessableEntityError, "empty"),
        (
            "headwater",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com"}}]}],
            openai.UnprocessableEntityError,
            "text",
        ),
    ],
)
def test_invalid_requests_are_refused(
    client: openai.OpenAI, model: str, messages: list[object], error: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.chat.completions.create(model=model, messages=messages)


def test_models_are_headwater_and_the_configured_one(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["headwater", "openai:fake"]


def test_rerank_without_a_reranker_says_what_to_set(chat: httpx.Client) -> None:
    response = chat.post("/v1/rerank", json={"query": "a", "documents": ["b"]})
    assert response.status_code == 404
    assert "RERANKER" in response.json()["detail"]
